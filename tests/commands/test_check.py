"""The verdict and its reports reach whoever waits for them, whatever else fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import comparison
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.commands import console


@pytest.fixture
def regressed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let check find a regression, after something has happened meanwhile."""
    change = Change(
        model="::stop-commands::x",
        metric="latency",
        unit="ms",
        baseline=10.0,
        candidate=11.0,
        change_percent=10.0,
        low_percent=9.0,
        high_percent=11.0,
        threshold_percent=3.0,
        verdict="regressed",
        why="It is slower.",
    )
    report = GateReport(
        mode="live",
        device="here",
        circumstances=(),
        baseline="a",
        candidate="b",
        changes=(change,),
        started_at="2026-11-23T09:00:00+00:00",
    )

    def install(meanwhile: Callable[[], object]) -> None:
        def compared(*_: object) -> GateReport:
            meanwhile()
            return report

        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setattr(comparison, "compare_versions", compared)

    return install


CHECK = ["check", "--baseline", "a", "--candidate", "b"]


def commands_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith("::")]


@pytest.mark.parametrize(
    ("given", "runs", "blocks", "alone"),
    [
        ((), 50, 40, 100),
        (("--design", "blocks"), 100, 20, 100),
        (("--runs", "7"), 7, 40, None),
        (("--design", "blocks", "--runs", "7"), 7, 20, None),
        (("--max-blocks", "9"), 50, 9, 100),
        (("--max-blocks", "20"), 50, 20, 100),
    ],
)
def test_each_design_has_numbers_of_its_own_unless_others_are_given(
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, ...],
    runs: int,
    blocks: int,
    alone: int | None,
) -> None:
    seen: list[tuple[Plan, GatePolicy]] = []

    def compared(_request: object, plan: Plan, policy: GatePolicy, *_: object) -> GateReport:
        seen.append((plan, policy))
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare_versions", compared)
    assert cli.run([*CHECK, *given]) == 130
    ((plan, policy),) = seen
    assert (plan.runs, policy.most_blocks, policy.runs_alone) == (runs, blocks, alone)


def test_an_alarm_is_the_only_command_to_github(
    regressed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    regressed(lambda: console.say("::stop-commands::x, block 3, does not count"))
    assert cli.run(CHECK) == 1
    printed = capsys.readouterr()
    (command,) = commands_in(printed.err)
    assert command.startswith("::error title=")
    assert commands_in(printed.out) == []


def test_a_report_that_cant_be_written_in_the_end_takes_back_no_verdict(
    regressed: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file, junit = tmp_path / "check.json", tmp_path / "check.xml"
    regressed(json_file.mkdir)
    assert cli.run([*CHECK, "--json", str(json_file), "--junit", str(junit)]) == 1
    said = capsys.readouterr().err
    assert "check.json: Is a directory" in said
    assert len(commands_in(said)) == 1
    assert junit.exists()


def program(*arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a process, whose streams are real."""
    command = [sys.executable, "-c", "from asymm_deploy.cli import main; main()", *arguments]
    return subprocess.run(command, check=False, stderr=subprocess.PIPE, **more)


@pytest.fixture
def slower(tmp_path: Path, good: LaunchRecord) -> list[str]:
    """Results that regressed, of a model with a name that is not ASCII; the command for them."""
    for name, ns in (("old", 10_000_000), ("new", 12_000_000)):
        (tmp_path / name).mkdir()
        records = [
            msgspec.structs.replace(
                good,
                model="größe",
                launch=n,
                launches_planned=10,
                runs=1,
                samples_ns=(ns + 10_000 * n,),
                started_at=f"2026-01-01T00:0{n}:00+00:00",
                artifact_sha256=name * 64,
            )
            for n in range(10)
        ]
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        (tmp_path / name / "runs.jsonl").write_bytes(lines)
    folders = ["--baseline", str(tmp_path / "old"), "--candidate", str(tmp_path / "new")]
    return ["check", *folders, "--json", str(tmp_path / "check.json")]


def test_a_verdict_and_its_files_outlive_an_output_that_takes_nothing(
    slower: list[str], tmp_path: Path
) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = program(*slower, stdout=full)
    assert ended.returncode == 1, ended.stderr
    assert b"can't print the report" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert json.loads((tmp_path / "check.json").read_text())["verdict"] == "regressed"


def test_names_that_the_output_can_not_spell_are_no_mistake(slower: list[str]) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = program(*slower, stdout=subprocess.PIPE, env=environ)
    assert ended.returncode == 1, ended.stderr
    assert b"gr\\xf6\\xdfe" in ended.stdout
    assert b"Traceback" not in ended.stderr


def test_a_report_to_stdout_is_added_to_a_log(slower: list[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        ended = program(*slower[:-1], "/dev/stdout", stdout=file)
    assert ended.returncode == 1, ended.stderr
    text = log.read_text()
    assert '"schema_version"' in text
    assert "the weaker comparison" in text
