"""Summarise the cold launches of a model as its row in cold.csv; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from asymm_deploy.bench import flags
from asymm_deploy.bench.cold.cold_records import (
    COLD_STAGES,
    CacheState,
    ColdRecord,
    ColdRow,
    StageMs,
    StageTimes,
)
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.rows import circumstances_key, row_key
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.errors import ExitCode

_RESAMPLES = 10_000
WARM_CACHE = "warm-cache"
_TICK_NS = 10**7
"""Time taken by the hypervisor is counted in ticks; a single one may be rounding."""
_OF_LONG_LOOPS = {"bimodal", "launch-spread"}
"""What says nothing of cold starts: their intervals show how far launches lie apart."""
_OF_MEMORY = {"failed", "output-mismatch", "wrong-core", "wrong-precision"}
"""Flags that a launch can have whose times nobody uses."""


def summarise_cold(records: Sequence[ColdRecord]) -> ColdRow:
    """Return the row for the launches, one or more, of one model, plan and attempt."""
    finished = [record for record in records if record.launch.error is None]
    failed = [record for record in records if record.launch.error is not None]
    timed = [record for record in finished if record.stages is not None]
    shown = (timed or finished or list(records))[-1].launch
    dropped = [record for record in timed if record.cache == "dropped"]
    found = cold_row_flags(records)
    return ColdRow(
        model=shown.model,
        network=shown.network,
        scale=shown.scale,
        multiplier=shown.multiplier,
        device=shown.device,
        soc=shown.device_facts.soc,
        cpu="+".join(map(str, shown.cpus)) or None,
        precision=shown.precision,
        threads=shown.threads,
        engine=shown.engine,
        engine_version=shown.engine_version,
        launches=len(timed),
        cache=_cache_of(timed),
        read=_median_ms(dropped, lambda stages: stages.read_ns),
        warm_read=_median_ms(
            [record for record in timed if record not in dropped], lambda stages: stages.read_ns
        ),
        create=_median_ms(timed, lambda stages: stages.create_ns),
        first=_median_ms(timed, lambda stages: stages.first_ns),
        second=_median_ms(timed, lambda stages: stages.second_ns),
        steady=_median([_steady_ns(record) / NS_PER_MS for record in timed]),
        first_over_steady=_median(
            [_first_over_steady(record, stages) for record, stages in _with_stages(timed)]
        ),
        cold=_median_ms(dropped, cold_ns),
        engine_load=_median_ms(
            [record for record, stages in _with_stages(timed) if stages.engine_ns is not None],
            lambda stages: stages.engine_ns or 0,
        ),
        cpu_ms={
            "read": _median_ms(timed, lambda stages: stages.read_cpu_ns).median,
            "create": _median_ms(timed, lambda stages: stages.create_cpu_ns).median,
            "first": _median_ms(timed, lambda stages: stages.first_cpu_ns).median,
            "second": _median_ms(timed, lambda stages: stages.second_cpu_ns).median,
            "steady": _median([_steady_cpu_ns(record) / NS_PER_MS for record in timed]).median,
        },
        memory_mb={
            stage: _middle(
                getattr(record.memory, stage).rss_mb for record in finished if record.memory
            )
            for stage in COLD_STAGES
        },
        memory_peak_mb=_middle(r.memory.second.peak_mb for r in finished if r.memory),
        memory_pss_mb=_middle(r.memory.second.pss_mb for r in finished if r.memory),
        major_faults=max(
            (r.major_faults for r in timed if r.major_faults is not None), default=None
        ),
        valid=flags.leave_valid(found, records[-1].launch.allowed),
        flags=found,
        allowed=records[-1].launch.allowed,
        reason=failed[-1].launch.error if failed else None,
        failure_code=failed[-1].launch.exit_code if failed else ExitCode.HARNESS,
        input_shape=shown.input_shape,
        classes=shown.classes,
        output_error=max(
            (r.launch.output_error for r in finished if r.launch.output_error is not None),
            default=None,
        ),
    )


def cold_ns(stages: StageTimes) -> int:
    """Return how long it took from the file to the first result."""
    return stages.read_ns + stages.create_ns + stages.first_ns


def cold_row_flags(records: Sequence[ColdRecord]) -> tuple[str, ...]:
    """Return what is wrong with a row, given its launches with their own flags."""
    timed = [record for record in records if record.kind == "times"]
    found = {name for record in records for name in record.launch.flags}
    found -= set(verdicts.JUDGED_OVER_ROW)
    if timed:
        found |= set(verdicts.row_flags([record.launch for record in timed])) - _OF_LONG_LOOPS
    if _stolen_share(timed) > verdicts.STOLEN_SHARE:
        found.add("stolen-time")
    return flags.gravest_first(found)


def latest_cold_rows(records: Iterable[ColdRecord]) -> list[ColdRow]:
    """Return a row for each model and setting, of the launches last made in the same way.

    ``records`` are in the order of cold.jsonl; the rows are in the order of their first records.
    """
    return [summarise_cold(launches) for launches in latest_cold_launches(records)]


def latest_cold_launches(records: Iterable[ColdRecord]) -> list[list[ColdRecord]]:
    """Return, for each row, the launches last made in the same way: those that time, then others.

    They are judged again by what they hold.
    """
    rows: dict[tuple[object, ...], dict[tuple[object, ...], dict[object, ColdRecord]]] = {}
    for record in records:
        row = rows.setdefault(row_key(record.launch), {})
        launches = row.pop(circumstances_key(record.launch), {})
        launches[launch_key(record)] = record
        row[circumstances_key(record.launch)] = launches  # now the last one
    return [
        judged_cold_again(list(launches.values()))
        for row in rows.values()
        for launches in [row[next(reversed(row))]]
    ]


def launch_key(record: ColdRecord) -> tuple[bool, int]:
    """Return which launch of its row a record is of; those that time come first."""
    return (record.kind == "memory", record.launch.launch)


def judged_cold_again(launches: Sequence[ColdRecord]) -> list[ColdRecord]:
    """Return a row's launches in order, judged by what they hold; see ``verdicts.judged_again``."""
    ordered = sorted(launches, key=launch_key)
    judged = verdicts.judged_again([record.launch for record in ordered])
    return [cold_judged(record, launch) for record, launch in zip(ordered, judged, strict=True)]


def cold_judged(record: ColdRecord, launch: LaunchRecord, more: Iterable[str] = ()) -> ColdRecord:
    """Return the record with its ``launch``, which was judged, and with flags of cold starts."""
    found = [*launch.flags, *more]
    if record.kind == "memory":
        found = [name for name in found if name in _OF_MEMORY]
    elif launch.error is None and record.cache != "dropped":
        found.append(WARM_CACHE)
    return msgspec.structs.replace(record, launch=verdicts.judged_with(launch, found))


def _stolen_share(timed: Sequence[ColdRecord]) -> float:
    """Return the share of the stages that the pinned cores had no time for."""
    stages = [found for _record, found in _with_stages(timed)]
    wall = sum(each.wall_ns for each in stages)
    waited = sum(each.waited_ns or 0 for each in stages)
    steal = sum(each.steal_ns or 0 for each in stages)
    return (waited + max(0, steal - _TICK_NS)) / max(1, wall)


def _cache_of(timed: Sequence[ColdRecord]) -> str:
    states: set[CacheState] = {record.cache for record in timed}
    if not states:
        return ""
    return next(iter(states)) if len(states) == 1 else "mixed"


def _with_stages(timed: Iterable[ColdRecord]) -> list[tuple[ColdRecord, StageTimes]]:
    return [(record, record.stages) for record in timed if record.stages is not None]


def _steady_ns(record: ColdRecord) -> float:
    return float(np.median(record.launch.samples_ns))


def _steady_cpu_ns(record: ColdRecord) -> float:
    """Return the mean processor time of a steady run."""
    made = record.launch
    return ((made.wall_ns or 0) - (made.off_core_ns or 0)) / len(made.samples_ns)


def _first_over_steady(record: ColdRecord, stages: StageTimes) -> float:
    steady_cpu_ns = _steady_cpu_ns(record)
    if record.launch.threads == 1 and stages.first_cpu_ns > 0 and steady_cpu_ns > 0:
        return stages.first_cpu_ns / steady_cpu_ns
    return stages.first_ns / _steady_ns(record)


def _median_ms(records: Sequence[ColdRecord], of: Callable[[StageTimes], int]) -> StageMs:
    return _median([of(stages) / NS_PER_MS for _record, stages in _with_stages(records)])


def _median(values: Sequence[float]) -> StageMs:
    """Return the median, and percentiles of the medians of resampled launches.

    The resampling is seeded, so the same launches give the same interval.
    """
    if not values:
        return StageMs()
    each = np.array(values, dtype=np.float64)
    middle = float(np.median(each))
    if len(each) < 2:
        return StageMs(middle)
    chosen = np.random.default_rng(0).integers(len(each), size=(_RESAMPLES, len(each)))
    low, high = np.percentile(np.median(each[chosen], axis=1), [2.5, 97.5])
    return StageMs(middle, float(low), float(high))


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
