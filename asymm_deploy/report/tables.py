"""A results folder and a table's number -> the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError
from asymm_deploy.files import write_whole
from asymm_deploy.models import names
from asymm_deploy.models.cost import Complexity
from asymm_deploy.report import latency, specification
from asymm_deploy.report.caption import caption
from asymm_deploy.report.choose import Choice, fitting, one_setting
from asymm_deploy.report.read import rows_in
from asymm_deploy.report.table import Format, Table, render, to_csv
from asymm_deploy.report.table1 import table1
from asymm_deploy.report.table5 import table5
from asymm_deploy.report.table6 import table6

__all__ = [
    "COUNTS_ALONE",
    "LATENCY_CSV",
    "NUMBERS",
    "report",
    "rows_in",
    "table",
    "write",
    "write_latency",
]

COUNTS_ALONE = (1, 3, 4)
"""Tables without latencies, which need no results."""
NUMBERS = (*COUNTS_ALONE, 5, 6)
LATENCY_CSV = "latency.csv"


def table(number: int | None, rows: Sequence[RowSummary], choice: Choice) -> Table:
    """Return the paper's table ``number`` with ours beside it, or for None the latencies.

    Raises UsageError for a table that there is not, for a choice that fits no row, and where
    Table 5 or 6 would mix rows of several devices, engines, precisions or numbers of threads.
    """
    if number is None:
        chosen = fitting(rows, choice)
        return latency.short(chosen, caption(chosen))
    if number not in NUMBERS:
        raise UsageError(
            f"there is no table {number} to report", f"tables: {', '.join(map(str, NUMBERS))}"
        )
    if number in COUNTS_ALONE:
        return _of_counts(number)
    shapes = {name: names.parse(name).input_shape for name in names.table(number)}
    # A row of another resolution has the same name, and is none of the paper's.
    own = one_setting(
        [
            row
            for row in fitting(rows, choice)
            if row.model in shapes and row.input_shape in (None, shapes[row.model])
        ]
    )
    return (table5 if number == 5 else table6)(own, _counts(own))


def report(
    number: int | None, rows: Sequence[RowSummary], choice: Choice, output_format: Format
) -> str:
    """Return a table as text; without a number as CSV it is latency.csv, with all its columns."""
    if number is None and output_format == "csv":
        return to_csv(latency.full(fitting(rows, choice)))
    return render(table(number, rows, choice), output_format)


def write_latency(results: Path) -> Path:
    """Write ``latency.csv`` into a results folder from all that it holds; return its path."""
    target = results / LATENCY_CSV
    write(target, to_csv(latency.full(rows_in(results))))
    return target


def write(target: Path, text: str) -> None:
    """Write a report, whole or not at all; raise UsageError if that can't be done."""
    try:
        write_whole(target, text.encode())
    except OSError as error:
        raise UsageError(
            f"can't write {target}: {error.strerror or error}", "give another --out"
        ) from error


def _of_counts(number: int) -> Table:
    if number == 1:
        return table1(_counted)
    return specification.table3() if number == 3 else specification.table4()


def _counts(rows: Sequence[RowSummary]) -> Callable[[str], tuple[int, int]]:
    """Return MAdds and params by a model's name: from the results, else counted anew."""
    known = {
        row.model: (row.madds, row.params)
        for row in rows
        if row.madds is not None and row.params is not None
    }

    def counts(model: str) -> tuple[int, int]:
        if model not in known:
            counted = _counted(model)
            known[model] = counted.madds, counted.params
        return known[model]

    return counts


@cache  # a bench writes the same table twice, to a file and for people
def _counted(model: str) -> Complexity:
    from asymm_deploy.models.complexity import count_spec

    return count_spec(names.parse(model))
