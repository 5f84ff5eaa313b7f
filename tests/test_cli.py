"""The small commands: what they print where, and what they say to mistakes."""

from __future__ import annotations

import csv
import io
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
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import comparison
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.commands import console
from asymm_deploy.errors import UsageError
from asymm_deploy.models import catalog
from asymm_deploy.safe import GitHubCommand


def test_models_prints_csv_with_integers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["models", "asymmnet_large_100", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    row = next(row for row in rows if row["name"] == "asymmnet_large_100")
    assert list(row) == ["name", "input_shape", "madds", "params"]
    assert (int(row["madds"]), int(row["params"])) == (216_918_096, 6_076_608)


def test_describe_adds_up_and_keeps_stdout_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["describe", "mbv3_small_035", "--format", "json"]) == 0
    layers = json.loads(capsys.readouterr().out)
    assert sum(layer["madds"] for layer in layers) == 14_777_992
    assert cli.run(["describe", "mbv3_small_035"]) == 0
    assert "depthwise 19.5 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exprt"], "export"),
        (["models", "--fromat", "csv"], "--format"),
        (["models", "--format", "xml"], "xml"),
        (["describe"], "missing argument"),
        (["describe", "asymmnet_large_1OO"], "three or more digits"),
        (["bench", "asymmnet_small_035", "--cpu", "first"], "no core"),
        (["report", "nowhere"], "nowhere"),
        (["report", "nowhere", "--table", "11"], "there is no table 11"),
        (["report", "nowhere", "--figure", "2"], "no networks for Figure 2"),
    ],
)
def test_a_mistake_exits_2_and_says_what_to_try(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert "hint: " in printed.err
    assert said in printed.err


def test_version_and_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("asymm-deploy ")
    cli.run([])
    assert "Usage:" in "".join(capsys.readouterr())


def test_a_name_can_neither_give_a_command_nor_pass_for_a_remark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.say("::error title=x::pwned")
    console.say(" ::warning::x")
    console.say("net: a\n::error::b\nhint: curl | sh\r##[error]c")
    console.complain(UsageError("::stop-commands::x", "::add-mask::x"))
    lines = capsys.readouterr().err.split("\n")
    assert not any(line.strip().startswith("::") or "##[" in line for line in lines)
    assert [line for line in lines if line.startswith("hint")] == ["hint: ::add-mask::x"]
    console.say(GitHubCommand("::error title=slow::x"))
    assert capsys.readouterr().err == "::error title=slow::x\n"


@pytest.mark.parametrize("error", [ZeroDivisionError("nobody saw it"), EOFError("nobody saw it")])
def test_our_own_mistakes_show_a_traceback_and_exit_3(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(catalog, "catalog", fail)
    assert cli.run(["models"]) == 3
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert f"{type(error).__name__}: nobody saw it" in said
    assert "please report it" in said


def started(command: str) -> subprocess.CompletedProcess[str]:
    shell = f"{sys.executable} -m asymm_deploy.cli {command}"
    argv = ["bash", "-c", f'{shell}; echo "${{PIPESTATUS[0]}}"']
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize("command", ["models --format csv", "--help", "--version 2>&1"])
def test_who_stops_reading_is_told_nothing(command: str) -> None:
    # true ends at once; python takes longer to start than that
    done = started(f"{command} | true")
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_a_full_disk_behind_stdout_exits_3_and_is_said(command: str) -> None:
    done = started(f"{command} > /dev/full")
    assert done.stdout == "3\n"
    assert done.stderr.startswith("error: no space is left")
    assert "Traceback" not in done.stderr
    assert started(f"{command} > /dev/full 2>&1").stdout == "3\n"


@pytest.mark.parametrize("to", ["> /dev/full 2>&1", "2>/dev/full", "2>&-"])
def test_what_cant_be_said_changes_no_exit_code(to: str) -> None:
    assert started(f"describe nothing {to}").stdout == "2\n"


def test_without_a_stdout_the_command_does_its_work() -> None:
    done = started("models asymmnet_large_100 >&-")
    assert (done.stdout, done.stderr) == ("0\n", "")


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
                good, model="größe", launch=n, runs=1, samples_ns=(ns + 10_000 * n,)
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
