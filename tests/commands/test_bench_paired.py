"""bench --paired, whole: a ratio in the table, and what can't be done is said."""

from __future__ import annotations

import csv
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asymm_deploy import cli
from asymm_deploy.bench import store
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.commands import bench_steps
from tests.bench.fake_device import fake_artifact

RUNNER = """\
#!{python} -IS
import hashlib, json, os, sys, time
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
paths = [arguments[name] for name in ("--model", "--second-model") if name in arguments]
say = lambda **message: print(json.dumps(message), flush=True)
if len(paths) > 1 and not {knows}:
    say(type="error", reason="unrecognized arguments: --second-model")
    sys.exit(2)
cores = arguments["--cpu"]
cores = [] if cores == "none" else [int(core) for core in cores.split(",")]
runs = int(arguments["--runs"])
more = time.time_ns() % 9999
base = lambda path: 100_000 if os.path.basename(path).startswith("mbv3") else 120_000
times = lambda path: [base(path) + more // 10 + n for n in range(runs)]
say(type="hello", protocol=1, runner="fake", runner_version="0", engine="mnn", engine_version="0",
    abi="none", pid=os.getpid())
for path in paths:
    say(type="model", sha256=hashlib.sha256(open(path, "rb").read()).hexdigest(), input_shape=[1],
        init_ns=5, memory_mb=1.5, precision=arguments["--precision"],
        threads=int(arguments["--threads"]))
say(type="cpu", asked=cores, before=(cores or [None])[0], after=(cores or [None])[0])
say(type="calibration", before_mac_per_s=4e10, after_mac_per_s=4e10)
if len(paths) == 1:
    wall = sum(times(paths[0]))
    say(type="samples", ns=times(paths[0]), wall_ns=wall, cpu_ns=wall, waited_ns=0, steal_ns=0)
else:
    order = (1, 0) if arguments["--starts"] == "second" else (0, 1)
    turns = [dict(ns=times(path), cpu_ns=times(path), start_ns=[]) for path in paths]
    now = 0
    for run in range(runs):
        for side in order:
            turns[side]["start_ns"].append(now)
            now += turns[side]["ns"][run]
    say(type="pairs", first=turns[0], second=turns[1], wall_ns=now, cpu_ns=now, waited_ns=0,
        steal_ns=0)
for path in paths:
    say(type="output", sha256="a" * 64)
say(type="done", count=runs)
time.sleep(runs * len(paths) * 0.13e-3)  # as long as it says that it took
"""
ALLOWED = [f"--allow={name}" for name in ("bimodal", "launch-spread", "stolen-time")]
RATIO = ("vs_mbv3_paired", "vs_mbv3_low", "vs_mbv3_high")


@pytest.fixture(autouse=True)
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is exported; the files are no models. Returns the names that were asked for."""
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []

    def export(requests: Sequence[Any]) -> list[Any]:
        asked.extend(request.source.model for request in requests)
        return [SimpleNamespace(request=request, failure=None) for request in requests]

    def subject(outcome: Any, plan: object) -> Artifact:
        return fake_artifact(tmp_path, outcome.request.source.model, "A")

    monkeypatch.setattr(bench_steps, "export_with_progress", export)
    monkeypatch.setattr(bench_steps, "exported_subject", subject)
    return asked


def bench(*arguments: str, knows: bool = True) -> int:
    runner = Path("runner")
    runner.write_text(textwrap.dedent(RUNNER.format(python=sys.executable, knows=knows)))
    runner.chmod(0o755)
    numbers = ["--runs=20", "--launches=2", "--warmup=0"]
    return cli.run(["bench", *arguments, "--runner", "./runner", *numbers, *ALLOWED])


def table5(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    capsys.readouterr()
    assert cli.run(["report", "--table", "5", "--format", "csv"]) == 0
    rows = csv.DictReader(capsys.readouterr().out.splitlines())
    return [row for row in rows if row["latency_ms"]]


def test_the_mbv3_is_exported_too_and_the_ratio_stands_in_the_table(
    exported: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("asymmnet_small_100", "--paired") == 0
    assert exported == ["asymmnet_small_100", "mbv3_small_100"]
    said = capsys.readouterr()
    assert "asymmnet_small_100: takes 1." in said.err
    assert "times as long as mbv3_small_100 (1." in said.err
    assert "by 8 paired launches" in said.err
    assert "mbv3" not in said.out
    (row,) = table5(capsys)
    assert row["latency_vs_mbv3"] == ""
    assert [float(row[name]) for name in RATIO] == pytest.approx([1.2, 1.2, 1.2], rel=0.01)


def test_without_it_the_table_is_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("asymmnet_small_100", "mbv3_small_100") == 0
    assert all(record.paired is None for record in store.load(Path("results")))
    rows = table5(capsys)
    assert len(rows) == 2
    assert not set(RATIO) & rows[0].keys()


def test_an_older_runner_times_the_latencies_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench("asymmnet_small_100", "pruned_small_100", "--paired", knows=False) == 3
    said = capsys.readouterr().err
    assert said.count("can't time two models in turns") == 1
    assert "asymmnet_runner build" not in said
    rows = table5(capsys)
    assert [row["valid"] for row in rows] == ["true", "true"]
    assert not set(RATIO) & rows[0].keys()


def test_what_has_no_mbv3_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.mnn").write_bytes(b"weights")
    models = ("net.mnn", "mobilenetv2_100", "asymmnet_small_100", "mbv3_small_100")
    assert bench(*models, "--paired") == 0
    said = capsys.readouterr().err
    assert said.count("not in Table 5, so without an MBV3: mobilenetv2_100, net\n") == 1


def test_models_of_ones_own_alone_are_refused_before_anything_is_done(
    exported: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("net.mnn").write_bytes(b"weights")
    assert bench("net.mnn", "--paired") == 2
    assert "and net has none" in capsys.readouterr().err
    assert exported == []
    assert not Path("results").exists()
