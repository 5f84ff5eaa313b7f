"""cold.csv, and the shorter table of cold starts for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from asymm_deploy.bench.cold.cold_records import ColdRow, StageMs
from asymm_deploy.bench.flags import FLAGS, gravest_first
from asymm_deploy.files import write_whole
from asymm_deploy.report.report_table import Cell, Column, ReportTable, TableFormat, render, to_csv
from asymm_deploy.text import counted

COLD_CSV = "cold.csv"

_STAGED = (
    ("read", "read", 2),
    ("create", "create", 2),
    ("first", "first run", 3),
    ("second", "second run", 3),
    ("steady", "steady run", 3),
    ("cold", "cold start", 2),
)
"""Stages with an interval: the names of their columns, what people call them, and digits."""


def _stage_columns(name: str, words: str, digits: int) -> tuple[Column, ...]:
    return (
        Column(f"{name}_ms", f"{words} (ms)", digits=digits),
        Column(f"{name}_low_ms", f"{words}, 95 % from (ms)", digits=digits),
        Column(f"{name}_high_ms", f"{words}, to (ms)", digits=digits),
    )


# A contract with other programs: append columns, never rename them.
COLD_COLUMNS = (
    Column("model", "model", "text", is_key=True),
    Column("network", "network", "text"),
    Column("scale", "scale", "text"),
    Column("multiplier", "multiplier"),
    Column("device", "device", "text", is_key=True),
    Column("soc", "SoC", "text"),
    Column("cpu", "core", "text"),
    Column("precision", "precision", "text", is_key=True),
    Column("threads", "threads", is_key=True),
    Column("engine", "engine", "text", is_key=True),
    Column("engine_version", "version", "text"),
    Column("launches", "launches"),
    *(column for staged in _STAGED for column in _stage_columns(*staged)),
    Column("first_over_steady", "first / steady", digits=2),
    Column("first_over_steady_low", "first / steady, 95 % from", digits=2),
    Column("first_over_steady_high", "first / steady, to", digits=2),
    Column("warm_read_ms", "warm read (ms)", digits=2),
    Column("engine_ms", "engine (ms)", digits=2),
    Column("read_cpu_ms", "read, on the core (ms)", digits=2),
    Column("create_cpu_ms", "create, on the core (ms)", digits=2),
    Column("first_cpu_ms", "first run, on the core (ms)", digits=3),
    Column("second_cpu_ms", "second run, on the core (ms)", digits=3),
    Column("steady_cpu_ms", "steady run, on the core (ms)", digits=3),
    Column("memory_engine_mb", "memory without a model (MB)", digits=1),
    Column("memory_read_mb", "memory, read (MB)", digits=1),
    Column("memory_created_mb", "memory, created (MB)", digits=1),
    Column("memory_first_mb", "memory, first run (MB)", digits=1),
    Column("memory_second_mb", "memory, second run (MB)", digits=1),
    Column("memory_peak_mb", "memory, peak (MB)", digits=1),
    Column("memory_pss_mb", "memory, its share (MB)", digits=1),
    Column("cache", "file was", "text"),
    Column("major_faults", "major faults"),
    Column("output_error", "output error"),
    Column("valid", "valid", "text"),
    Column("flags", "flags", "text"),
)

_SETTING = ("device", "engine", "precision", "threads")
_SHOWN = (
    *("read_ms", "create_ms", "first_ms", "second_ms", "steady_ms", "first_over_steady"),
    *("cold_ms", "cold_low_ms", "cold_high_ms", "memory_peak_mb", "cache", "valid", "flags"),
)
_WARM = (*_SHOWN[:1], "warm_read_ms", *_SHOWN[1:])


def cold_cells(row: ColdRow) -> dict[str, Cell]:
    """Return a row's cells by column."""
    stages: Mapping[str, StageMs] = {
        "read": row.read,
        "create": row.create,
        "first": row.first,
        "second": row.second,
        "steady": row.steady,
        "cold": row.cold,
    }
    cells: dict[str, Cell] = {
        column.name: getattr(row, column.name)
        for column in COLD_COLUMNS
        if column.name in ColdRow.__struct_fields__
    }
    for name, found in stages.items():
        cells[f"{name}_ms"] = found.median
        cells[f"{name}_low_ms"], cells[f"{name}_high_ms"] = found.low, found.high
    ratio = row.first_over_steady
    return cells | {
        "first_over_steady": ratio.median,
        "first_over_steady_low": ratio.low,
        "first_over_steady_high": ratio.high,
        "warm_read_ms": row.warm_read.median,
        "engine_ms": row.engine_load.median,
        **{f"{stage}_cpu_ms": found for stage, found in row.cpu_ms.items()},
        **{f"memory_{stage}_mb": found for stage, found in row.memory_mb.items()},
        "flags": row.flags_text,
    }


def write_cold_csv(out: Path, rows: Sequence[ColdRow]) -> None:
    """Write OUT/cold.csv: all columns, one row for each model and setting."""
    write_whole(out / COLD_CSV, to_csv(_table(rows, COLD_COLUMNS)).encode())


def cold_text(rows: Sequence[ColdRow], output_format: TableFormat) -> str:
    """Return the table as text; as CSV with all columns."""
    if output_format == "csv":
        return to_csv(_table(rows, COLD_COLUMNS))
    return render(short_cold_table(rows), output_format)


def short_cold_table(rows: Sequence[ColdRow]) -> ReportTable:
    """Return the columns that people compare, and those of the setting in which rows differ."""
    mixed = [name for name in _SETTING if len({getattr(row, name) for row in rows}) > 1]
    shown = _WARM if any(row.warm_read.median is not None for row in rows) else _SHOWN
    by_name = {column.name: column for column in COLD_COLUMNS}
    return _table(
        rows,
        [by_name[name] for name in ("model", *mixed, *shown)],
        tuple(dict.fromkeys(line for row in rows for line in cold_caption(row))),
        _footnotes(rows),
    )


def _table(
    rows: Sequence[ColdRow],
    columns: Sequence[Column],
    caption: Sequence[str] = (),
    footnotes: Sequence[str] = (),
) -> ReportTable:
    cells = [cold_cells(row) for row in rows]
    found = tuple(tuple(each[column.name] for column in columns) for each in cells)
    return ReportTable("Cold starts", tuple(columns), found, tuple(caption), tuple(footnotes))


def cold_caption(row: ColdRow) -> tuple[str, str]:
    """Return the lines above a table: on which device and how its rows were measured."""
    core = f"core {row.cpu}" if row.cpu else "not pinned"
    chip = f" ({row.soc})" if row.soc else ""
    threads = counted(row.threads, "thread")
    version = f" {row.engine_version}" if row.engine_version else ""
    return (
        f"Device: {row.device}{chip}, {core}",
        f"Engine: {row.engine}{version}, {row.precision}, {threads}; medians over "
        f"{counted(row.launches, 'launch')}, each a new process",
    )


def _footnotes(rows: Sequence[ColdRow]) -> list[str]:
    reasons = [f"{row.model} failed: {row.reason}" for row in rows if row.reason]
    names = gravest_first(name for row in rows for name in row.flags)
    return [*reasons, *cold_remarks(rows), *(f"{name}: {FLAGS[name].meaning}." for name in names)]


def cold_remarks(rows: Sequence[ColdRow]) -> list[str]:
    """Return what has to be known to read these rows: what was cold, and what was not."""
    timed = [row for row in rows if row.launches]
    if not timed:
        return []
    remarks = []
    if any(row.cache == "dropped" for row in timed):
        remarks.append(
            "dropped: the system was told to forget the model file before each launch, and did."
        )
    if any(row.cache == "mixed" for row in timed):
        remarks.append("mixed: it did before some launches; read and cold start are of those.")
    if any(row.cache in ("kept", "unknown") for row in timed):
        remarks.append(
            "kept or unknown: the model file may have been in memory already, so there is no time "
            "of reading it from the disk, and none of a cold start."
        )
    faults = [row.major_faults for row in timed if row.major_faults is not None]
    if faults and not max(faults):
        remarks.append("The engine's library was in memory: nothing of it came from the disk.")
    elif faults:
        remarks.append(
            "The engine's library was not wholly in memory: a launch waited for the disk up to "
            f"{counted(max(faults), 'time')} for pages that it had mapped."
        )
    return remarks
