"""A report as a table, for a person who reads the log."""

from __future__ import annotations

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import operator_tables, words
from asymm_deploy.safe import log_line

_SENTENCE_WIDTH = 60
"""The last column's; the others leave it that in a log of about 160 characters."""


def rendered(report: GateReport) -> str:
    """Return the table with what stands beneath it, and a newline at its end.

    Whatever models are called, nothing in it is a command to a terminal or to GitHub's runner.
    """
    from tabulate import tabulate

    rows = [
        [
            log_line(words.subject(change)),
            words.amount(change.baseline, change.unit),
            words.amount(change.candidate, change.unit),
            words.change_text(change),
            words.verdict_text(change),
            log_line(words.why_text(change)),
        ]
        for change in words.rows_to_show(report)
    ]
    table = tabulate(
        rows,
        headers=["model", "baseline", "candidate", "change", "verdict", "why"],
        disable_numparse=True,
        colalign=["left", "right", "right", "right", "left", "left"] if rows else None,
        maxcolwidths=[None, None, None, None, None, _SENTENCE_WIDTH] if rows else None,
    )
    operators = [line for change in words.rows_to_show(report) for line in _operators(change)]
    beneath = [log_line(line) for line in words.remarks_beneath(report)]
    circumstances = [log_line(line) for line in words.comparison_setting(report)]
    parts = [[log_line(words.headline(report))], [table], operators, beneath, circumstances]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _operators(change: Change) -> list[str]:
    """Return a heading and a line for each operator that a change of counts comes from."""
    lines = operator_tables.operator_lines(change)
    heading = f"{words.subject(change)}, by operator:"
    return [log_line(heading), *(f"  {log_line(line)}" for line in lines)] if lines else []
