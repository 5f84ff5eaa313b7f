"""latency.csv, and the shorter table of latencies for people."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pandas as pd

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report.remarks import flags_cell, footnotes
from asymm_deploy.report.report_table import Column, ReportTable

# A contract with other programs: append columns, never rename them.
COLUMNS = (
    Column("model", "model", "text", is_key=True),
    Column("network", "network", "text"),
    Column("scale", "scale", "text"),
    Column("multiplier", "multiplier"),
    Column("device", "device", "text", is_key=True),
    Column("soc", "SoC", "text"),
    Column("cpu", "core", "text"),  # 0+1 where it is two
    Column("cpu_max_khz", "max (kHz)"),
    Column("precision", "precision", "text", is_key=True),
    Column("threads", "threads", is_key=True),
    Column("engine", "engine", "text", is_key=True),
    Column("engine_version", "version", "text"),
    Column("launches", "launches"),
    Column("runs", "runs"),
    Column("latency_mean_ms", "mean (ms)", digits=3),
    Column("latency_median_ms", "median (ms)", digits=3),
    Column("latency_p90_ms", "p90 (ms)", digits=3),
    Column("latency_p99_ms", "p99 (ms)", digits=3),
    Column("latency_min_ms", "min (ms)", digits=3),
    Column("latency_std_ms", "std (ms)", digits=3),
    Column("launch_spread_percent", "launch spread (%)", digits=1),
    Column("ci_low_ms", "95 % from (ms)", digits=3),
    Column("ci_high_ms", "to (ms)", digits=3),
    Column("init_ms", "init (ms)", digits=1),
    Column("peak_memory_mb", "memory (MB)", digits=1),
    Column("valid", "valid", "text"),
    Column("flags", "flags", "text"),
    Column("output_error", "output error"),
    Column("backend", "back end", "text", is_key=True),
)

_SETTING = ("device", "engine", "backend", "precision", "threads")
_SHOWN = (
    "latency_mean_ms",
    "latency_median_ms",
    "ci_low_ms",
    "ci_high_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "launch_spread_percent",
    "init_ms",
    "peak_memory_mb",
    "valid",
    "flags",
)


def full(rows: Sequence[RowSummary]) -> ReportTable:
    """Return the table of latency.csv: all columns, one row for each model and setting."""
    return ReportTable.of("Latency", COLUMNS, _frame(rows, [row.flags_text for row in rows]))


def short(rows: Sequence[RowSummary], caption: Sequence[str]) -> ReportTable:
    """Return the columns that people compare, and those of ``_SETTING`` in which rows differ."""
    frame = _frame(rows, [flags_cell(row) for row in rows])
    mixed = [name for name in _SETTING if frame[name].nunique() > 1]
    by_name = {column.name: column for column in COLUMNS}
    columns = [by_name[name] for name in ("model", *mixed, *_SHOWN)]
    return ReportTable.of("Latency", columns, frame, caption, footnotes(rows))


def _frame(rows: Sequence[RowSummary], flags: Sequence[str]) -> pd.DataFrame:
    """Return the rows in latency.csv's columns; dtype=object keeps integers beside None."""
    names = [column.name for column in COLUMNS]
    frame = pd.DataFrame(map(msgspec.structs.asdict, rows), columns=names, dtype=object)
    return frame.assign(flags=flags)
