"""sustained.csv, and the shorter table of it for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from asymm_deploy.bench.flags import FLAGS, gravest_first
from asymm_deploy.bench.sustained.curve_verdict import LATE_SHARE
from asymm_deploy.bench.sustained.durations import short_duration
from asymm_deploy.bench.sustained.sustained_rows import SustainedRow
from asymm_deploy.report import tables
from asymm_deploy.report.report_table import Column, ReportTable, TableFormat, render, to_csv

SUSTAINED_CSV = "sustained.csv"

# A contract with other programs: append columns, never rename them.
CURVE_COLUMNS = (
    Column("runs", "runs"),
    Column("first_ms", "first (ms)", digits=3),
    Column("sustained_ms", "sustained (ms)", digits=3),
    Column("sustained_over_first", "times", digits=3),
    Column("time_to_throttle_s", "slowed after (s)", digits=0),
    Column("throttled_by", "by", "text"),
    Column("late_frames", "late frames"),
    Column("skipped_frames", "skipped"),
    Column("min_clock_khz", "least clock (kHz)"),
    Column("max_temperature_c", "hottest (degC)", digits=1),
    Column("max_battery_c", "battery (degC)", digits=1),
)
"""What a curve comes to, in the table and on the page."""
COLUMNS = (
    Column("model", "model", "text", is_key=True),
    Column("device", "device", "text", is_key=True),
    Column("soc", "SoC", "text"),
    Column("cpu", "core", "text"),  # 0+1 where it is two
    Column("precision", "precision", "text", is_key=True),
    Column("threads", "threads", is_key=True),
    Column("engine", "engine", "text", is_key=True),
    Column("engine_version", "version", "text"),
    Column("asked_s", "for (s)", digits=0, is_key=True),
    Column("every_ms", "every (ms)", digits=1, is_key=True),
    Column("reached_s", "reached (s)", digits=0),
    *CURVE_COLUMNS,
    Column("max_thermal_status", "thermal status"),
    Column("valid", "valid", "text"),
    Column("flags", "flags", "text"),
    Column("late_by_waking", "late by waking"),
)
_LEFT_OUT = ("late_by_waking", "soc", "engine_version", "reached_s", "cpu")
_SETTING = ("device", "engine", "precision", "threads")


def full_sustained(rows: Sequence[SustainedRow]) -> ReportTable:
    """Return the table of sustained.csv: all columns, one row for each model and setting."""
    return ReportTable.of("Sustained", COLUMNS, _frame(rows))


def short_sustained(rows: Sequence[SustainedRow]) -> ReportTable:
    """Return the columns that people compare and that are known of a row.

    And those of the setting in which rows differ.
    """
    frame = _frame(rows)
    shown = [
        column
        for column in COLUMNS
        if column.name not in _LEFT_OUT
        and (column.name not in _SETTING or frame[column.name].nunique() > 1)
        and (column.is_key or column.name == "flags" or frame[column.name].notna().any())
    ]
    notes = [f"{row.model}: {row.reason}" for row in rows if row.reason]
    found = gravest_first(name for row in rows for name in row.flags)
    notes += [f"{name}: {FLAGS[name].meaning}." for name in found]
    return ReportTable.of("Sustained", shown, frame, _caption(rows), notes)


def write_sustained(results: Path, rows: Sequence[SustainedRow]) -> Path:
    """Write ``sustained.csv`` into a results folder, whose ``rows`` are all that it holds."""
    target = results / SUSTAINED_CSV
    tables.write(target, to_csv(full_sustained(rows)))
    return target


def sustained_text(rows: Sequence[SustainedRow], output_format: TableFormat) -> str:
    """Return the table as text; as CSV with all columns."""
    if output_format == "csv":
        return to_csv(full_sustained(rows))
    return render(short_sustained(rows), output_format)


def pace_text(every_ms: float | None) -> str:
    """Return how runs follow one another: ``every 33ms``, ``without a pause``."""
    return "without a pause" if every_ms is None else f"every {short_duration(every_ms / 1000)}"


def late_text(row: SustainedRow) -> str:
    """Return how many frames were late, and whether the model or waking up is to blame."""
    late, woken = row.late_frames or 0, row.late_by_waking
    frames = row.runs + (row.skipped_frames or 0)
    cant = woken is None or late - woken > LATE_SHARE * frames
    does = "can't keep up with" if cant else "was woken too late for"
    text = f"{row.model} {does} a frame "
    text += f"{pace_text(row.every_ms)}: {late:,} of {frames:,} frames late, "
    text += f"{row.skipped_frames or 0:,} of them skipped"
    return text if not woken else f"{text}, {woken:,} only because a run began late"


def _caption(rows: Sequence[SustainedRow]) -> list[str]:
    return list(
        dict.fromkeys(
            f"Device: {row.device}{f' ({row.soc})' if row.soc else ''}, "
            f"{f'core {row.cpu}' if row.cpu else 'not pinned'}; {row.engine}"
            f"{f' {row.engine_version}' if row.engine_version else ''}, {row.precision}"
            for row in rows
        )
    )


def _frame(rows: Sequence[SustainedRow]) -> pd.DataFrame:
    """Return the rows in the columns of sustained.csv; dtype=object keeps integers beside None."""
    names = [column.name for column in COLUMNS]
    frame = pd.DataFrame(map(asdict, rows), columns=names, dtype=object)
    return frame.assign(flags=[row.flags_text for row in rows])
