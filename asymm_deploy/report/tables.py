"""Any table or figure of a report: which there are, what they need, and writing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.row_predictions import predicted_beside
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy_rows import MeasuredTop1
from asymm_deploy.files import write_whole
from asymm_deploy.models import names
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.names import Figure
from asymm_deploy.report import latency_table, specification
from asymm_deploy.report.caption import caption
from asymm_deploy.report.comparable import RowFilter, TimingSetting, fitting, meets, one_setting
from asymm_deploy.report.figure1 import figure1
from asymm_deploy.report.paper_comparison import LAYOUTS, paper_comparison
from asymm_deploy.report.read import accuracies_in, costs_in, rows_in, task_figures_in
from asymm_deploy.report.report_table import ReportTable, TableFormat, render, to_csv
from asymm_deploy.report.table1 import table1
from asymm_deploy.report.table5 import PredictedLatencies, table5

__all__ = [
    "LATENCY_CSV",
    "NUMBERS",
    "Which",
    "accuracies_in",
    "costs_in",
    "figures_in",
    "file_name",
    "needs_results",
    "report_text",
    "rows_in",
    "table_of",
    "write",
    "write_latency",
]

_COUNTS_ALONE = (1, 3, 4)
"""Tables of counts, which need no results."""
NUMBERS = (*_COUNTS_ALONE, 5, *LAYOUTS)
LATENCY_CSV = "latency.csv"

Which: TypeAlias = int | Figure | None
"""A table of the paper, a figure, or None for all latencies."""


def needs_results(which: Which) -> bool:
    """Whether a table has latencies; raise UsageError if we have no such table or figure."""
    if isinstance(which, Figure):
        names.figure_models(which.number)
    elif which is not None and which not in NUMBERS:
        raise UsageError(
            f"there is no table {which} to report", f"tables: {', '.join(map(str, NUMBERS))}"
        )
    return which not in _COUNTS_ALONE


def table_of(
    which: Which,
    rows: Sequence[RowSummary],
    wanted: RowFilter,
    costs: Sequence[CostRecord] = (),
    accuracies: Mapping[str, MeasuredTop1] = MappingProxyType({}),
    figures: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> ReportTable:
    """Return a table of the paper with ours beside it, its Figure 1, or for None the latencies.

    With ``costs``, Table 5 has a prediction for each model that was counted, and with
    ``accuracies`` the top-1 of each that was evaluated; Tables 7 to 10 have their tasks'
    ``figures``, by model and metric.

    Raises UsageError if we have no such table, if no row passes ``wanted``, or if one column would
    mix rows of several devices, engines, precisions or numbers of threads.
    """
    if which is None:
        chosen = fitting(rows, wanted)
        return latency_table.short(chosen, caption(chosen))
    if isinstance(which, Figure):
        own = _own(names.figure_models(which.number), rows, wanted)
        return figure1(own, _counts(own))
    number = which
    if not needs_results(number):
        return _of_counts(number)
    own = _own(names.table_models(number), rows, wanted)
    if number == 5:
        return table5(own, _counts(own), _predictions(own, costs, wanted), accuracies)
    return paper_comparison(number, own, _counts(own), figures)


def figures_in(results: Path, which: Which) -> dict[str, dict[str, float]]:
    """Return our networks' figures for a table of a task; see ``task_figures_in``."""
    layout = LAYOUTS.get(which) if isinstance(which, int) else None
    return task_figures_in(results, layout.data) if layout is not None and layout.measured else {}


def file_name(which: int | Figure, suffix: str = "") -> str:
    """Return ``table5.csv`` or ``figure1.csv``, with ``suffix`` before the extension."""
    stem = f"figure{which.number}" if isinstance(which, Figure) else f"table{which}"
    return f"{stem}{suffix}.csv"


def report_text(
    which: Which,
    rows: Sequence[RowSummary],
    wanted: RowFilter,
    output_format: TableFormat,
    costs: Sequence[CostRecord] = (),
    accuracies: Mapping[str, MeasuredTop1] = MappingProxyType({}),
    figures: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> str:
    """Return a table as text. For None as CSV that is latency.csv, with all of its columns."""
    if which is None and output_format == "csv":
        return to_csv(latency_table.full(fitting(rows, wanted)))
    return render(table_of(which, rows, wanted, costs, accuracies, figures), output_format)


def write_latency(results: Path, rows: Sequence[RowSummary]) -> Path:
    """Write ``latency.csv`` into a results folder, whose ``rows`` are all that it holds."""
    target = results / LATENCY_CSV
    write(target, to_csv(latency_table.full(rows)))
    return target


def write(target: Path, text: str) -> None:
    """Write a report, whole or not at all; raise UsageError if it can't be written."""
    try:
        write_whole(target, text.encode())
    except OSError as error:
        raise UsageError(
            f"can't write {target}: {error.strerror or error}", "give another --out"
        ) from error


def _own(models: Sequence[str], rows: Sequence[RowSummary], wanted: RowFilter) -> list[RowSummary]:
    """Return the rows of ``models`` that may share a column."""
    shapes = {name: names.parse(name).input_shape for name in models}
    # With another resolution or other classes a network keeps its name, but is not the paper's.
    wanted = replace(wanted, backend="cpu")  # the paper's are
    return one_setting(
        [
            row
            for row in fitting(rows, wanted)
            if row.model in shapes
            and row.input_shape in (None, shapes[row.model])
            and row.classes is None
        ]
    )


def _predictions(
    own: Sequence[RowSummary], costs: Sequence[CostRecord], wanted: RowFilter
) -> PredictedLatencies | None:
    """Return what is predicted for Table 5; None where nothing was counted."""
    if not costs:
        return None
    calibration = calibrations.named()
    fitted_for = TimingSetting(wanted.device or "", calibration.engine, calibration.precision, 1)
    models = names.table_models(5) if meets(fitted_for, wanted) else ()
    return PredictedLatencies(calibration, predicted_beside(models, own, costs, calibration))


def _of_counts(number: int) -> ReportTable:
    if number == 1:
        return table1(_counted)
    return specification.table3() if number == 3 else specification.table4()


def _counts(rows: Sequence[RowSummary]) -> Callable[[str], tuple[int, int]]:
    """Return MAdds and params by a model's name: from the results, or counted if they lack it."""
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


@cache  # a bench makes the same table twice, for a file and for people
def _counted(model: str) -> Complexity:
    from asymm_deploy.models.complexity import count_spec

    return count_spec(names.parse(model))
