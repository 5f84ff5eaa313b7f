"""Every measured row, in the columns of latency.csv."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report.table import Column, Table

# A contract that other programs read: add to it at the end, never rename.
_NAMES = [
    "model",
    "network",
    "scale",
    "multiplier",
    "device",
    "soc",
    "cpu",
    "cpu_max_khz",
    "precision",
    "threads",
    "engine",
    "engine_version",
    "launches",
    "runs",
    "latency_mean_ms",
    "latency_median_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "latency_min_ms",
    "latency_std_ms",
    "launch_spread_percent",
    "ci_low_ms",
    "ci_high_ms",
    "init_ms",
    "peak_memory_mb",
    "valid",
    "flags",
]

_SHOWN = {
    "model": "model",
    "latency_mean_ms": "mean (ms)",
    "latency_median_ms": "median (ms)",
    "ci_low_ms": "95 % from (ms)",
    "ci_high_ms": "to (ms)",
    "latency_p99_ms": "p99 (ms)",
    "launch_spread_percent": "launch spread (%)",
    "init_ms": "init (ms)",
    "peak_memory_mb": "memory (MB)",
    "valid": "valid",
    "flags": "flags",
}


def full(rows: Sequence[RowSummary]) -> Table:
    """Return latency.csv's table: all columns, a row for each model and setting."""
    columns = tuple(Column(name, name, 2 if name == "multiplier" else 4) for name in _NAMES)
    return Table("Latency", columns, tuple(_cells(row, _NAMES) for row in rows))


def short(rows: Sequence[RowSummary], caption: Sequence[str]) -> Table:
    """Return the columns that people compare; ``rows`` are of one setting, told in ``caption``."""
    columns = tuple(
        Column(name, heading, shown_digits=1 if name.endswith(("percent", "mb")) else 3)
        for name, heading in _SHOWN.items()
    )
    cells = tuple(_cells(row, list(_SHOWN)) for row in rows)
    return Table("Latency", columns, cells, tuple(caption))


def _cells(row: RowSummary, names: Sequence[str]) -> tuple[str | float | None, ...]:
    return tuple(row.flags_text if name == "flags" else getattr(row, name) for name in names)
