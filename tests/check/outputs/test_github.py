"""GitHub's annotations: one for each alarm, in the runner's own escapes, only in GitHub Actions."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import github

ON = {"GITHUB_ACTIONS": "true"}


def parsed(line: str) -> tuple[str, str, str]:
    """What GitHub's runner makes of a line: level, title and message."""
    found = re.fullmatch(r"::(\w+) title=([^:,]*)::(.*)", line)
    assert found, line
    level, title, message = found.groups()
    for token, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        title, message = title.replace(token, char), message.replace(token, char)
    return level, title, message


def test_there_are_none_outside_of_github(report: GateReport) -> None:
    assert github.annotation_lines(report, {}) == []
    assert github.annotation_lines(report, {"GITHUB_ACTIONS": "false"}) == []


def test_what_ends_the_job_is_an_error_and_what_does_not_is_less(report: GateReport) -> None:
    levels = [parsed(line)[:2] for line in github.annotation_lines(report, ON)]
    assert levels == [
        ("error", "lost: failed"),
        ("error", "slow: regressed"),
        ("error", "jumpy: unstable"),
        ("error", "unclear: inconclusive"),
        ("notice", "wanted, file size: accepted"),
    ]


def test_inconclusive_is_a_warning_where_it_passes(report: GateReport) -> None:
    lenient = msgspec.structs.replace(report, inconclusive_fails=False)
    levels = [parsed(line)[:2] for line in github.annotation_lines(lenient, ON)]
    assert ("warning", "unclear: inconclusive") in levels


def test_the_message_has_the_reason_and_the_numbers(report: GateReport) -> None:
    slow = next(line for line in github.annotation_lines(report, ON) if "slow" in line)
    assert parsed(slow)[2] == "It says so.\n10.000 ms to 10.800 ms, +8.0 % [+7.5, +8.5]"
    assert "%0A" in slow
    assert "8.0 %25" in slow


def test_where_nothing_is_known_the_reason_stands_alone(
    report: GateReport, change: Callable[..., Change]
) -> None:
    lost = change(verdict="failed", percent=None, baseline=None)
    (line,) = github.annotation_lines(msgspec.structs.replace(report, changes=(lost,)), ON)
    assert parsed(line)[2] == "It says so."


def test_no_name_ends_the_command_or_begins_another(
    report: GateReport, change: Callable[..., Change], hostile: str
) -> None:
    evil = change(hostile + " 100%0A::stop", verdict="regressed", why=hostile)
    lines = github.annotation_lines(msgspec.structs.replace(report, changes=(evil,)), ON)
    assert len(lines) == 1
    assert lines[0].isprintable()
    level, title, _ = parsed(lines[0])
    assert level == "error"
    assert title.startswith("::error::x|<img src=y> ##[error] [31m")
    assert title.endswith("100%0A::stop: regressed")


def test_more_than_github_shows_become_one_that_names_them(
    report: GateReport, change: Callable[..., Change]
) -> None:
    changes = tuple(change(f"net{i:02}", verdict="regressed") for i in range(25))
    lines = github.annotation_lines(msgspec.structs.replace(report, changes=changes), ON)
    assert len(lines) == 10
    assert parsed(lines[-1])[1] == "16 more"
    assert "net24" in lines[-1]
