"""What ``dumpsys`` tells of battery, temperatures and screen."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asymm_deploy.bench.phone.parse.text_lines import lines, number


@dataclass(frozen=True, slots=True)
class Battery:
    """The battery as ``dumpsys battery`` describes it."""

    level_percent: int | None
    temperature_c: float | None
    powered: bool | None
    """By cable, dock or wirelessly."""


def battery(text: str) -> Battery:
    """Parse ``dumpsys battery``; the temperature is in tenths of a degree.

    ::

        Current Battery Service state:
          AC powered: false
          USB powered: true
          Wireless powered: false
          present: true
          level: 75
          scale: 100
          temperature: 280

    Nothing is known where there is no battery (``present: false``), nor where the values were
    set by hand (``dumpsys battery set``, after which it prints ``UPDATES STOPPED``).
    """
    fields: dict[str, str] = {}
    for line in lines(text):
        if "UPDATES STOPPED" in line:
            return Battery(None, None, None)
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    cables = [
        {"true": True, "false": False}.get(fields[key])
        for key in ("AC powered", "USB powered", "Wireless powered", "Dock powered")
        if key in fields
    ]
    powered = True if True in cables else None if None in cables or not cables else False
    if fields.get("present") == "false":
        return Battery(None, None, powered)
    scale = number(fields.get("scale", ""), least=1, most=10**6)
    level = None if scale is None else number(fields.get("level", ""), most=scale)
    tenths = number(fields.get("temperature", ""), least=-400, most=1500)
    return Battery(
        level_percent=None if level is None or scale is None else 100 * level // scale,
        temperature_c=None if tenths is None else tenths / 10,
        powered=powered,
    )


def thermal_status(text: str) -> int | None:
    """Parse the status in ``dumpsys thermalservice``: 0 (none) to 6 (shutdown).

    ::

        IsStatusOverride: false
        Thermal Status: 0
        Cached temperatures:
        HAL Ready: true

    None where the status means nothing: it was set by hand, or the hardware's side is missing
    (``HAL Ready: false``), with which Android says 0 however hot the phone is.
    """
    fields: dict[str, str] = {}
    for line in lines(text):
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    if fields.get("HAL Ready") != "true" or fields.get("IsStatusOverride") == "true":
        return None
    return number(fields.get("Thermal Status", ""), most=6)


# 	Temperature{mValue=33.800003, mType=0, mName=cpu-1-3-usr, mStatus=0}
_TEMPERATURE = re.compile(
    r"\s*Temperature\{mValue=(-?[0-9]{1,6}(?:\.[0-9]{1,20})?), mType=(-?[0-9]{1,4}), "
    r"mName=(.{1,100}), mStatus=-?[0-9]{1,4}\}\s*"
)
_NO_TEMPERATURES = frozenset({6, 7, 8})
"""Types that are the battery's voltage, current and percentage (Android's TemperatureType)."""


def temperatures(text: str) -> dict[str, float]:
    """Parse the current temperatures in ``dumpsys thermalservice``: degC, by the sensor's name.

    ::

        Current temperatures from HAL:
            Temperature{mValue=33.800003, mType=0, mName=cpu-1-3-usr, mStatus=0}
        Current cooling devices from HAL:

    A tab stands before each. They are rounded to 0.01, since the phone's binary fractions read
    33.800003. A temperature that no phone survives is left out; of several sensors with one name
    the hottest counts.
    """
    found: dict[str, float] = {}
    current = False
    for line in lines(text):
        if line.rstrip().endswith(":"):
            current = line.strip() == "Current temperatures from HAL:"
        match = _TEMPERATURE.fullmatch(line) if current else None
        if match is None or int(match[2]) in _NO_TEMPERATURES:
            continue
        celsius = round(float(match[1]), 2)
        if -40 <= celsius <= 150:
            found[match[3]] = max(celsius, found.get(match[3], celsius))
    return found


def screen_on(text: str) -> bool | None:
    """Parse ``dumpsys power``: whether the phone is awake and its display lit.

    ::

          mWakefulness=Awake
        Display Power: state=ON

    Either line may be missing; None where neither says anything.
    """
    wakefulness = display = None
    for line in lines(text):
        key, _, value = line.strip().partition("=")
        if key == "mWakefulness" and wakefulness is None:
            wakefulness = {"Awake": True, "Asleep": False, "Dozing": False}.get(value)
        elif key == "Display Power: state" and display is None:
            display = {"ON": True, "OFF": False, "DOZE": False, "DOZE_SUSPEND": False}.get(value)
    if False in (wakefulness, display):
        return False
    return True if True in (wakefulness, display) else None
