"""What is read on a phone around each launch: the commands, and a Reading from their output.

What a phone doesn't let us read is None; a row with such a hole says so (``unwatched``).
"""

from __future__ import annotations

from collections.abc import Mapping

from asymm_deploy.bench.phone import cpufreq
from asymm_deploy.bench.phone.parse import dumpsys
from asymm_deploy.bench.phone.parse.properties import setting_value
from asymm_deploy.bench.phone.parse.sections import Section
from asymm_deploy.bench.records import Reading

WITHIN_10_S = "$(command -v timeout >/dev/null && echo timeout 10)"
"""Goes before a command, to end it after 10 s; empty on phones without `timeout`."""


def reading_commands(policy_folder: str | None) -> dict[str, str]:
    """Return the shell command of each section that ``parse_reading`` reads."""
    commands = {
        "battery": "dumpsys battery",
        "thermal": "dumpsys thermalservice",
        # A system service that hangs would otherwise hang the whole bench.
        "low_power": f"{WITHIN_10_S} settings get global low_power",
        "screen": "dumpsys power | grep -E 'mWakefulness=|Display Power: state='",
    }
    if policy_folder is not None:
        commands["max"] = f"cat {policy_folder}/scaling_max_freq"
        commands["clock"] = f"cat {policy_folder}/scaling_cur_freq"
    return commands


def parse_reading(sections: Mapping[str, Section]) -> Reading:
    """Return what the output of ``reading_commands`` says.

    A section each for ``level: 75`` and the rest of ``dumpsys battery``, ``Thermal Status: 0``,
    ``0`` (low_power), ``mWakefulness=Awake``, ``2841600`` (max) and ``1804800`` (clock).
    """
    battery = dumpsys.battery(_text_of(sections, "battery"))
    thermal = _text_of(sections, "thermal")
    power_save = setting_value(_text_of(sections, "low_power"))
    return Reading(
        battery_percent=battery.level_percent,
        battery_c=battery.temperature_c,
        thermal_status=dumpsys.thermal_status(thermal),
        power_save={"0": False, "1": True}.get(power_save or ""),
        screen_on=dumpsys.screen_on(_text_of(sections, "screen")),
        scaling_max_khz=cpufreq.khz(_text_of(sections, "max")),
        clock_khz=cpufreq.khz(_text_of(sections, "clock")),
    )


def _text_of(sections: Mapping[str, Section], name: str) -> str:
    """Return what a command printed, nothing if it failed or was not run."""
    section = sections.get(name)
    return section.text if section is not None and section.code == 0 else ""
