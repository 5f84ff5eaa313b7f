"""`asymm-deploy export` from start to end: files, freshness, failures and their exit codes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from asymm_deploy import cli
from tests.made_networks import TWO_ENDED, made_network

SMALL = ("asymmnet_small_035", "--input-shape", "1,3,64,64")


@dataclass(frozen=True)
class Done:
    """What a command returned and printed."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, cwd: Path) -> Done:
    """Run a command in this process: its fork server then imports torch once for all tests."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        code = cli.run(arguments)
    return Done(code, out.getvalue(), err.getvalue())


def export(*arguments: str, cwd: Path) -> Done:
    return run("export", *arguments, cwd=cwd)


def manifest(folder: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    done = export(*SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


TINY = "two_ended.onnx"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a graph of three operators is exported, in a quarter of the time."""
    folder = tmp_path_factory.mktemp("tiny")
    made_network(TWO_ENDED, folder / TINY)
    done = export(TINY, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def work(tiny: Path, tmp_path: Path) -> Path:
    """A folder of its own in which the graph is already exported."""
    return Path(shutil.copytree(tiny, tmp_path / "work"))


def status_of(done: Done) -> list[str]:
    return [line.split()[1] for line in done.stdout.splitlines()[2:]]


def test_the_files_and_the_manifest_are_what_the_documentation_says(exported: Path) -> None:
    folder = exported / "artifacts" / "asymmnet_small_035"
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx",
        "model.mnn",
        "reference.npz",
        "inputs.bin",
        "manifest.json",
    }
    told = manifest(folder)
    assert told["model"] == "asymmnet_small_035"
    assert told["input_shape"] == [1, 3, 64, 64]
    assert told["seed"] == 0
    assert told["weights_sha256"] is None
    assert isinstance(told["spread"], float)
    assert told["spread"] > 0.3
    stages = told["stages"]
    assert isinstance(stages, dict)
    assert set(stages) == {"onnx", "simplified", "mnn"}
    for stage in stages.values():
        assert stage["samples"] >= 8
        assert 0 < stage["relative_error"] <= 1e-4
        assert stage["argmax_agreement"] == 1.0
    with np.load(folder / "reference.npz", allow_pickle=False) as arrays:
        assert arrays["output_0"].shape == (1, 1000)
    assert (folder / "inputs.bin").stat().st_size == 4 * 3 * 64 * 64
    assert not list((exported / "artifacts").glob(".work*"))


def test_nothing_is_done_again_until_something_changes(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "artifacts", tmp_path / "artifacts")
    folder = tmp_path / "artifacts" / "asymmnet_small_035"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert status_of(export(*SMALL, cwd=tmp_path)) == ["unchanged"]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert status_of(export(*SMALL, "--seed", "1", cwd=tmp_path)) == ["exported"]
    assert manifest(folder)["seed"] == 1


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, "flipped") for name in ("model.onnx", "model.mnn", "reference.npz", "inputs.bin")),
        ("model.mnn", "cut"),
        ("reference.npz", "gone"),
    ],
)
def test_a_damaged_file_is_made_again(work: Path, name: str, damage: str) -> None:
    path = work / "artifacts" / "two_ended" / name
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert status_of(export(TINY, cwd=work)) == ["exported"]
    assert len(path.read_bytes()) == len(whole)


def test_a_changed_tool_version_makes_it_again(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = work / "artifacts" / "two_ended" / "manifest.json"
    path.write_text(path.read_text().replace('"onnxsim": "', '"onnxsim": "9.'))
    assert status_of(export(TINY, cwd=work)) == ["unchanged"]  # only a note of it changed
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "9.9" if n == "onnxsim" else real(n))
    assert status_of(export(TINY, cwd=work)) == ["exported"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"schema_version": 1}', b"[]"])
def test_a_damaged_manifest_makes_it_again(work: Path, content: bytes) -> None:
    path = work / "artifacts" / "two_ended" / "manifest.json"
    path.write_bytes(content)
    assert status_of(export(TINY, cwd=work)) == ["exported"]


def test_a_manifest_of_a_newer_program_is_left_alone(work: Path) -> None:
    path = work / "artifacts" / "two_ended" / "manifest.json"
    path.write_text('{"schema_version": 99}')
    done = export(TINY, cwd=work)
    assert done.returncode == 2
    assert "schema_version 99" in done.stderr
    assert path.read_text() == '{"schema_version": 99}'


@pytest.mark.parametrize("key", ["../../escape", "/etc/passwd", "sub/model.onnx"])
def test_a_manifest_that_points_elsewhere_is_no_manifest(work: Path, key: str) -> None:
    path = work / "artifacts" / "two_ended" / "manifest.json"
    told = json.loads(path.read_text())
    told["files"][key] = told["files"].pop("model.mnn")
    path.write_text(json.dumps(told))
    assert status_of(export(TINY, cwd=work)) == ["exported"]


def test_weights_are_exported_and_their_change_is_noticed(tmp_path: Path) -> None:
    from asymm_deploy import build
    from asymm_deploy.engines.tensors import TensorSpec
    from asymm_deploy.export import untrained

    def save(seed: int) -> None:
        module = build("asymmnet_small_035")
        untrained.initialise(module, seed)
        untrained.set_statistics(module, [TensorSpec("input", (1, 3, 64, 64))], seed)
        torch.save(module.state_dict(), tmp_path / "w.pt")

    save(5)
    assert status_of(export(*SMALL, "--weights", "w.pt", cwd=tmp_path)) == ["exported"]
    first = manifest(tmp_path / "artifacts" / "asymmnet_small_035")
    assert (first["weights"], first["seed"]) == ("file", None)
    assert status_of(export(*SMALL, "--weights", "w.pt", cwd=tmp_path)) == ["unchanged"]
    save(6)
    assert status_of(export(*SMALL, "--weights", "w.pt", cwd=tmp_path)) == ["exported"]
    assert status_of(export(*SMALL, cwd=tmp_path)) == ["exported"]


def test_a_network_without_statistics_proves_nothing_and_fails(tmp_path: Path) -> None:
    from asymm_deploy import build

    torch.save(build("asymmnet_small_035").state_dict(), tmp_path / "fresh.pt")
    done = export(*SMALL, "--weights", "fresh.pt", cwd=tmp_path)
    assert done.returncode == 5
    assert "hardly depend on the input" in done.stderr
    assert not (tmp_path / "artifacts" / "asymmnet_small_035").exists()


USER_CODE = '''
import os
import platform
import torch
from torch import nn

class TwoInTwoOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 8)
        self.b = nn.Conv1d(2, 8, 3, padding=1)
    def forward(self, x, y):
        z = self.a(x) + self.b(y).mean(-1)
        return {"sum": z, "more": [torch.sigmoid(z[:, :3]), z * 2]}

class Frozen(nn.Module):
    """Its branch depends on the values, which tracing freezes."""
    def forward(self, x):
        return x * 2 if float(x.mean()) > 0.1 else x - 1

def make(): return TwoInTwoOut()
def frozen(): return Frozen()
def raises(): raise RuntimeError("no weights today")
def exits(): raise SystemExit(3)
def dies(): os.abort()
def text(): return "not a module"
def good(): return nn.Linear(4, 4)
def nan():
    layer = nn.Linear(4, 4)
    nn.init.constant_(layer.weight, float("nan"))
    return layer
value = 3
'''


@pytest.fixture
def user(tmp_path: Path) -> Path:
    (tmp_path / "user_code.py").write_text(USER_CODE)
    return tmp_path


def test_any_callable_with_several_inputs_and_outputs_is_exported(user: Path) -> None:
    shapes = ("--input-shape", "1,6", "--input-shape", "1,2,5")
    done = export("user_code:make", *shapes, cwd=user)
    assert done.returncode == 0, done.stderr
    told = manifest(user / "artifacts" / "user_code.make")
    outputs = told["outputs"]
    assert isinstance(outputs, list)
    assert [o["shape"] for o in outputs] == [[1, 8], [1, 3], [1, 8]]
    assert told["madds"] == 6 * 8 + 5 * 2 * 8 * 3
    assert status_of(export("user_code:make", *shapes, cwd=user)) == ["unchanged"]
    (user / "user_code.py").write_text(USER_CODE.replace("z * 2", "z * 3"))
    assert status_of(export("user_code:make", *shapes, cwd=user)) == ["exported"]


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("raises", 2, "no weights today"),
        ("exits", 2, "SystemExit"),
        ("text", 2, "returned a str"),
        ("value", 2, "not a function"),
        ("absent", 2, "has no absent"),
        ("nan", 5, "NaN"),
        ("frozen", 5, "differs"),
        ("dies", 6, "ended without a result"),
    ],
)
def test_a_callable_that_is_no_use_fails_alone(
    user: Path, name: str, code: int, message: str
) -> None:
    done = export(f"user_code:{name}", "user_code:good", "--input-shape", "1,4", cwd=user)
    assert status_of(done) == ["failed", "exported"]
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def onnx_file(path: Path, shape: list[int | str], operator: str = "Sin", domain: str = "") -> Path:
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], domain=domain)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_any_onnx_file_goes_the_same_way(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(1800, 5))
    torch.onnx.export(
        net.eval(),
        (torch.randn(1, 3, 32, 32),),
        str(tmp_path / "mine.onnx"),
        dynamo=False,
        input_names=["image"],
    )
    done = export("mine.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = manifest(tmp_path / "artifacts" / "mine")
    assert told["madds"] == 15 * 15 * 8 * 27 + 1800 * 5
    assert status_of(export("mine.onnx", cwd=tmp_path)) == ["unchanged"]


test_any_onnx_file_goes_the_same_way = pytest.mark.filterwarnings("ignore::DeprecationWarning")(
    test_any_onnx_file_goes_the_same_way
)


def test_a_dynamic_shape_needs_input_shape(tmp_path: Path) -> None:
    onnx_file(tmp_path / "dynamic.onnx", ["n", 4])
    done = export("dynamic.onnx", cwd=tmp_path)
    assert done.returncode == 2
    assert "--input-shape" in done.stderr
    assert export("dynamic.onnx", "--input-shape", "2,4", cwd=tmp_path).returncode == 0
    for wrong in ("2,5", "2", "y=2,4"):
        assert export("dynamic.onnx", "--input-shape", wrong, cwd=tmp_path).returncode == 2


def test_an_unsupported_operator_is_a_failed_conversion(tmp_path: Path) -> None:
    onnx_file(tmp_path / "odd.onnx", [1, 4], "Unheard", "com.example")
    done = export("odd.onnx", cwd=tmp_path)
    assert done.returncode == 6
    assert "Unheard" in done.stderr
    onnx_file(tmp_path / "good.onnx", [1, 4])
    both = export("odd.onnx", "good.onnx", cwd=tmp_path)
    assert both.returncode == 6
    assert status_of(both) == ["failed", "exported"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x07", b"\0" * 1000])
def test_what_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    done = export("bad.onnx", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr


def test_a_truncated_onnx_file_is_refused(tmp_path: Path, exported: Path) -> None:
    whole = (exported / "artifacts" / "asymmnet_small_035" / "model.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    assert export("cut.onnx", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("asymnet_large_100",),
        ("asymmnet_large_000",),
        ("asymmnet_large_-50",),
        ("asymmnet_large_100_r9",),
        ("../escape",),
        ("nowhere:make", "--input-shape", "1,3"),
        ("json:dumps",),
        ("asymmnet_small_035", "--weights", "none.pt"),
        ("asymmnet_small_035", "mbv3_small_035", "--weights", "none.pt"),
        ("asymmnet_small_035", "--input-shape", "1,1,64,64"),
        ("asymmnet_small_035", "--jobs", "0"),
        ("--table", "2"),
        (),
        ("asymmnet_small_035", "--table", "5"),
    ],
)
def test_bad_requests_exit_2_with_a_hint(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = export(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "error: " in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = export(*SMALL, "--out", "file", cwd=tmp_path)
    assert done.returncode == 2
    assert "can't write" in done.stderr


def in_a_namespace(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    if subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no user make namespaces")
    return subprocess.run(
        ["unshare", "-rnm", "sh", "-c", script],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_full_folder_is_told_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    command = f"{sys.executable} -m asymm_deploy export {' '.join(SMALL)} --out small"
    done = in_a_namespace(f"mount -t tmpfs -o size=6m none small && {command}", tmp_path)
    assert done.returncode == 2, done.stderr
    assert "no space left" in done.stderr.lower()


def test_the_whole_chain_needs_no_network(tmp_path: Path) -> None:
    command = f"{sys.executable} -m asymm_deploy"
    done = in_a_namespace(
        f"{command} export {' '.join(SMALL)} && {command} bench {' '.join(SMALL)} --runs 4 "
        "--launches 2 --allow bimodal --allow launch-spread --allow stolen-time",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_ctrl_c_ends_the_workers_and_leaves_no_litter(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "asymm_deploy", "export", "--table", "5"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out = tmp_path / "artifacts"
    deadline = time.monotonic() + 120
    while not list(out.glob("*/manifest.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert list(out.glob("*/manifest.json"))
    assert not list(out.glob(".work*"))


def has_open(pid: int, path: Path) -> bool:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if file.readlink() == path:
                return True
    return False


@pytest.mark.skipif(platform.system() != "Linux", reason="looks at open files through /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nobody_waits_for_a_file_that_takes_minutes_to_hash(
    number: signal.Signals, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pth"
    with weights.open("wb") as file:
        file.truncate(256 << 30)
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "asymm_deploy",
            "export",
            "asymmnet_small_035",
            "--weights",
            weights,
        ],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not has_open(process.pid, weights):
            time.sleep(0.02)
        process.send_signal(number)
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors == "interrupted; everything that was finished is kept\n"
