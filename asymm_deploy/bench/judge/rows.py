"""Summarise the launches of a row as its line in latency.csv; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import flags
from asymm_deploy.bench.backends.fallback import FELL_BACK, fallback_words
from asymm_deploy.bench.backends.nothing_there import in_place_of_the_newest
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.paired_ratio import latest_ratios, whole_pairs
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.errors import ExitCode

_RESAMPLES = 10_000
_MISMATCH = "output-mismatch"


def summarise(records: Sequence[LaunchRecord]) -> RowSummary:
    """Return the row for the launches, one or more, of one model, plan and attempt."""
    finished = [record for record in records if record.error is None]
    failed = [record for record in records if record.error is not None]
    last = records[-1]
    shown = finished[-1] if finished else last
    samples = np.array([ns for record in finished for ns in record.samples_ns], dtype=np.float64)
    samples /= NS_PER_MS
    low, high = interval_ms(verdicts.launch_medians_ns(finished) / NS_PER_MS)
    found = verdicts.row_flags(records)
    return RowSummary(
        model=shown.model,
        network=shown.network,
        scale=shown.scale,
        multiplier=shown.multiplier,
        device=shown.device,
        soc=shown.device_facts.soc,
        cpu="+".join(map(str, shown.cpus)) or None,
        cpu_max_khz=shown.device_facts.cpu_max_khz,
        precision=shown.precision,
        threads=shown.threads,
        engine=shown.engine,
        engine_version=shown.engine_version,
        launches=len(finished),
        runs=len(samples),
        latency_mean_ms=float(samples.mean()) if len(samples) else None,
        latency_median_ms=_percentile(samples, 50),
        latency_p90_ms=_percentile(samples, 90),
        latency_p99_ms=_percentile(samples, 99),
        latency_min_ms=_percentile(samples, 0),
        latency_std_ms=float(samples.std(ddof=1)) if len(samples) > 1 else None,
        launch_spread_percent=verdicts.launch_spread_percent(finished),
        ci_low_ms=low,
        ci_high_ms=high,
        init_ms=_percentile(
            np.array([r.init_ns / NS_PER_MS for r in finished if r.init_ns is not None]), 50
        ),
        peak_memory_mb=max(
            (r.peak_memory_mb for r in finished if r.peak_memory_mb is not None), default=None
        ),
        valid=flags.leave_valid(found, last.allowed),
        flags=found,
        backend=shown.backend,
        allowed=last.allowed,
        reason=failed[-1].error if failed else None,
        words=_words(finished),
        failure_code=failed[-1].exit_code if failed else ExitCode.HARNESS,
        madds=shown.madds,
        params=shown.params,
        input_shape=shown.input_shape,
        classes=shown.classes,
        artifact_sha256=shown.artifact_sha256,
        output_error=max(
            (r.output_error for r in finished if r.output_error is not None), default=None
        ),
        first_started_at=min(record.started_at for record in records),
        last_started_at=max(record.started_at for record in records),
    )


def latest_rows(records: Iterable[LaunchRecord]) -> list[RowSummary]:
    """Return a row for each model, input shape and setting.

    A setting is a device, an engine, a precision, a number of threads and a back end.

    ``records`` are in the order of runs.jsonl; the rows are in the order of their first records.
    Paired launches are no part of a row's times; they give its ratios to other models, as far as
    both files are the ones that were timed last.
    """
    everything = list(records)
    rows = latest_launches(everything)
    pairs = whole_pairs(everything)
    timed = {row_key(row[-1]): row[-1].artifact_sha256 for row in rows}
    current = [
        (one, other)
        for one, other in pairs
        if timed.get(row_key(other), other.artifact_sha256) == other.artifact_sha256
    ]
    return [
        msgspec.structs.replace(summarise(row), paired=tuple(latest_ratios(row, current)))
        for row in rows
    ]


def alone(records: Iterable[LaunchRecord]) -> list[LaunchRecord]:
    """Return the launches that timed one model; half of a paired launch is none of its row."""
    return [record for record in records if record.paired is None]


def latest_launches(records: Iterable[LaunchRecord]) -> list[list[LaunchRecord]]:
    """Return, for each row, the launches last measured under the same circumstances.

    They are judged again by what they hold. Paired launches are left out, and those that ran on
    another back end than the newest.
    """
    rows: dict[tuple[object, ...], dict[tuple[object, ...], dict[int, LaunchRecord]]] = {}
    for record in alone(records):
        row = rows.setdefault(row_key(record), {})
        launches = row.pop(circumstances_key(record), {})
        launches[record.launch] = record
        row[circumstances_key(record)] = launches  # now the last one
    return [
        verdicts.judged_again(in_place_of_the_newest(launches[at] for at in sorted(launches)))
        for row in rows.values()
        for launches in [row[next(reversed(row))]]
    ]


def row_key(record: LaunchRecord) -> tuple[object, ...]:
    """Return what all launches of a row share, whenever they were measured."""
    setting = (record.device, record.engine, record.precision, record.threads, record.backend)
    return (record.model, record.input_shape, record.classes, *setting)


def circumstances_key(record: LaunchRecord) -> tuple[object, ...]:
    """Return what launches of a row must share to be summarised together."""
    return (record.plan_id, record.attempt, record.artifact_sha256, record.cpus)


def _words(finished: Sequence[LaunchRecord]) -> tuple[tuple[str, str], ...]:
    """Return what flags don't say by their names alone, each once and behind its flag."""
    told = [(FELL_BACK, fallback_words(record)) for record in finished]
    told += [(_MISMATCH, each.output_words) for each in finished if _MISMATCH in each.flags]
    return tuple(dict.fromkeys((flag, words) for flag, words in told if words is not None))


def interval_ms(medians: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the mean of launch medians: percentiles over resampled launches.

    (None, None) for fewer than two launches, which say nothing about the spread between launches.
    The resampling is seeded, so the same medians give the same interval.
    """
    if len(medians) < 2:
        return None, None
    chosen = np.random.default_rng(0).integers(len(medians), size=(_RESAMPLES, len(medians)))
    low, high = np.percentile(medians[chosen].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _percentile(values: npt.NDArray[np.float64], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if len(values) else None
