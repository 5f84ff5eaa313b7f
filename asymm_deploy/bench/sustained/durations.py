"""Durations as people write them: ``30m``, ``90s``, ``1h``, ``33ms``."""

from __future__ import annotations

import re

from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_FORM = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|min|m|h)")


def duration_s(option: str, text: str, least_s: float, most_s: float, why: str) -> float:
    """Return what ``text`` says, in seconds; ``option`` is what messages call it.

    Raises UsageError for what is no number with a unit, or is not within both limits; ``why`` is
    the reason of these.
    """
    match = _FORM.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(
            f"{option} {excerpt(text, 40)!r} is no duration",
            "give a number with its unit, as in 30m, 90s, 1h or 33ms",
        )
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not least_s <= seconds <= most_s:
        raise UsageError(
            f"{option} {text.strip()} is out of range",
            f"give {short_duration(least_s)} to {short_duration(most_s)}: {why}",
        )
    return seconds


def short_duration(seconds: float) -> str:
    """Return the shortest way to write a duration: ``30m``, ``33.3ms``."""
    for unit in ("h", "m", "s"):
        value = seconds / _SECONDS[unit]
        if value >= 1 and (unit == "s" or value == int(value)):
            return f"{value:.10g}{unit}"
    return f"{seconds * 1000:.10g}ms"
