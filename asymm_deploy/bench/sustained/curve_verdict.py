"""Judge a launch that lasted: what spoils it, and what it was made to show.

Heat is what a sustained bench measures: a phone that throttles after six minutes gives a curve that
is as good as one that does not. So the flags of heat say what was seen, and spoil nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.conditions import OF_HEAT, reading_flags
from asymm_deploy.bench.judge.plausibility import FEWEST_TO_COMPARE
from asymm_deploy.bench.records import LaunchRecord, Reading
from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.levels import first_window_s, levels_of
from asymm_deploy.bench.sustained.second_stream import SecondFigures, Sustained
from asymm_deploy.errors import ExitCode

LATE_SHARE = 0.01
"""Of the frames: with fewer late ones a model keeps up."""
_TICK_NS = 10**7


def judged_curve(
    record: LaunchRecord, found: Sequence[str], curve: Curve, loop: Sustained
) -> LaunchRecord:
    """Return the record with the flags ``found`` and those of the curve, and what follows."""
    names = flags.gravest_first([*found, *curve_flags(record, curve, loop)])
    allowed = with_heat_allowed(record.allowed, curve)
    return msgspec.structs.replace(
        record,
        flags=names,
        valid=flags.leave_valid(names, allowed),
        exit_code=flags.exit_code_for(names, allowed, ExitCode.HARNESS),
    )


def with_heat_allowed(allowed: Iterable[str], curve: Curve) -> set[str]:
    """Return which flags leave a curve valid: those of heat, unless it was there at the start.

    Then the first level is not that of a cool device.
    """
    window_ns = first_window_s(curve.started.for_s) * 1e9
    at_first = [
        reading
        for second, reading in zip(curve.seconds, curve.readings, strict=True)
        if reading is not None and second.at_ns < window_ns
    ]
    top_khz = curve.launch.device_facts.cpu_max_khz
    hot = at_first and {*reading_flags(_as_reading(at_first[0]), top_khz)} & {*OF_HEAT}
    return {*allowed} if hot else {*allowed, *OF_HEAT}


def curve_flags(record: LaunchRecord, curve: Curve, loop: Sustained) -> list[str]:
    """Return what a whole curve's seconds and readings tell."""
    found = []
    if any(x.core is not None and x.core not in record.cpus for x in curve.seconds if record.cpus):
        found.append("wrong-core")
    floor = verdicts.floor_ns([record])
    if floor is not None and median(x.median_ns for x in curve.seconds) < floor:
        found.append("below-floor")
    if loop.runs >= FEWEST_TO_COMPARE and len(_durations(curve.seconds)) == 1:
        found.append("no-variance")
    if _stolen_share(record, curve, loop) > verdicts.STOLEN_SHARE:
        found.append("stolen-time")
    frames = loop.runs + loop.skipped
    if loop.late > LATE_SHARE * frames:
        found.append("late")
    found += _flags_of_readings(curve.readings, record.device_facts.cpu_max_khz, record)
    if levels_of(curve).slower_at_s is not None and "throttled" not in found:
        found.append("slower")
    return found


def _durations(seconds: Sequence[SecondFigures]) -> set[int]:
    return {ns for x in seconds for ns in (x.min_ns, x.max_ns)}


def _stolen_share(record: LaunchRecord, curve: Curve, loop: Sustained) -> float:
    """Return the share of the runs' time that was lost to others; unknown parts count as 0.

    Between frames nothing runs, and waking up counts as waiting: then only what was lost within
    runs counts, and what the hypervisor took.
    """
    runs_ns = sum(x.mean_ns * x.runs for x in curve.seconds)
    off_core = runs_ns - loop.cpu_ns if record.threads == 1 else 0
    stolen = max(0, (loop.steal_ns or 0) - _TICK_NS)
    if curve.started.every_ms is not None:
        return max(off_core, stolen) / max(1, runs_ns)
    return max(off_core, (loop.waited_ns or 0) + stolen) / max(1, loop.wall_ns)


def _flags_of_readings(
    readings: Sequence[CurveReading | None], top_khz: int | None, record: LaunchRecord
) -> list[str]:
    known = [reading for reading in readings if reading is not None]
    told = {name for reading in known for name in reading_flags(_as_reading(reading), top_khz)} - {
        "unwatched"
    }
    if "capped-clock" in told and known and _is_uncapped(known[0], top_khz):
        told = told - {"capped-clock"} | {"throttled"}
    on_phone = bool(record.device_facts.policies)
    sees_heat = any(
        reading.battery_c is not None and reading.thermal_status is not None
        if on_phone
        else reading.hottest_c is not None
        for reading in known
    )
    sees_clock = any(reading.scaling_max_khz is not None for reading in known)
    if not (sees_heat and sees_clock and top_khz is not None):
        told.add("unwatched")
    return sorted(told)


def _is_uncapped(reading: CurveReading, top_khz: int | None) -> bool:
    limit = reading.scaling_max_khz
    return limit is None or top_khz is None or limit >= top_khz


def _as_reading(reading: CurveReading) -> Reading:
    return Reading(
        battery_percent=reading.battery_percent,
        battery_c=reading.battery_c,
        thermal_status=reading.thermal_status,
        power_save=reading.power_save,
        screen_on=reading.screen_on,
        scaling_max_khz=reading.scaling_max_khz,
        clock_khz=reading.clock_khz,
    )
