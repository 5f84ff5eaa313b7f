"""What GitHub shows beside a pull request: a workflow command for each alarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import operator_tables, words
from asymm_deploy.safe import GitHubCommand, one_line

Level = Literal["error", "warning", "notice"]

_MOST = 10
"""Per level: GitHub shows no more annotations of a step."""


def annotation_lines(report: GateReport, environ: Mapping[str, str]) -> list[GitHubCommand]:
    """Return a line for each change that needs attention, the gravest first; none outside GitHub.

    What fails the job is an error; what doesn't is a warning, or a notice if it was accepted. The
    runner reads them on stderr as well as on stdout.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return []
    found: dict[Level, list[Change]] = {"error": [], "warning": [], "notice": []}
    for change in words.rows_to_show(report):
        level = _level(change, report)
        if level is not None:
            found[level].append(change)
    lines = []
    for level, changes in found.items():
        fits = _MOST if len(changes) <= _MOST else _MOST - 1
        lines += [_command(level, _title(change), _message(change)) for change in changes[:fits]]
        rest = changes[fits:]
        if rest:
            names = ", ".join(words.subject(change) for change in rest)
            lines.append(_command(level, f"{len(rest)} more", names[:1000]))
    return lines


def _level(change: Change, report: GateReport) -> Level | None:
    if change.accepted is not None or change.verdict == "same":
        return "notice"
    if change.witness:
        return "notice" if change.notice or change.verdict == "failed" else None
    if change.verdict in {"regressed", "failed", "unstable"}:
        return "error"
    if change.verdict == "inconclusive":
        return "error" if report.inconclusive_fails else "warning"
    return "notice" if change.notice else None


def _title(change: Change) -> str:
    return f"{words.subject(change)}: {words.verdict_text(change)}"


def _message(change: Change) -> str:
    lines = [one_line(words.why_text(change))]
    values = [words.amount(value, change.unit) for value in (change.baseline, change.candidate)]
    if any(values):
        told = [" to ".join(value or "unknown" for value in values), words.change_text(change)]
        lines.append(", ".join(part for part in told if part))
    lines += operator_tables.operator_lines(change)
    return "\n".join(lines)


def _command(level: Level, title: str, message: str) -> GitHubCommand:
    return GitHubCommand(f"::{level} title={_property(one_line(title))}::{_data(message)}")


def _data(text: str) -> str:
    """Return a message in the runner's escapes (actions/runner, ActionCommand.cs), ``%`` first."""
    lines = "\n".join(one_line(line) for line in text.split("\n"))
    return lines.replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
