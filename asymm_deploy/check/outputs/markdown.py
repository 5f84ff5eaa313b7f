"""A report as Markdown: for a file, a comment, and the summary of a GitHub job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import operator_tables, words
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import markdown

MOST_ROWS = 200
"""In the table, the gravest first: GitHub drops a step's summary that is larger than 1 MiB."""
_MOST_LINES = 100
"""Beneath the table, for the same reason."""
_MOST_TABLES = 50
"""Of operators; a change in more models has them in the JSON file."""


def rendered(report: GateReport, pictures: Mapping[str, str] | None = None) -> str:
    """Return a heading, the table and what stands beneath it, with a newline at its end.

    ``pictures``: what to show below the table, an address and the words for who can't see it.

    Text from models, devices and notes is shown as it is: it can't format, link, embed or mention
    anybody.
    """
    rows = words.rows_to_show(report)
    lines = [
        f"## Regression gate: {markdown(words.headline(report))}",
        "",
        "| model | baseline | candidate | change | verdict | why |",
        "|:--|--:|--:|--:|:--|:--|",
    ]
    for change in rows[:MOST_ROWS]:
        cells = (
            markdown(words.subject(change)),
            words.amount(change.baseline, change.unit),
            words.amount(change.candidate, change.unit),
            words.change_text(change),
            f"**{words.verdict_text(change)}**" if change.alarms else words.verdict_text(change),
            markdown(words.why_text(change)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    if len(rows) > MOST_ROWS:
        lines += ["", f"{len(rows) - MOST_ROWS} more rows are in the JSON file."]
    for address, alternative in (pictures or {}).items():
        lines += ["", f"![{markdown(alternative)}]({quote(address)})"]
    for change in [change for change in rows if change.operators][:_MOST_TABLES]:
        lines += ["", f"<details><summary>{_summary(change)}</summary>", ""]
        lines += [*_list(operator_tables.operator_lines(change)), "", "</details>"]
    lines += ["", *_list(words.remarks_beneath(report))]
    lines += ["", "<details><summary>Circumstances</summary>", ""]
    lines += [*_list(list(words.comparison_setting(report))), "", "</details>"]
    return "\n".join(lines) + "\n"


def append_to_summary(text: str, environ: Mapping[str, str]) -> None:
    """Add ``text`` to the summary of the GitHub step that runs us, if there is one.

    Raises UsageError if the file that ``GITHUB_STEP_SUMMARY`` names can't be written.
    """
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    try:
        # without O_NONBLOCK a pipe that nobody reads would be waited for
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        with os.fdopen(os.open(name, flags, 0o666), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"can't add to the job's summary {name}: {error.strerror}",
            "unset GITHUB_STEP_SUMMARY, or let it name a file that you may write",
        ) from error


def _summary(change: Change) -> str:
    return f"{markdown(words.subject(change))}, by operator"


def _list(lines: list[str]) -> list[str]:
    kept = [f"- {markdown(line)}" for line in lines[:_MOST_LINES]]
    rest = len(lines) - _MOST_LINES
    return [*kept, f"- and {rest} more"] if rest > 0 else kept
