"""Cold launches and curves -> rows of `cold` and `sustained`, and which of them are in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from asymm_deploy.bench.cold.cold_records import ColdRecord
from asymm_deploy.bench.cold.cold_rows import cold_ns, latest_cold_launches, launch_key
from asymm_deploy.bench.cold.cold_store import COLD_NAME, cold_runs_of
from asymm_deploy.bench.judge.rows import circumstances_key, row_key
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import Curve, curves_in
from asymm_deploy.bench.sustained.sustained_rows import latest_curves, sustained_row
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.errors import UsageError
from asymm_deploy.files import read_regular
from asymm_deploy.history.found.found_rows import FoundRow, FoundRows, utc_time
from asymm_deploy.history.found.launch_rows import launch_facts
from asymm_deploy.history.history_schema import HistoryRow


def cold_launch_rows(results: Path, found: FoundRows) -> list[LaunchRecord]:
    """Add a row to ``found`` for each launch of a folder's cold.jsonl, and return the launches.

    Raises UsageError if it can't be read, is damaged or of a newer version.
    """
    path = results / COLD_NAME
    content = _content(path)
    if content is None:
        return []
    read = cold_runs_of(content, path)
    found.leave_out_torn(path, read.torn)
    found.rows += _cold_rows(read.records, path)
    return [record.launch for record in read.records]


def curve_rows(results: Path, found: FoundRows) -> list[LaunchRecord]:
    """Add a row to ``found`` for each curve of a folder's sustained.jsonl; return their launches.

    Raises UsageError if it can't be read, is damaged or of a newer version.
    """
    path = results / SUSTAINED_NAME
    content = _content(path)
    if content is None:
        return []
    curves, torn = curves_in(content, path)
    found.leave_out_torn(path, torn)
    in_use = {curve.name for curve in latest_curves(curves)}
    found.rows += [_curve_row(curve, path, in_use=curve.name in in_use) for curve in curves]
    return [curve.launch for curve in curves]


def _content(path: Path) -> bytes | None:
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "move it away, or give another folder"
        ) from error


def _cold_rows(records: Sequence[ColdRecord], path: Path) -> Iterator[FoundRow]:
    judged = {
        _place(record): record for launches in latest_cold_launches(records) for record in launches
    }
    last = {_place(record): number for number, record in enumerate(records, start=1)}
    for number, record in enumerate(records, start=1):
        place = _place(record)
        in_use = place in judged and last[place] == number
        yield _cold_row(judged[place] if in_use else record, number, path, in_use=in_use)


def _place(record: ColdRecord) -> tuple[object, ...]:
    launch = record.launch
    return (row_key(launch), circumstances_key(launch), launch_key(record))


def _cold_row(record: ColdRecord, line: int, path: Path, *, in_use: bool) -> FoundRow:
    launch, stages, memory = record.launch, record.stages, record.memory
    figures: HistoryRow = {}
    if stages is not None:
        figures = {
            "engine_ns": stages.engine_ns,
            "read_ns": stages.read_ns,
            "create_ns": stages.create_ns,
            "first_ns": stages.first_ns,
            "second_ns": stages.second_ns,
            "cold_ns": cold_ns(stages) if record.cache == "dropped" else None,
        }
    timed = stages is not None and launch.valid and launch.error is None
    values: HistoryRow = {
        **launch_facts(launch),
        "pass": record.kind,
        "runs": len(launch.samples_ns),
        "started_at": utc_time(launch.started_at, f"{path}, line {line}"),
        "cache": record.cache,
        **figures,
        "memory_mb": None if memory is None else memory.second.rss_mb,
        "line": line,
        "in_use": in_use,
        "counts": in_use and timed,
    }
    return FoundRow("cold", (*_identity(launch, values), record.kind, *figures.values()), values)


def _curve_row(curve: Curve, path: Path, *, in_use: bool) -> FoundRow:
    row, launch = sustained_row(curve), curve.launch
    values: HistoryRow = {
        **launch_facts(launch),
        "for_s": row.asked_s,
        "every_ms": row.every_ms,
        "reached_s": row.reached_s,
        "runs": row.runs,
        "started_at": utc_time(launch.started_at, f"{path}, launch {curve.name}"),
        "first_ns": None if row.first_ms is None else row.first_ms * NS_PER_MS,
        "sustained_ns": None if row.sustained_ms is None else row.sustained_ms * NS_PER_MS,
        "time_to_throttle_s": row.time_to_throttle_s,
        "throttled_by": row.throttled_by,
        "late_frames": row.late_frames,
        "min_clock_khz": row.min_clock_khz,
        "max_temperature_c": row.max_temperature_c,
        "in_use": in_use,
        "counts": in_use and row.valid and row.sustained_ms is not None and row.reason is None,
        "valid": row.valid,
        "flags": list(row.flags),
        "error": row.reason,
    }
    told = (row.asked_s, row.every_ms, row.runs, row.first_ms, row.sustained_ms, row.reason)
    return FoundRow("sustained", (*_identity(launch, values), curve.name, *told), values)


def _identity(launch: LaunchRecord, values: HistoryRow) -> tuple[object, ...]:
    names = ("model", "input_shape", "classes", "device", "engine", "precision", "threads")
    more = (launch.plan_id, launch.attempt, launch.launch, launch.artifact_sha256, launch.cpus)
    return (*(values[name] for name in names), *more, launch.started_at, launch.error)
