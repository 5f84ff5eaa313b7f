"""Readings of a phone around a launch, judged: flags of a launch, and problems to solve first."""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.bench import flags
from asymm_deploy.bench.records import Conditions, Reading

# AndroidX Microbenchmark refuses to run below 25 %; Skia's lab starts no run above 35 degC.
LEAST_BATTERY_PERCENT = 25
MOST_BATTERY_C = 35.0
LEAST_TOP_SHARE = 0.1
"""Share of the runner's life at the top clock; below it, some governor keeps the core from going
there. It is this low because starting and loading, which run slowly and are not timed, can be most
of a short launch."""


def condition_flags(conditions: Conditions, top_khz: int | None) -> tuple[str, ...]:
    """Return the flags of a launch under these conditions; ``top_khz`` is the hardware's top clock.

    A reading that is None raises at most ``unwatched``: what can't be read is never judged.
    """
    before, after = conditions.before, conditions.after
    found = set(_of_reading(before, top_khz)) | set(_of_reading(after, top_khz))
    # A limit that came during the launch is the phone cooling itself; one that was there is not.
    if "capped-clock" in found and "capped-clock" not in _of_reading(before, top_khz):
        found = found - {"capped-clock"} | {"throttled"}
    share = conditions.share_at_top_clock
    if share is not None and share < LEAST_TOP_SHARE and "throttled" not in found:
        found.add("capped-clock")
    return flags.gravest_first(found)


def usual_clock_khz(around: Conditions) -> int | None:
    """Return the clock at which the pinned core spent most of the runner's life, if it is known."""
    before, after = around.time_in_state_before, around.time_in_state_after
    if not before or not after or before.keys() != after.keys():
        return None
    return max(after, key=lambda khz: after[khz] - before[khz])


def _of_reading(now: Reading, top_khz: int | None) -> list[str]:
    found = []
    if None in (now.battery_c, now.thermal_status, now.scaling_max_khz, top_khz):
        found.append("unwatched")
    if now.thermal_status:
        found.append("throttled")
    if now.scaling_max_khz is not None and top_khz is not None and now.scaling_max_khz < top_khz:
        found.append("capped-clock")
    if now.battery_c is not None and now.battery_c > MOST_BATTERY_C:
        found.append("hot")
    if now.battery_percent is not None and now.battery_percent < LEAST_BATTERY_PERCENT:
        found.append("battery-low")
    if now.power_save:
        found.append("power-save")
    if now.screen_on is False:
        found.append("screen-off")
    return found


@dataclass(frozen=True, slots=True)
class PhoneProblem:
    """A reason not to time anything on a phone in its present state."""

    name: str
    """The name by which ``--allow`` accepts it."""
    what: str
    to_do: str


def reading_problems(now: Reading, top_khz: int | None) -> list[PhoneProblem]:
    """Return what should be put right before anything is timed."""
    told = {
        "throttled": ("it is slowing itself down to cool", "let it cool, out of its case"),
        "capped-clock": (
            f"its clock is limited to {now.scaling_max_khz} of {top_khz} kHz",
            "let it cool, turn off game and battery-saver modes, or restart it",
        ),
        "hot": (
            f"its battery is at {now.battery_c} degC, above {MOST_BATTERY_C:g}",
            "let it cool, out of its case",
        ),
        "battery-low": (
            f"its battery is at {now.battery_percent} %, below {LEAST_BATTERY_PERCENT}",
            "charge it",
        ),
        "power-save": ("power-save mode is on", "turn it off in the phone's settings"),
        "screen-off": ("its screen is off", "wake it with its power button"),
    }
    return [PhoneProblem(name, *told[name]) for name in _of_reading(now, top_khz) if name in told]
