"""What a curve comes to: its level at first and in the end, and when the device began to throttle.

All levels are of seconds' medians, so that a second with few runs counts as one with many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeAlias

from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.second_stream import SecondFigures
from asymm_deploy.bench.units import NS_PER_MS

FIRST_S = 10.0
"""How long the first level is, or a tenth of the time if that is shorter; one second at least."""
LAST_SHARE = 0.2
"""Of the time: the sustained level."""
SLOWER = 1.05
"""Seconds whose median is above so many times the first level are slow."""
_WINDOW_SHARE, _LEAST_WINDOW_S, _MOST_WINDOW_S = 0.1, 3.0, 60.0
_SLOW_SHARE = 0.9
"""Of the seconds in a window: what a neighbour or a hiccup does ends sooner."""

ThrottledBy: TypeAlias = Literal["status", "cap", "slower"]


@dataclass(frozen=True, slots=True)
class Throttled:
    """When a device began to throttle, and by which sign."""

    at_s: float
    """Since the start of the loop."""
    by: ThrottledBy
    """The phone's thermal status, a lower limit of the clock, or the runs alone."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A curve's levels, in ms; None where there is no second in the time that they are of."""

    first_ms: float | None
    sustained_ms: float | None
    throttled: Throttled | None
    slower_at_s: float | None
    """From when on its runs are slow, whatever was seen before."""

    @property
    def sustained_over_first(self) -> float | None:
        """How many times as long a run takes in the end."""
        if self.first_ms is None or self.sustained_ms is None:
            return None
        return self.sustained_ms / self.first_ms


def levels_of(curve: Curve) -> Levels:
    """Return a curve's levels; one that did not reach its end has no sustained level."""
    for_s = curve.started.for_s
    window_s = first_window_s(for_s)
    first = [x.median_ns for x in curve.seconds if x.at_ns < window_s * 1e9]
    last = [x.median_ns for x in curve.seconds if _end_s(x) > for_s * (1 - LAST_SHARE)]
    first_ns = median(first) if first else None
    slower = None if first_ns is None else _slower_at_s(curve.seconds, first_ns, for_s)
    seen = [
        found
        for found in (
            *_signs(curve.seconds, curve.readings, curve.launch.device_facts.cpu_max_khz),
            None if slower is None else Throttled(slower, "slower"),
        )
        if found is not None
    ]
    return Levels(
        first_ms=None if first_ns is None else first_ns / NS_PER_MS,
        sustained_ms=median(last) / NS_PER_MS if last and curve.is_whole else None,
        throttled=min(seen, key=lambda found: found.at_s, default=None),
        slower_at_s=slower,
    )


def first_window_s(for_s: float) -> float:
    """Return how long the first level is."""
    return min(FIRST_S, max(1.0, for_s / 10))


def _slower_at_s(seconds: Sequence[SecondFigures], first_ns: float, for_s: float) -> float | None:
    """Return when the first slow second is that begins a window of slow ones; None if none does.

    The window is a tenth of the time, from 3 s to 60 s; it must be over by the end.
    """
    window_ns = 1e9 * min(_MOST_WINDOW_S, max(_LEAST_WINDOW_S, _WINDOW_SHARE * for_s))
    slow = [x.median_ns > SLOWER * first_ns for x in seconds]
    end = slow_ones = 0
    for start, second in enumerate(seconds):
        while end < len(seconds) and seconds[end].at_ns < second.at_ns + window_ns:
            slow_ones += slow[end]
            end += 1
        is_whole = _end_s(seconds[end - 1]) * 1e9 >= second.at_ns + window_ns
        if slow[start] and is_whole and slow_ones >= _SLOW_SHARE * (end - start):
            return second.at_ns / 1e9
        slow_ones -= slow[start]
    return None


def _signs(
    seconds: Sequence[SecondFigures], readings: Sequence[CurveReading | None], top_khz: int | None
) -> list[Throttled | None]:
    """Return when the device itself first said that it throttles, and when its clock was capped."""
    status = cap = None
    for second, reading in zip(seconds, readings, strict=True):
        if reading is None:
            continue
        if status is None and reading.thermal_status:
            status = Throttled(_end_s(second), "status")
        limit = reading.scaling_max_khz
        if cap is None and limit is not None and top_khz is not None and limit < top_khz:
            cap = Throttled(_end_s(second), "cap")
    return [status, cap]


def _end_s(second: SecondFigures) -> float:
    return (second.at_ns + second.wall_ns) / 1e9
