"""Launches -> rows of `launches`: their samples summarised, judged again, and which are in use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asymm_deploy.bench.backends.fallback import engine_and_backend
from asymm_deploy.bench.judge import rows, verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.history.found.found_rows import FoundRow, utc_time, variant_in
from asymm_deploy.history.history_schema import HistoryRow
from asymm_deploy.models.input_shape import shape_text

_MADE_UP = frozenset({"repeated-samples", "no-variance"})
"""Flags of a row whose launches nothing can have measured."""


def launch_rows(records: Sequence[LaunchRecord], path: Path) -> Iterator[FoundRow]:
    """Yield a row for each record of the file ``path``, failed ones and repeated ones too.

    Raises UsageError for a launch that does not say when it started.
    """
    judged = dict(_in_use(records))
    for number, record in enumerate(records, start=1):
        last = judged.get(_place(record))
        if last is not None and last.written is record:
            yield _row(last.judged, number, path, last.row_flags)
        else:
            yield _row(record, number, path, None)


@dataclass(frozen=True, slots=True)
class _InUse:
    """A launch that is in use."""

    written: LaunchRecord
    """As the file has it."""
    judged: LaunchRecord
    """The same, judged again."""
    row_flags: tuple[str, ...]
    """Of all launches of its row together."""


def _in_use(records: Sequence[LaunchRecord]) -> Iterator[tuple[tuple[object, ...], _InUse]]:
    """Yield the place of each launch that is in use, and the launch."""
    originals = {_place(record): record for record in rows.alone(records)}  # the last line counts
    for launches in rows.latest_launches(records):
        counting = [launch for launch in launches if launch.valid and launch.error is None]
        row_flags = verdicts.row_flags(launches)
        found_in = row_flags if len(counting) == len(launches) else verdicts.row_flags(counting)
        made_up = _MADE_UP.intersection(found_in)
        for launch in launches:
            found = (
                verdicts.judged_with(launch, {*launch.flags, *made_up})
                if made_up and launch.valid
                else launch
            )
            yield _place(launch), _InUse(originals[_place(launch)], found, row_flags)


def _place(record: LaunchRecord) -> tuple[object, ...]:
    """Return what a later line must share with a record to stand in its place."""
    partner = None if record.paired is None else record.paired.partner
    return (rows.row_key(record), rows.circumstances_key(record), record.launch, partner)


def _row(
    record: LaunchRecord, line: int, path: Path, row_flags: tuple[str, ...] | None
) -> FoundRow:
    """Return a record as a row; ``row_flags`` are None if it is not in use."""
    in_use = row_flags is not None
    started = utc_time(record.started_at, f"{path}, line {line}")
    samples = np.array(record.samples_ns, dtype=np.int64)
    digest = hashlib.sha256(samples.tobytes()).hexdigest() if len(samples) else None
    partner = None if record.paired is None else record.paired.partner or record.model
    values: HistoryRow = {
        **launch_facts(record),
        "backend": record.backend,
        "partner": partner,
        "runs": len(samples),
        "started_at": started,
        **_figures(samples),
        "samples_sha256": digest,
        "init_ns": record.init_ns,
        "process_ns": record.process_ns,
        "peak_memory_mb": record.peak_memory_mb,
        "output_error": record.output_error,
        "line": line,
        "in_use": in_use,
        "counts": in_use and record.valid and record.error is None and len(samples) > 0,
        "row_flags": row_flags and list(row_flags),
        "written_by": record.written_by,
    }
    identity = (
        *(record.model, record.input_shape, record.classes, record.device, record.engine),
        *(record.precision, record.threads, record.plan_id, record.attempt, record.launch),
        *(record.artifact_sha256, record.cpus, partner, record.started_at, digest, record.error),
        None if record.paired is None else record.paired.loaded_first,
        *((record.backend,) if record.backend != "cpu" else ()),
    )
    return FoundRow("launches", identity, values)


def launch_facts(record: LaunchRecord) -> HistoryRow:
    """Return what rows of all kinds of launches say: what was timed, where, how, and its flags."""
    facts = record.device_facts
    return {
        **_subject(record),
        "device": record.device,
        "soc": facts.soc,
        "precision": record.precision,
        "threads": record.threads,
        "engine": engine_and_backend(record),
        "engine_version": record.engine_version,
        "product": facts.product,
        "os": facts.os,
        "cpus": "+".join(map(str, record.cpus)) or None,
        "cpu_max_khz": facts.cpu_max_khz,
        "runner": record.runner,
        "runner_version": record.runner_version,
        "api": record.api,
        "plan_id": record.plan_id,
        "attempt": record.attempt,
        "launch": record.launch,
        "warmup": record.warmup,
        "valid": record.valid,
        "flags": list(record.flags),
        "allowed": list(record.allowed),
        "error": record.error,
        "exit_code": record.exit_code,
    }


def launched_sizes(records: Iterable[LaunchRecord]) -> Iterator[HistoryRow]:
    """Yield for each model file what its launches say of its size: work and parameters.

    The files are in the order of their last launches.
    """
    found: dict[tuple[object, ...], HistoryRow] = {}
    for record in records:
        told = {**_subject(record), "madds": record.madds, "params": record.params}
        found.pop(tuple(told.values()), None)
        found[tuple(told.values())] = told
    yield from found.values()


def _subject(record: LaunchRecord) -> HistoryRow:
    return {
        "model": record.model,
        "variant": variant_in(record.model),
        "artifact_sha256": record.artifact_sha256,
        "input_shape": None if record.input_shape is None else shape_text(record.input_shape),
        "classes": record.classes,
    }


def _figures(samples: np.ndarray[tuple[int], np.dtype[np.int64]]) -> HistoryRow:
    """Return what is kept of a launch's samples; percentiles lie between two as numpy's do."""
    if not len(samples):
        return {}
    ordered = np.sort(samples).astype(np.float64)

    def percentile(percent: float) -> float:
        place = percent / 100 * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))

    return {
        "mean_ns": float(ordered.mean()),
        "median_ns": percentile(50),
        "p90_ns": percentile(90),
        "p99_ns": percentile(99),
        "min_ns": float(ordered[0]),
        "max_ns": float(ordered[-1]),
        "std_ns": float(ordered.std(ddof=1)) if len(ordered) > 1 else None,
    }
