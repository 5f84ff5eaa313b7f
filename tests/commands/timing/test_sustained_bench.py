"""bench --for, whole, on this machine, with a runner whose minutes pass at once."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import Curve, curves_in
from asymm_deploy.commands import bench_steps
from asymm_deploy.errors import ExitCode
from tests.bench.fake_device import fake_artifact

RUNNER = """\
#!{python} -IS
import hashlib, json, os, sys, time
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
say = lambda **message: print(json.dumps(message), flush=True)
cores = arguments["--cpu"]
cores = [] if cores == "none" else [int(core) for core in cores.split(",")]
core = (cores or [None])[0]
seconds = int(float(arguments["--for-seconds"]))
say(type="hello", protocol=1, runner="fake", runner_version="0", engine="mnn", engine_version="0",
    abi="none", pid=os.getpid())
if {old}:
    say(type="error", reason="unrecognized arguments: --for-seconds 60")
    sys.exit(3)
model = open(arguments["--model"], "rb").read()
say(type="model", sha256=hashlib.sha256(model).hexdigest(), input_shape=[1], init_ns=5,
    memory_mb=1.5, precision="fp32", threads=int(arguments["--threads"]))
for at in range(seconds):
    ns = 20_000_000 + 1000 * at
    say(type="second", at_ns=at * 10**9, wall_ns=10**9, runs=40, mean_ns=ns, median_ns=ns,
        p90_ns=ns, p99_ns=ns, min_ns=ns - 1, max_ns=ns + 1, cpu_ns=40 * ns, waited_ns=0,
        steal_ns=0, late=0, skipped=0, core=core, khz=None, ns=None)
    if at == {stops_at}:
        {stops}
cpu_ns = sum(40 * (20_000_000 + 1000 * at) for at in range(seconds))
say(type="cpu", asked=cores, before=core, after=core)
say(type="calibration", before_mac_per_s=4e10, after_mac_per_s=4e10)
say(type="sustained", runs=40 * seconds, wall_ns=seconds * 10**9, cpu_ns=cpu_ns, waited_ns=0,
    steal_ns=0, late=0, skipped=0)
say(type="output", sha256="a" * 64)
say(type="done", count=40 * seconds)
"""

really_longer = plausibility.is_longer


@pytest.fixture(autouse=True)
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is exported; the files are no models."""
    monkeypatch.chdir(tmp_path)
    # By our clock the runner's minutes are over at once.
    monkeypatch.setattr(plausibility, "is_longer", lambda *_: False)

    def export(requests: Sequence[Any]) -> list[Any]:
        return [SimpleNamespace(request=request, failure=None) for request in requests]

    def subject(outcome: Any, plan: object) -> Artifact:
        return fake_artifact(tmp_path, outcome.request.source.model, "A")

    monkeypatch.setattr(bench_steps, "export_with_progress", export)
    monkeypatch.setattr(bench_steps, "exported_subject", subject)


@pytest.fixture
def runner(tmp_path: Path) -> Callable[..., Path]:
    """Make the program, which may stop in some second."""

    def make(*, old: bool = False, stops_at: int = -1, stops: str = "pass") -> Path:
        path = tmp_path / "runner"
        path.write_text(
            RUNNER.format(python=sys.executable, old=old, stops_at=stops_at, stops=stops)
        )
        path.chmod(0o755)
        return path

    return make


def bench(runner: Path, *more: str) -> int:
    return cli.run(["bench", "asymmnet_small_035", "--runner", str(runner), "--for", "60s", *more])


def curves() -> list[Curve]:
    path = Path("results") / SUSTAINED_NAME
    return curves_in(path.read_bytes(), path)[0]


def row() -> dict[str, str]:
    with Path("results/sustained.csv").open(newline="") as file:
        (found,) = csv.DictReader(file)
    return found


def test_a_curve_becomes_a_row_and_is_kept(
    runner: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(runner()) == 0
    told = capsys.readouterr()
    assert "asymmnet_small_035 runs for 1m" in told.err
    assert "wrote results/sustained.jsonl and results/sustained.csv" in told.err
    assert "| asymmnet_small_035 |" in told.out
    found = row()
    assert float(found["first_ms"]) == pytest.approx(20.0, abs=0.01)
    assert float(found["sustained_ms"]) == pytest.approx(20.05, abs=0.01)
    assert (found["runs"], found["asked_s"], found["every_ms"]) == ("2400", "60.0", "")
    unknown = ("time_to_throttle_s", "throttled_by", "late_frames", "min_clock_khz")
    assert [found[name] for name in unknown] == [""] * 4
    assert found["valid"] == "true"

    assert bench(runner()) == 0
    assert "was timed for 1m before, which is kept" in capsys.readouterr().err
    assert len(curves()) == 1
    assert bench(runner(), "--every", "25ms") == 0
    assert bench(runner(), "--fresh") == 0
    assert [curve.launch.attempt for curve in curves()] == [0, 0, 1]
    assert len(Path("results/sustained.csv").read_text().splitlines()) == 3


def test_what_is_allowed_later_leaves_a_kept_row_valid(runner: Callable[..., Path]) -> None:
    assert bench(runner()) == 0
    assert bench(runner(), "--allow", "hot") == 0
    (curve,) = curves()
    assert curve.launch.allowed == ("hot",)


def test_an_older_runner_is_told_to_be_built_again(
    runner: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(runner(old=True)) == 3
    assert "unrecognized arguments" in capsys.readouterr().err
    assert "asymm-deploy runner build" in row()["flags"]


def test_a_runner_that_dies_leaves_its_seconds_and_the_next_bench_begins_anew(
    runner: Callable[..., Path],
) -> None:
    assert bench(runner(stops_at=30, stops="os._exit(9)")) == 3
    (curve,) = curves()
    assert len(curve.seconds) == 31
    found = row()
    assert (found["reached_s"], found["sustained_ms"], found["valid"]) == ("31.0", "", "false")
    assert found["flags"].startswith("failed: the runner ended with code 9")
    runner()
    assert bench(runner()) == 0
    assert [curve.is_whole for curve in curves()] == [False, True]
    assert row()["valid"] == "true"


def test_minutes_that_were_over_at_once_are_made_up(
    runner: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plausibility, "is_longer", really_longer)
    assert bench(runner()) == 3
    assert row()["flags"].startswith("failed: the runner's times are made up")


def test_several_models_come_one_after_the_other(
    runner: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(runner(), "asymmnet_small_050") == 0
    assert [curve.launch.model[-3:] for curve in curves()] == ["035", "050"]
    assert "letting it cool" not in capsys.readouterr().err


def test_one_without_a_file_is_not_said_to_run(
    runner: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lacking = Missing("net", "boom", ExitCode.CONVERSION)
    monkeypatch.setattr(bench_steps, "exported_subject", lambda *_: lacking)
    assert bench(runner()) == ExitCode.CONVERSION
    assert row()["flags"] == "failed: boom"
    assert "runs for" not in capsys.readouterr().err


def test_one_that_hangs_is_killed(runner: Callable[..., Path]) -> None:
    hangs = runner(stops_at=2, stops="time.sleep(99)")
    assert bench(hangs, "--for", "8h", "--launch-timeout", "1") == 3
    assert "told of nothing for 2 s and was killed" in row()["flags"]


def test_models_of_one_name_are_refused(
    runner: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "net.mnn").write_bytes(folder.encode())
    both = ["a/net.mnn", "b/net.mnn"]
    assert cli.run(["bench", *both, "--runner", str(runner()), "--for", "60s"]) == 2
    assert "two of the models are called" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_read_and_says_so(
    runner: Callable[..., Path], tmp_path: Path
) -> None:
    slow = runner(stops_at=20, stops="time.sleep(60)")
    model = tmp_path / "net.mnn"
    model.write_bytes(b"no model")
    process = subprocess.Popen(
        [sys.executable, "-m", "asymm_deploy", "bench", str(model), "--runner", str(slow),
         "--for", "60s"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    path = tmp_path / "results" / SUSTAINED_NAME
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < 22:  # it begins, and 21 seconds
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"net: 21 of 60 s are kept in results/sustained.jsonl" in err
    (curve,) = curves()
    assert curve.launch.error == "interrupted, after 21 of 60 s"


def test_a_killed_command_is_marked_by_the_next_one(
    runner: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(runner()) == 0
    path = Path("results") / SUSTAINED_NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:31]))
    assert bench(runner()) == 0
    assert "the command that timed it stopped early, after 30 of 60 s" in capsys.readouterr().err
    assert [len(curve.seconds) for curve in curves()] == [30, 60]
