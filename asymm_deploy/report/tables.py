"""A results folder and a table's number -> the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from asymm_deploy.bench import stats, store
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError
from asymm_deploy.files import write_whole
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.names import parse
from asymm_deploy.report import complexity, latency, table5
from asymm_deploy.report.caption import caption
from asymm_deploy.report.choose import Choice, one_setting
from asymm_deploy.report.table import Format, Table, render, to_csv

COUNTS_ALONE = tuple(complexity.TABLES)
NUMBERS = (*COUNTS_ALONE, 5, 6)
LATENCY_CSV = "latency.csv"


def rows_in(results: Path) -> list[RowSummary]:
    """Return a row for each model and setting in a results folder (or a runs.jsonl itself).

    Raises UsageError if there is nothing to read.
    """
    folder = results.parent if results.name == store.NAME else results
    rows = stats.latest_rows(store.load(folder))
    if not rows:
        raise UsageError(f"{folder / store.NAME} has no launches", "run asymm-deploy bench first")
    return rows


def table(number: int | None, rows: Sequence[RowSummary], choice: Choice) -> Table:
    """Return the paper's table ``number`` with ours beside it, or for None the latencies.

    Raises UsageError for a table that there is not, and for rows that can't share a column.
    """
    if number is None:
        chosen = one_setting(rows, choice)
        return latency.short(chosen, caption(chosen))
    if number not in NUMBERS:
        raise UsageError(
            f"there is no table {number} to report",
            f"tables: {', '.join(map(str, sorted(NUMBERS)))}",
        )
    if number in COUNTS_ALONE:
        return complexity.TABLES[number](_counted)
    chosen = one_setting(rows, choice)
    if number == 5:
        return table5.table5(chosen, caption(chosen), _counts(chosen))
    return complexity.table6(chosen, caption(chosen), _counts(chosen))


def report(
    number: int | None, rows: Sequence[RowSummary], choice: Choice, output_format: Format
) -> str:
    """Return a table as text; without a number as CSV it is latency.csv, all settings in it."""
    if number is None and output_format == "csv":
        return to_csv(latency.full([row for row in rows if row in _chosen(rows, choice)]))
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


def _chosen(rows: Sequence[RowSummary], choice: Choice) -> Sequence[RowSummary]:
    return rows if choice == Choice() else one_setting(rows, choice)


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


def _counted(model: str) -> Complexity:
    from asymm_deploy.models.complexity import count_spec

    return count_spec(parse(model))
