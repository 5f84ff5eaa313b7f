"""Explanations -> rows of explain.csv and of ``--format csv`` and ``json``; pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from asymm_deploy.explain.explanation import EXPLAIN_COLUMNS, ExplainedOperator, Explanation
from asymm_deploy.explain.views.operator_groups import (
    OperatorGroup,
    by_kind,
    by_module,
    by_operator,
)
from asymm_deploy.safe import csv_cell

ExplainCell: TypeAlias = str | int | float | None
"""True and false are of an ``accused`` column; None is unknown."""
ExplainRow: TypeAlias = dict[str, ExplainCell]

_FIGURES = EXPLAIN_COLUMNS[EXPLAIN_COLUMNS.index("madds_m") :]
_TOGETHER = (*_FIGURES[:1], "madds_percent", *_FIGURES[1:])
MODULE_COLUMNS = ("model", "device", "precision", "module", "operators", *_TOGETHER)
KIND_COLUMNS = ("model", "device", "precision", "kind", "operators", *_TOGETHER)

_DIGITS = {
    **dict.fromkeys(("madds_m", "moved_mb", "insn_m", "time_ms"), 6),
    **dict.fromkeys(("share_percent", "madds_percent", "gmacs", "intensity"), 3),
    **dict.fromkeys(("peak_percent", "snr_db", "own_snr_db", "grown_percent"), 2),
    **dict.fromkeys(("baseline_ms", "grown_ms", "noise_ms", "baseline_insn_m", "grown_insn_m"), 6),
}
"""Behind the point; those of counts have all six, so that nothing is rounded."""


def operator_rows_of(explanation: Explanation) -> list[ExplainRow]:
    """Return a row for each operator, in the order of the run; columns are EXPLAIN_COLUMNS."""
    whole = Whole.of(explanation)
    rows: list[ExplainRow] = []
    for part in by_operator(explanation.operators):
        (operator,) = part.operators
        rows.append(_row(whole, part, EXPLAIN_COLUMNS, **_identity(operator)))
    return rows


def module_rows_of(explanation: Explanation, depth: int) -> list[ExplainRow]:
    """Return a row for each module, ``depth`` names deep; columns are MODULE_COLUMNS."""
    whole = Whole.of(explanation)
    return [
        _row(whole, part, MODULE_COLUMNS, module=part.name, operators=len(part.operators))
        for part in by_module(explanation.operators, depth)
    ]


def kind_rows_of(explanation: Explanation) -> list[ExplainRow]:
    """Return a row for each kind of operator, the costliest first; columns are KIND_COLUMNS."""
    whole = Whole.of(explanation)
    return [
        _row(whole, part, KIND_COLUMNS, kind=part.name, operators=len(part.operators))
        for part in by_kind(explanation.operators)
    ]


@dataclass(frozen=True, slots=True)
class Whole:
    """A model whose parts are told of, and what they sum up to."""

    explanation: Explanation
    cost: float | None
    """Of all operators, as ``OperatorGroup.cost``."""
    madds: int

    @classmethod
    def of(cls, explanation: Explanation) -> Whole:
        """Add the operators up."""
        everything = OperatorGroup("", explanation.operators)
        return cls(explanation, everything.cost, everything.madds)

    def share_percent(self, part: OperatorGroup) -> float | None:
        """Return its share of the time, or else of the instructions; None if neither is known."""
        return 100 * part.cost / self.cost if part.cost is not None and self.cost else None

    def madds_percent(self, part: OperatorGroup) -> float | None:
        """Return its share of the multiply-adds; None for a model that has none."""
        return 100 * part.madds / self.madds if self.madds else None


def explain_csv(rows: Iterable[ExplainRow], columns: Sequence[str]) -> str:
    """Return the rows as CSV; no spreadsheet takes a name for a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_as_text(row[column], column) for column in columns] for row in rows)
    return buffer.getvalue()


def explain_json(rows: Iterable[ExplainRow]) -> str:
    """Return the rows as a JSON array of objects: numbers are numbers, and unknowns are null."""
    return json.dumps(list(rows), indent=2)


def rounded_row(cells: ExplainRow, columns: Sequence[str]) -> ExplainRow:
    """Return the cells of ``columns``, in their order, with as many digits as mean something."""
    return {column: _rounded(cells[column], column) for column in columns}


def _identity(operator: ExplainedOperator) -> ExplainRow:
    return {
        "index": operator.index,
        "module": operator.module,
        "node": operator.node,
        "operator": operator.type,
        "kind": operator.kind,
        "output_shape": "x".join(str(size) for size in operator.output_shape),
    }


def _row(
    whole: Whole, part: OperatorGroup, columns: Sequence[str], **named: ExplainCell
) -> ExplainRow:
    explanation = whole.explanation
    moved, insn, gmacs = part.bytes_moved, part.insn, part.gmacs
    peak = explanation.peak_gmacs
    worst, on_layer = part.worst, part.on_layer
    own = worst.own if worst else None
    cells: ExplainRow = {
        "model": explanation.model,
        "device": explanation.device,
        "precision": explanation.precision,
        **named,
        "madds_m": part.madds / 1e6,
        "madds_percent": whole.madds_percent(part),
        "time_ms": part.time_ms,
        "share_percent": whole.share_percent(part),
        "gmacs": gmacs,
        "moved_mb": moved / 1e6,
        "intensity": part.madds / moved if part.madds and moved else None,
        "peak_percent": 100 * gmacs / peak if gmacs and peak else None,
        "insn_m": None if insn is None else insn / 1e6,
        "snr_db": on_layer.snr_db if on_layer else None,
        "error_over_deviation": on_layer.over_deviation if on_layer else None,
        "own_snr_db": own.snr_db if own else None,
        "own_error_over_deviation": own.over_deviation if own else None,
        "own_limit": worst.own_limit if worst else None,
        "accused": part.accused if own else None,
    }
    return rounded_row(cells, columns)


def _rounded(cell: ExplainCell, column: str) -> ExplainCell:
    if not isinstance(cell, float):
        return cell
    return round(cell, _DIGITS[column]) if column in _DIGITS else float(f"{cell:.4g}")


def _as_text(cell: ExplainCell, column: str) -> str | int:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return f"{cell:.{_DIGITS[column]}f}" if column in _DIGITS else f"{cell:.3e}"
    return csv_cell(cell)
