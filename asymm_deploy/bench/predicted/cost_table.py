"""Records of counts -> the rows of cost.csv, and those of operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asymm_deploy.bench.emulated.counts import COST_COLUMNS, CostRecord, Counts
from asymm_deploy.bench.flags import cell_of
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration, predicted_for

CostRow = dict[str, str]

_IN_MILLIONS = {
    "insn_m": "insn",
    "fma_m": "fma",
    "vector_m": "vector",
    "load_m": "load",
    "store_m": "store",
    "branch_m": "branch",
    "integer_m": "integer",
    "load_mb": "load_bytes",
    "store_mb": "store_bytes",
    "l1_miss_m": "l1_misses",
    "l2_miss_m": "l2_misses",
    "l3_miss_m": "l3_misses",
}
"""Columns by field; MB are of 10**6 bytes."""


def latest_costs(records: Iterable[CostRecord]) -> list[CostRecord]:
    """Return the last record of each model, precision and processor, in the order of these three.

    Not in the order in which they were counted: that depends on how long each took.
    """
    latest = {(record.model, record.precision, record.key.cpu): record for record in records}
    return [latest[which] for which in sorted(latest)]


def cost_row(record: CostRecord, calibration: CostCalibration) -> CostRow:
    """Return the row of cost.csv; what is not known is empty."""
    prediction = predicted_for(record, calibration)
    cells = {
        "model": record.model,
        "cpu": record.key.cpu,
        "engine": record.key.engine,
        "engine_version": record.key.engine_version,
        "precision": record.precision,
        **_count_cells(record.counts),
        "predicted_ms": "" if prediction is None else f"{prediction.ms:.3f}",
        "predicted_low_ms": "" if prediction is None else f"{prediction.low_ms:.3f}",
        "predicted_high_ms": "" if prediction is None else f"{prediction.high_ms:.3f}",
        "key": record.key.text(),
        "valid": "true" if record.valid else "false",
        "flags": cell_of(record.flags, record.error),
    }
    return {column: cells[column] for column in COST_COLUMNS}


def operator_rows(records: Sequence[CostRecord]) -> list[CostRow]:
    """Return a row for each operator of each model, in the order of the run."""
    return [
        {
            "model": record.model,
            "operator": each.name,
            "type": each.type,
            "module": each.module or "",
            "share_percent": f"{100 * each.counts.insn / record.counts.insn:.2f}",
            **_count_cells(each.counts),
        }
        for record in records
        if record.counts is not None
        for each in record.operators or ()
    ]


def _count_cells(counts: Counts | None) -> CostRow:
    cells = {}
    for column, field in _IN_MILLIONS.items():
        value: int | None = None if counts is None else getattr(counts, field)
        cells[column] = "" if value is None else f"{value // 10**6}.{value % 10**6:06d}"
    return cells
