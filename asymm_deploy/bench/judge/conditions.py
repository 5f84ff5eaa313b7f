"""What a phone is like around a launch: read, judged, and what to do about it; pure but for types.

What a phone doesn't let us read is None, and a row with such a hole says so (``unwatched``).
"""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.bench import flags
from asymm_deploy.bench.phone import adb_text, cpufreq
from asymm_deploy.bench.records import Conditions, Reading

# AndroidX Microbenchmark refuses below 25 %; Skia's lab begins no run above 35 degC.
LEAST_BATTERY_PERCENT = 25
MOST_BATTERY_C = 35.0
LEAST_TOP_SHARE = 0.1
"""Of the runner's life at the top clock. Below, a governor that never goes there is in force. Not
more, since starting and loading, which are slow and not timed, can be most of a short launch."""
WITHIN_10_S = "$(command -v timeout >/dev/null && echo timeout 10)"
"""Goes before a command; on phones without `timeout` it is nothing."""


def reading(sections: dict[str, adb_text.Section]) -> Reading:
    """Return what the sections of ``commands`` say."""
    battery = adb_text.battery(_good(sections, "battery"))
    power_save = adb_text.setting(_good(sections, "low_power"))
    return Reading(
        battery_percent=battery.level_percent,
        battery_c=battery.temperature_c,
        thermal_status=adb_text.thermal_status(_good(sections, "thermal")),
        power_save={"0": False, "1": True}.get(power_save or ""),
        screen_on=adb_text.screen_on(_good(sections, "screen")),
        scaling_max_khz=cpufreq.khz(_good(sections, "max")),
        clock_khz=cpufreq.khz(_good(sections, "clock")),
    )


def commands(policy_folder: str | None) -> dict[str, str]:
    """Return the shell command of each section that ``reading`` reads."""
    known = {
        "battery": "dumpsys battery",
        "thermal": "dumpsys thermalservice",
        # A system service that hangs would hang all of the bench.
        "low_power": f"{WITHIN_10_S} settings get global low_power",
        "screen": "dumpsys power | grep -E 'mWakefulness=|Display Power: state='",
    }
    if policy_folder is not None:
        known["max"] = f"cat {policy_folder}/scaling_max_freq"
        known["clock"] = f"cat {policy_folder}/scaling_cur_freq"
    return known


def _good(sections: dict[str, adb_text.Section], name: str) -> str:
    section = sections.get(name)
    return section.text if section is not None and section.code == 0 else ""


def flags_of(conditions: Conditions, top_khz: int | None) -> tuple[str, ...]:
    """Return what spoils a launch under these conditions; ``top_khz`` is the hardware's."""
    before, after = conditions.before, conditions.after
    found = set(_of_reading(before, top_khz)) | set(_of_reading(after, top_khz))
    # A limit that came during the launch is the phone cooling itself; one from before is not.
    if "capped-clock" in found and "capped-clock" not in _of_reading(before, top_khz):
        found = found - {"capped-clock"} | {"throttled"}
    share = conditions.share_at_top_clock
    if share is not None and share < LEAST_TOP_SHARE and "throttled" not in found:
        found.add("capped-clock")
    return flags.ordered(found)


def usual_clock_khz(around: Conditions) -> int | None:
    """Return the clock that the pinned core had for most of the runner's life."""
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
class Problem:
    """Why nothing should be timed on a phone as it is."""

    name: str
    """As ``--allow`` takes it."""
    what: str
    to_do: str


def problems(now: Reading, top_khz: int | None) -> list[Problem]:
    """Return what should be put right before anything is timed."""
    told = {
        "throttled": ("it is slowing itself down to cool", "let it cool, out of its case"),
        "capped-clock": (
            f"its clock is limited to {now.scaling_max_khz} of {top_khz} kHz",
            "let it cool, end game and battery modes, or start it anew",
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
    return [Problem(name, *told[name]) for name in _of_reading(now, top_khz) if name in told]
