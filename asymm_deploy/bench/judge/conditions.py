"""Judge a phone's readings: flags for a launch, and problems to solve before one."""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.bench import flags
from asymm_deploy.bench.records import Conditions, Reading

# AndroidX Microbenchmark refuses to run below 25 %; Skia's lab starts no run above 35 degC.
LEAST_BATTERY_PERCENT = 25
MOST_BATTERY_C = 35.0
OF_HEAT = ("throttled", "capped-clock", "hot")
"""Flags of a device that may be fit again once it is cool."""
OF_POWER = ("battery-low", "power-save", "screen-off")
"""Flags of a device that saves power."""
LEAST_TOP_SHARE = 0.1
"""Share of the runner's life that its core must spend at the top clock.

With less, something keeps the core from going there. The limit is this low because a short launch
can be mostly starting and loading, which run slowly and are not timed.
"""


def condition_flags(conditions: Conditions, top_khz: int | None) -> tuple[str, ...]:
    """Return the flags of a launch under these conditions; ``top_khz`` is the hardware's top clock.

    A reading of None raises ``unwatched`` at most: what can't be read is not judged.
    """
    before, after = conditions.before, conditions.after
    found = set(reading_flags(before, top_khz)) | set(reading_flags(after, top_khz))
    # A limit that appeared during the launch is throttling; one from before is something else.
    if "capped-clock" in found and "capped-clock" not in reading_flags(before, top_khz):
        found = found - {"capped-clock"} | {"throttled"}
    share = conditions.share_at_top_clock
    if share is not None and share < LEAST_TOP_SHARE and "throttled" not in found:
        found.add("capped-clock")
    return flags.gravest_first(found)


def usual_clock_khz(around: Conditions) -> int | None:
    """Return the clock that the pinned core had for most of the runner's life; None if unknown."""
    before, after = around.time_in_state_before, around.time_in_state_after
    if not before or not after or before.keys() != after.keys():
        return None
    return max(after, key=lambda khz: after[khz] - before[khz])


def reading_flags(now: Reading, top_khz: int | None) -> list[str]:
    """Return what one reading tells, as ``condition_flags`` does."""
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
    """The name to give to ``--allow``."""
    what: str
    to_do: str


def reading_problems(now: Reading, top_khz: int | None) -> list[PhoneProblem]:
    """Return what should be fixed before anything is timed."""
    texts = {
        "throttled": (
            "it is throttling to cool down",
            "take it out of its case and let it cool down",
        ),
        "capped-clock": (
            f"its clock is limited to {now.scaling_max_khz} of {top_khz} kHz",
            "let it cool down, turn off game and battery-saver modes, or restart it",
        ),
        "hot": (
            f"its battery is at {now.battery_c} degC, above {MOST_BATTERY_C:g}",
            "take it out of its case and let it cool down",
        ),
        "battery-low": (
            f"its battery is at {now.battery_percent} %, below {LEAST_BATTERY_PERCENT}",
            "charge it",
        ),
        "power-save": ("power-save mode is on", "turn it off in the phone's settings"),
        "screen-off": ("its screen is off", "wake it with its power button"),
    }
    return [
        PhoneProblem(name, *texts[name]) for name in reading_flags(now, top_khz) if name in texts
    ]
