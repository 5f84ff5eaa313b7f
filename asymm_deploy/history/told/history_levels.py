"""Values in the order of commits -> levels, and the steps from one level to the next.

Latencies are noisy: a level is what a permutation test confirms (``change_points.py``). Counts,
sizes and accuracies of the same samples are exact: whatever changes is a change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from asymm_deploy.history.told.change_points import Signal, boundaries

_SAME = 1e-9
"""Less than the clock's nanosecond in a second: logarithms that differ by rounding alone."""
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class LevelStep:
    """The change from one level to the next, or between any two."""

    at: int
    """Which value is the first of the new level."""
    percent: float
    low_percent: float | None
    high_percent: float | None
    """Welch's interval of 95 % around it; None if values are exact."""

    @property
    def least_percent(self) -> float:
        """What it is at least, as far as can be told."""
        return self.percent if self.low_percent is None else self.low_percent


def noisy_levels(values: Sequence[float], significance: float) -> list[int]:
    """Return where new levels of positive, noisy ``values`` begin; none if there is one level."""
    return boundaries(np.log(np.asarray(values, dtype=np.float64)), significance)


def exact_levels(values: Sequence[float]) -> list[int]:
    """Return where ``values`` differ from the one before."""
    return [place for place, (old, new) in enumerate(pairwise(values), start=1) if old != new]


def noisy_steps(values: Sequence[float], starts: Sequence[int]) -> list[LevelStep]:
    """Return the steps between the levels of positive ``values`` that begin at ``starts``."""
    levels = np.split(np.log(np.asarray(values, dtype=np.float64)), list(starts))
    return [
        step_between(before, after, start)
        for (before, after), start in zip(pairwise(levels), starts, strict=True)
    ]


def exact_steps(values: Sequence[float], starts: Sequence[int]) -> list[LevelStep]:
    """Return the steps of exact values; growth from 0 is without limit."""
    return [
        LevelStep(start, relative_percent(values[start - 1], values[start]), None, None)
        for start in starts
    ]


def step_between(before: Signal, after: Signal, at: int) -> LevelStep:
    """Return the step between two levels, given as logarithms; ``at`` is where it is."""
    low, high = _interval(before, after)
    return LevelStep(at, log_percent(float(after.mean() - before.mean())), low, high)


def log_percent(log_ratio: float) -> float:
    """Return a difference of logarithms as a change in percent."""
    return _PERCENT * math.expm1(log_ratio)


def relative_percent(before: float, after: float) -> float:
    """Return the change in percent; growth from 0 is infinite."""
    if before == after:
        return 0.0
    return _PERCENT * (after / before - 1) if before else math.inf


def _interval(first: Signal, last: Signal) -> tuple[float, float]:
    """Return Welch's 95 % interval of the change between two levels, in percent."""
    from scipy import stats as scipy_stats

    if max(np.ptp(first), np.ptp(last)) < _SAME:
        low = high = log_percent(float(last.mean() - first.mean()))
        return low, high
    interval = scipy_stats.ttest_ind(last, first, equal_var=False).confidence_interval(0.95)
    return log_percent(float(interval.low)), log_percent(float(interval.high))
