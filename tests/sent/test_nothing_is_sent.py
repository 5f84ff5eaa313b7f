"""Nothing leaves this machine, and nothing is left on it but what the user asked for.

The commands run as a user starts them, and everything that they start is watched (see conftest.py).
ONNX Runtime is the one that would send: remove the line in ``asymm_deploy/__init__.py`` and most of
these fail.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tests.made_hub import FIRST, fill_cache
from tests.phone.fixtures import missing
from tests.phone.phone import Phone
from tests.phone.profiles import PIXEL_4
from tests.phone.server import AdbServer
from tests.sent.conftest import SHARED_MEMORY, Watch, make_watch

MODULE = """\
import time
from torch import nn

def small():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )

def broken():
    raise RuntimeError("on purpose")

def slow():
    open("started", "w").close()
    time.sleep(600)
"""
SMALL = ("my_models:small", "--input-shape", "1,3,8,8")
FEW = ("--runs=20", "--warmup=2", "--launches=2")
NOISE = [f"--allow={flag}" for flag in ("bimodal", "launch-spread", "stolen-time", "busy")]
NEEDS_STRACE = "strace is not installed, or may not trace here"


def _weights() -> dict[str, np.ndarray]:
    """Return weights for SMALL, by their names in it."""
    shapes = {"0.weight": (8, 3, 3, 3), "0.bias": (8,), "4.weight": (10, 8), "4.bias": (10,)}
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, program: str) -> Watch:
    """Export, bench on both engines, explain, report, check; then an export that fails.

    The exports that are checked have weights of the hub, which a cache has and no network.
    """
    watch = make_watch(tmp_path_factory.mktemp("sent"))
    cache = watch.root / "cache"
    fill_cache(cache, FIRST, "small.safetensors", save(_weights()))
    offline = {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    of_hub = ("--weights", "hf://org/net/small.safetensors")
    shape = SMALL[1:]
    for out, activation in (("old", "nn.ReLU()"), ("new", "nn.ReLU6()")):
        (watch.work / "my_models.py").write_text(MODULE.replace("nn.ReLU()", activation))
        exported = (program, "export", *SMALL, "--out", out, "--jobs=1", *of_hub)
        done = watch.run(*exported, more=offline)
        assert done.returncode == 0, done.stderr
        assert f"HF_HUB_OFFLINE is set: {of_hub[1]} is as the cache has it" in done.stderr
    for engine in ("mnn", "onnxruntime"):
        done = watch.run(program, "bench", *SMALL, *FEW, f"--engine={engine}", *NOISE)
        assert done.returncode in (0, 4), done.stderr
    done = watch.run(program, "explain", *SMALL, "--runs=40", *NOISE)
    assert done.returncode in (0, 4), done.stderr
    done = watch.run(program, "report", "--format=csv")
    assert done.stdout.count("\n") == 3
    arms = ("--baseline", "old", "--candidate", "new")
    done = watch.run(program, "check", *arms, "--runs=20", "--max-blocks=8", *NOISE[1:])
    assert done.returncode in (0, 1, 4), done.stderr  # so few runs may find a regression by chance
    done = watch.run(program, "export", "my_models:broken", *shape)
    assert done.returncode in (2, 6)
    assert "on purpose" in done.stderr
    return watch


def test_no_command_reaches_for_the_network(watched: Watch) -> None:
    assert watched.reached_for() == []


def test_weights_of_the_hub_are_recorded_with_their_revision(watched: Watch) -> None:
    told = json.loads((watched.work / "old" / "my_models.small" / "manifest.json").read_text())
    assert told["weights_path"] == "hf://org/net/small.safetensors"
    assert told["weights_revision"] == FIRST
    assert told["weights_sha256"] == sha256(save(_weights())).hexdigest()
    assert not any("cache" in path for path in told["sources"])


def test_no_command_writes_outside_the_working_folder(watched: Watch) -> None:
    if watched.strace is None:
        pytest.skip(NEEDS_STRACE)
    assert watched.trace.read_text().count("O_CREAT") > 20
    assert watched.written_elsewhere() == []


def test_no_command_leaves_a_file_in_the_home_or_among_the_temporary_ones(watched: Watch) -> None:
    assert watched.left_behind() == []


def test_the_working_folder_holds_what_the_commands_promise_and_no_more(watched: Watch) -> None:
    names = {path.name for path in watched.work.iterdir()}
    assert names == {
        *("__pycache__", "my_models.py", "old", "new", "artifacts", "results", "check-results"),
    }  # fmt: skip
    hidden = {path.name for path in watched.work.rglob(".*")}
    locks = {".lock", ".bench.lock", ".bench.holder", ".check.lock", ".check.holder"}
    assert hidden <= locks | {".explain.lock"}


@pytest.mark.parametrize(
    "code",
    [
        "import asymm_deploy.postprocess",
        "import asymm_deploy, onnxruntime",
        "from asymm_deploy.engines.ort_session import OrtSession",
        "import asymm_deploy.postprocess, onnxruntime, MNN, torch, onnx",
    ],
)
def test_a_users_program_sends_nothing_either(watch: Watch, python: str, code: str) -> None:
    done = watch.run(python, "-c", code)
    assert done.returncode == 0, done.stderr
    assert watch.reached_for() == []
    assert watch.left_behind() == []


def test_a_shell_that_asks_for_telemetry_gets_none(watch: Watch, python: str) -> None:
    code = "import asymm_deploy, onnxruntime"
    for value in ("0", ""):
        assert watch.run(python, "-c", code, more={"ORT_DISABLE_TELEMETRY": value}).returncode == 0
    assert watch.left_behind() == []


@pytest.mark.parametrize(
    ("command", "number"), [("export", signal.SIGTERM), ("bench", signal.SIGINT)]
)
def test_an_interrupted_command_leaves_nothing(
    watch: Watch, program: str, command: str, number: signal.Signals
) -> None:
    (watch.work / "my_models.py").write_text(MODULE)
    arguments = [program, command, "my_models:slow", *SMALL[1:]]
    with subprocess.Popen(
        arguments, cwd=watch.work, env=watch.environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        _wait_for(watch.work / "started")
        process.send_signal(number)
        _said, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert watch.left_behind() == []
    assert [path.name for path in watch.work.glob("artifacts/*")] == [".lock"] or not list(
        watch.work.glob("artifacts/*")
    )


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_devices_talks_to_the_adb_server_alone(watch: Watch, program: str) -> None:
    if reason := missing():
        pytest.skip(reason)
    with AdbServer() as server, Phone(PIXEL_4) as phone:
        server.connect(phone)
        more = {name: text for name, text in server.env.items() if name.startswith("ANDROID_ADB")}
        done = watch.run(program, "devices", more=more)
    assert done.returncode == 0, done.stderr
    assert phone.serial in done.stdout
    elsewhere = [
        call
        for call in watch.reached_for()
        if str(server.port) not in call and not call.startswith("socket(AF_INET")
    ]
    assert elsewhere == []
    assert watch.left_behind() == []
    assert watch.written_elsewhere() == []


# the watching itself


def test_the_watch_sees_a_connection_a_look_up_and_a_file(watch: Watch, python: str) -> None:
    code = """\
import pathlib, socket, subprocess, sys
pathlib.Path.home().joinpath("left").write_text("")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.connect(("127.0.0.1", 9))
try:
    socket.getaddrinfo("no.such.host.invalid", 80)
except OSError:
    pass
"""
    assert watch.run(python, "-c", code).returncode == 0
    said = "\n".join(watch.reached_for())
    assert "127.0.0.1" in said
    assert "no.such.host.invalid" in said
    assert watch.left_behind() == ["home/left"]
    if watch.strace is not None:
        assert any("home/left" in call for call in watch.written_elsewhere())


def test_strace_sees_what_an_isolated_python_does(watch: Watch, python: str) -> None:
    if watch.strace is None:
        pytest.skip(NEEDS_STRACE)
    code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    assert watch.run(python, "-I", "-c", code).returncode == 0
    assert [call for call in watch.reached_for() if call.startswith("socket(AF_INET")]


def test_shared_memory_is_told_of_who_made_it(watch: Watch, python: str) -> None:
    if watch.strace is None or not SHARED_MEMORY.is_dir():
        pytest.skip("nobody sees who makes shared memory")
    ours, theirs = (f"{name}-{uuid.uuid4().hex}" for name in ("ours", "theirs"))
    (SHARED_MEMORY / theirs).write_text("")
    code = f"open('{SHARED_MEMORY / ours}', 'w').close()"
    try:
        assert watch.run(python, "-c", code).returncode == 0
        assert watch.left_behind() == [ours]
    finally:
        for name in (ours, theirs):
            (SHARED_MEMORY / name).unlink(missing_ok=True)
