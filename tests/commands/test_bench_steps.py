"""A bench reads its results once, makes each device once, and refuses before it exports."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy import cli, jsonl
from asymm_deploy.bench.host import host_device
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.commands import bench_steps
from asymm_deploy.commands.bench_progress import BenchProgress
from asymm_deploy.commands.timing import cold_steps
from asymm_deploy.errors import UsageError
from asymm_deploy.report import tables

RUNNER = """\
#!{python} -IS
import hashlib, json, os, sys
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
cores = arguments["--cpu"]
cores = [] if cores == "none" else [int(core) for core in cores.split(",")]
runs = int(arguments["--runs"])
sha256 = hashlib.sha256(open(arguments["--model"], "rb").read()).hexdigest()
say = lambda **message: print(json.dumps(message), flush=True)
say(type="hello", protocol=1, runner="fake", runner_version="0", engine="mnn", engine_version="0",
    abi="none", pid=os.getpid())
say(type="model", sha256=sha256, input_shape=[1], init_ns=5, memory_mb=1.5,
    precision=arguments["--precision"], threads=int(arguments["--threads"]))
say(type="cpu", asked=cores, before=(cores or [None])[0], after=(cores or [None])[0])
say(type="calibration", before_mac_per_s=4e10, after_mac_per_s=4e10)
say(type="samples", ns=[1_000_000 + n for n in range(runs)], wall_ns=1_001_000 * runs,
    cpu_ns=1_001_000 * runs, waited_ns=0, steal_ns=0)
say(type="output", sha256="a" * 64)
say(type="done", count=runs)
"""
ALLOWED = [f"--allow={name}" for name in ("bimodal", "launch-spread", "stolen-time")]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A bench of a file that is no model, by a runner that runs nothing."""
    monkeypatch.chdir(tmp_path)
    runner = tmp_path / "runner"
    runner.write_text(textwrap.dedent(RUNNER.format(python=sys.executable)))
    runner.chmod(0o755)
    Path("net.mnn").write_bytes(b"weights")
    return ["bench", "net.mnn", "--runner", str(runner), "--runs=4", "--launches=2", *ALLOWED]


def test_results_are_read_once_and_the_device_is_made_once(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    made: list[object] = []
    really_read, really_make = jsonl.read_lines, HostDevice.__init__

    def reading(path: Path, *more: Any) -> Any:
        read.append(path)
        return really_read(path, *more)

    def making(self: HostDevice, *given: Any) -> None:
        made.append(self)
        really_make(self, *given)

    monkeypatch.setattr(jsonl, "read_lines", reading)
    monkeypatch.setattr(host_device.HostDevice, "__init__", making)
    for times in (1, 2):
        assert cli.run([*command, "--fresh"]) == 0
        assert read == [Path("results/runs.jsonl")] * times
        assert len(made) == times


def test_what_is_written_tells_of_earlier_benches_too(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(command) == 0
    Path("other.mnn").write_bytes(b"other weights")
    assert cli.run([command[0], "other.mnn", *command[2:]]) == 0
    rows = Path("results/latency.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["net", "other"]
    printed = capsys.readouterr().out
    assert printed.count("| other") == 1
    assert printed.count("| net") == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(5, "Input/output error")])
def test_however_it_ends_latency_csv_tells_of_what_was_finished(
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | type[BaseException],
) -> None:
    def end(self: object, device: str, event: Any) -> None:
        if type(event).__name__ == "LaunchFinished":
            raise error

    monkeypatch.setattr(BenchProgress, "show", end)
    assert cli.run(command) in {130, 3}
    lines = Path("results/runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["launch"] for line in lines] == [0]
    assert "net," in Path("results/latency.csv").read_text()


def test_a_table_that_cant_be_written_is_no_success(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise UsageError("can't write results/latency.csv: it is full", "give another --out")

    monkeypatch.setattr(tables, "write_latency", fail)
    assert cli.run(command) == 2
    said = capsys.readouterr().err
    assert "error: can't write results/latency.csv" in said
    assert "wrote" not in said


def test_a_runner_that_is_none_is_refused_before_anything_is_exported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def export(*_: object, **__: object) -> Any:
        pytest.fail("it was exported")

    monkeypatch.setattr(bench_steps, "export_with_progress", export)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["bench", "asymmnet_small_035", "--runner", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--cold",)])
def test_models_of_one_name_are_refused_before_a_device_is_used(
    more: tuple[str, ...],
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("other").mkdir()
    Path("other/net.mnn").write_bytes(b"others")
    monkeypatch.setattr(bench_steps, "_timed", lambda *_: pytest.fail("it was used"))
    monkeypatch.setattr(cold_steps, "_started", lambda *_: pytest.fail("it was used"))
    runner = command[2:4]
    assert cli.run(["bench", "net.mnn", "other/net.mnn", *runner, *more]) == 2
    assert "two of the models are called net" in capsys.readouterr().err


def test_an_engine_that_phones_lack_is_refused_before_a_lab_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nowhere = ["--lab", "127.0.0.1:1", "--device", "any", "--wait"]
    assert cli.run(["bench", "asymmnet_small_035", *nowhere, "--engine", "onnxruntime"]) == 2
    assert "phones run MNN only, not onnxruntime" in capsys.readouterr().err


def test_an_export_that_fails_keeps_its_row(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.onnx").write_bytes(b"no graph")
    assert cli.run([command[0], "broken.onnx", *command[1:]]) == 2
    printed = capsys.readouterr()
    assert "error: broken.onnx: " in printed.err
    rows = Path("results/latency.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["net", "broken"]


def test_the_steps_are_those_of_the_help(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        really: Callable[..., Any] = getattr(bench_steps, name)

        def step(*given: Any, **named: Any) -> Any:
            steps.append(name.lstrip("_"))
            return really(*given, **named)

        return step

    names = (
        *("asked_devices", "bare_files", "exported_subjects", "_timed"),
        *("_write_latencies", "_write_tables"),
    )
    for name in names:
        monkeypatch.setattr(bench_steps, name, noted(name))
    assert cli.run(command) == 0
    assert steps == [name.lstrip("_") for name in names]
    assert "wrote results/runs.jsonl and results/latency.csv" in capsys.readouterr().err
