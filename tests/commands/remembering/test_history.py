"""history add, query and export through the command line, on what the other commands leave."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.baseline.accept_change import accept_growth
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import json_file

OF = ("--commit", "1" * 40, "--time", "2026-01-01")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def results(tmp_path: Path, good: LaunchRecord) -> Path:
    """Two launches of the model net, whose file holds ``weights``."""
    folder = tmp_path / "results"
    folder.mkdir()
    with (folder / "runs.jsonl").open("wb") as file:
        for launch in range(2):
            sha256 = hashlib.sha256(b"weights").hexdigest()
            record = msgspec.structs.replace(good, launch=launch, artifact_sha256=sha256)
            file.write(msgspec.json.encode(record) + b"\n")
    return folder


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[dict[str, Any]]]:
    """Return the answer to SQL."""

    def asked(sql: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert cli.run(["history", "query", sql, "--format", "json"]) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return found

    return asked


def test_what_bench_and_export_wrote_is_added_with_the_model_s_size(
    results: Path, export: Callable[..., Path], ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    export("net")
    assert cli.run(["history", "add", "results", *OF, "--branch", "main"]) == 0
    assert "added to history, commit 111111111111 of main: 2 launches, 1 model size" in (
        capsys.readouterr().err
    )
    assert ask("select mnn_bytes, madds from sizes") == [{"mnn_bytes": 7, "madds": 200000000}]
    assert cli.run(["history", "add", "results", *OF]) == 0
    assert "already there" in capsys.readouterr().err
    (row,) = ask("select source, dirty, row_count, branch from entries")
    assert row == {"source": "results", "dirty": None, "row_count": 3, "branch": "main"}


def test_a_commit_from_the_future_is_told(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    future = (*OF[:2], "--time", "2150-01-01T00:00+13:45")
    assert cli.run(["history", "add", "results", *future]) == 0
    assert "2149-12-31T10:15:00 (UTC), which is yet to come" in capsys.readouterr().err


def test_files_that_hold_no_launches_are_refused_by_what_they_are(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "runs.jsonl").rename(results / "explained.jsonl")
    for given, said in (
        ("results", "results/explained.jsonl: a history takes no such records in"),
        ("results/explained.jsonl", "is no file that holds launches or verdicts"),
    ):
        assert cli.run(["history", "add", given, *OF]) == 2
        assert said in capsys.readouterr().err.splitlines()[0]
    assert not (tmp_path / "history").exists()


def test_a_file_that_is_not_the_one_measured_gives_no_size(
    results: Path, export: Callable[..., Path], ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    export("net", b"others")
    assert cli.run(["history", "add", "results", *OF]) == 0
    assert "the size in bytes of 1 model is unknown" in capsys.readouterr().err
    assert ask("select mnn_bytes from sizes") == [{"mnn_bytes": None}]


def test_a_baseline_gives_what_it_accepts_and_no_sizes_of_an_earlier_commit(
    export: Callable[..., Path], ask: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = export("net")
    save_baseline(exported, tmp_path / "base")
    assert cli.run(["history", "add", "base", *OF]) == 2
    assert "accepts no change" in capsys.readouterr().err
    assert cli.run(["history", "add", str(exported), *OF]) == 0
    accept_growth(tmp_path / "base", "net", "latency", 8.0, reason="a head", by="Ada")
    assert cli.run(["history", "add", "base", *OF]) == 0
    later = ["--commit", "2" * 40, "--time", "2026-01-02"]
    assert cli.run(["history", "add", "base", *later]) == 0
    assert ask(
        "select model, metric, up_to_percent, accepted_by, reason, commit from accepted"
    ) == [
        {
            "model": "net",
            "metric": "latency",
            "up_to_percent": 8.0,
            "accepted_by": "Ada",
            "reason": "a head",
            "commit": "1" * 40,
        }
    ]
    assert ask('select "commit", mnn_bytes from sizes') == [{"commit": "1" * 40, "mnn_bytes": 7}]


def test_verdicts_of_a_check_are_added(ask: Any, tmp_path: Path) -> None:
    change = Change(
        model="net",
        metric="latency",
        unit="ms",
        baseline=1.0,
        candidate=1.1,
        change_percent=10.0,
        low_percent=9.0,
        high_percent=11.0,
        threshold_percent=3.0,
        verdict="regressed",
        why="Slower.",
    )
    report = GateReport(
        mode="live",
        device="here",
        circumstances=(),
        baseline="old",
        candidate="new",
        changes=(change,),
        started_at="2026-01-01T00:00:00+00:00",
    )
    (tmp_path / "check.json").write_bytes(json_file.rendered(report))
    assert cli.run(["history", "add", "check.json", *OF]) == 0
    assert cli.run(["history", "add", ".", *OF]) == 0, "the same, in a folder"
    (row,) = ask("select model, verdict, change_percent, device, mode from verdicts")
    assert row == {
        "model": "net",
        "verdict": "regressed",
        "change_percent": 10.0,
        "device": "here",
        "mode": "live",
    }


def test_a_history_goes_elsewhere_in_one_file(results: Path, ask: Any, tmp_path: Path) -> None:
    assert cli.run(["history", "add", "results", *OF]) == 0
    assert cli.run(["history", "export", "one", "--format", "store"]) == 0
    (path,) = (tmp_path / "one").iterdir()
    assert cli.run(["history", "add", str(path), "--store", "other"]) == 0
    assert cli.run(["history", "add", "history", "--store", "third"]) == 0
    assert cli.run(["history", "query", "from launches", "--store", "third"]) == 0
    assert cli.run(["history", "add", "one", "--store", "other", *OF]) == 2, "it has its commits"
