"""Judge a launch, and a row of launches, by what was measured; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import flags
from asymm_deploy.bench.backends import fallback
from asymm_deploy.bench.backends.shown_precision import UNTOLD
from asymm_deploy.bench.judge import conditions, plausibility
from asymm_deploy.bench.judge.bimodal import is_bimodal
from asymm_deploy.bench.judge.output_error import least_tolerance
from asymm_deploy.bench.judge.pair_difference import has_cpu_times
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import ExitCode

STOLEN_SHARE = 0.02
"""Share of the timed loop that others may take; more shifts a mean as a changed model would."""
SPREAD_PERCENT = 10.0
"""Largest gap between the fastest and the slowest launch median, relative to their median."""
BLAS_SHARE = 0.75
"""Share of a core's true peak that the calibration reaches at least."""
_FP16_GAIN = 2
"""The peak over that in fp32: a vector register holds twice as many numbers."""
_TICK_NS = 10**7
"""Time taken by the hypervisor is counted in ticks; a single one may be rounding."""

SLOWER_AFTER = 1.03
"""A phone whose calibration takes this many times as long after the timed loop was throttled."""
SLOWER_THAN_BEST = 1.10
"""How many times as long as the row's best calibration another one may take.

AndroidX Microbenchmark has the same limit for a fixed workload.
"""

JUDGED_OVER_ROW = ("below-floor", "bimodal", "stolen-time")
"""Flags judged over all samples of a row: one disturbed launch in ten need not spoil it."""


def launch_flags(
    record: LaunchRecord, *, verified_by: LaunchRecord | None, verifiable: bool
) -> list[str]:
    """Return what is wrong with one launch on its own.

    ``verified_by`` is the row's launch whose output was compared by value; None if it is this one.
    ``verifiable`` says whether there is a reference to compare with at all.
    """
    if record.error is not None:
        return [flags.FAILED]
    found = [] if verifiable else ["unverified"]
    if not record.cpus:
        found.append("unpinned")
    elif not {record.cpu_before, record.cpu_after} <= set(record.cpus):
        found.append("wrong-core")
    if record.precision_in_force != record.precision and not _untold(record):
        found.append("wrong-precision")
    if fallback.fell_back(record):
        found.append(fallback.FELL_BACK)
    if verified_by is not None and record.backend == fallback.CPU:
        same = record.output_sha256 == verified_by.output_sha256
        if not same or "output-mismatch" in verified_by.flags:
            found.append("output-mismatch")
    elif not _close(record) if verifiable else record.output_words is not None:
        found.append("output-mismatch")
    if _slowed_down(record):
        found.append("throttled")
    return found + pooled_flags([record])


def judged_with(record: LaunchRecord, found: Iterable[str]) -> LaunchRecord:
    """Return the record with these flags, and what follows from them."""
    names = flags.gravest_first(found)
    return msgspec.structs.replace(
        record,
        flags=names,
        valid=flags.leave_valid(names, record.allowed),
        exit_code=flags.exit_code_for(
            names, record.allowed, ExitCode(record.exit_code or ExitCode.HARNESS)
        ),
    )


def vouching(finished: Sequence[LaunchRecord]) -> LaunchRecord | None:
    """Return the first launch whose output was compared, or else the first one; None of none.

    It vouches for the outputs of the others.
    """
    compared = (record for record in finished if record.output_error is not None)
    return next(compared, None) or next(iter(finished), None)


def judged_again(launches: Sequence[LaunchRecord]) -> list[LaunchRecord]:
    """Return a row's launches, judged by what they hold: a file's own flags are not believed.

    Its flags stay, as some can't be told from the record. The first launch whose output was
    compared with the reference vouches for the others' outputs; if there is none, the first does.
    """
    finished = [record for record in launches if record.error is None]
    first = vouching(finished)
    verifiable = first is not None and first.output_error is not None

    def again(record: LaunchRecord, verified_by: LaunchRecord | None) -> LaunchRecord:
        found = launch_flags(record, verified_by=verified_by, verifiable=verifiable)
        if record.conditions is not None and record.error is None:
            top_khz = record.device_facts.cpu_max_khz
            found += conditions.condition_flags(record.conditions, top_khz)
        return judged_with(record, [*record.flags, *found])

    judged = None if first is None else again(first, None)
    return [
        judged if record is first and judged is not None else again(record, judged)
        for record in launches
    ]


def worth_repeating(record: LaunchRecord) -> bool:
    """Whether the launch may count if it is repeated after a pause: a hot phone cools down."""
    return (
        record.error is None
        and record.conditions is not None
        and not set(conditions.OF_HEAT).isdisjoint(set(record.flags) - set(record.allowed))
    )


def heat_was_seen(record: LaunchRecord) -> bool:
    """Whether the phone's own readings explain a slow launch."""
    if record.conditions is None:
        return False
    seen = conditions.condition_flags(record.conditions, record.device_facts.cpu_max_khz)
    return not set(conditions.OF_HEAT).isdisjoint(seen)


def row_flags(records: Sequence[LaunchRecord]) -> tuple[str, ...]:
    """Return what is wrong with a row, given its launches with their own flags."""
    found = {name for record in records for name in record.flags} - set(JUDGED_OVER_ROW)
    finished = [record for record in records if record.error is None]
    spread = launch_spread_percent(finished)
    if spread is not None and spread > SPREAD_PERCENT:
        found.add("launch-spread")
    if plausibility.repeated(finished) is not None:
        found.add("repeated-samples")
    if _some_slower(finished):
        found.add("throttled")
    return flags.gravest_first([*found, *pooled_flags(finished)])


def pooled_flags(finished: Sequence[LaunchRecord]) -> list[str]:
    """Return the flags that are judged over all samples of these launches of one row."""
    samples = [ns for record in finished for ns in record.samples_ns]
    if not samples:
        return []
    found = []
    floor = floor_ns(finished)
    if floor is not None and float(np.median(samples)) < floor:
        found.append("below-floor")
    if plausibility.is_invariant(samples):
        found.append("no-variance")
    # What disturbs one run of a pair disturbs the other, and the median of pairs bears the rest.
    if not all(record.paired for record in finished) and is_bimodal(samples):
        found.append("bimodal")
    if not all(map(has_cpu_times, finished)) and _stolen_share(finished) > STOLEN_SHARE:
        found.append("stolen-time")
    return found


def floor_ns(finished: Sequence[LaunchRecord]) -> float | None:
    """Return the least time that a run can take on these cores; None where that is unknown.

    That is the number of multiplications that no algorithm avoids, over the core's peak rate. The
    peak is estimated from the best calibration of any launch.
    """
    rates = [
        rate
        for record in finished
        if record.calibration is not None
        for rate in (record.calibration.before_mac_per_s, record.calibration.after_mac_per_s)
    ]
    first = finished[0]
    # How fast other back ends can multiply, the core's arithmetic doesn't tell.
    if not rates or first.floor_madds is None or first.backend != fallback.CPU:
        return None
    peak = max(rates) / BLAS_SHARE * first.threads
    if any(record.precision_in_force == "fp16" for record in finished):
        peak *= _FP16_GAIN
    return first.floor_madds * 1e9 / peak


def launch_spread_percent(finished: Sequence[LaunchRecord]) -> float | None:
    """Return (largest - smallest) / median of the launches' medians, in percent."""
    if len(finished) < 2:
        return None
    medians = launch_medians_ns(finished)
    return float(100 * np.ptp(medians) / np.median(medians))


def launch_medians_ns(finished: Sequence[LaunchRecord]) -> npt.NDArray[np.float64]:
    """Return the median sample of each launch."""
    return np.array([np.median(record.samples_ns) for record in finished], dtype=np.float64)


def _slowed_down(record: LaunchRecord) -> bool:
    """Whether a phone's core slowed down during the launch; hosts are not judged by this."""
    rates = record.calibration
    if record.conditions is None or rates is None:
        return False
    return rates.before_mac_per_s > SLOWER_AFTER * rates.after_mac_per_s


def _some_slower(finished: Sequence[LaunchRecord]) -> bool:
    """Whether a phone's core was slower in some launches of a row: the sign of a hidden limit."""
    rates = [
        max(record.calibration.before_mac_per_s, record.calibration.after_mac_per_s)
        for record in finished
        if record.conditions is not None and record.calibration is not None
    ]
    return bool(rates) and max(rates) > SLOWER_THAN_BEST * min(rates)


def _untold(record: LaunchRecord) -> bool:
    """Whether MNN doesn't tell the precision: it tells only the CPU's."""
    return record.backend != fallback.CPU and record.precision_in_force == UNTOLD


def _close(record: LaunchRecord) -> bool:
    allowed = record.output_tolerance
    if allowed is None:
        allowed = least_tolerance(record.precision, record.backend)
    return record.output_error is not None and record.output_error <= allowed


def _stolen_share(finished: Sequence[LaunchRecord]) -> float:
    """Return the share of the timed loops that was lost to others; unknown parts count as 0."""
    wall = sum(record.wall_ns or 0 for record in finished)
    steal = sum(record.steal_ns or 0 for record in finished)
    waited = sum(record.waited_ns or 0 for record in finished)
    # With several threads, the main one also leaves its core to wait for the others, and
    # on other back ends than the CPU it waits for those.
    off_core = sum(
        record.off_core_ns or 0
        for record in finished
        if record.threads == 1 and record.backend == fallback.CPU
    )
    return max(off_core, waited + max(0, steal - _TICK_NS)) / max(1, wall)
