"""Differences of logs, one from each launch or block -> their mean and its interval; pure.

The interval is Student's: (mean - t * sd / sqrt(n), mean + t * sd / sqrt(n)). With so few values
scipy's bootstraps promise too much: over 8 normal differences with mean 0, an interval that should
lie wholly above 0 once in 200 times does so once in 35 (percentile and BCa). With heavy tails
(Student's t with 2 degrees of freedom) BCa's does so once in 20, and ours never more often than
promised. benchmarks/gate/intervals.py measures this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LARGEST_LOG = 700.0
"""Beyond this exp overflows."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean difference of logs and the interval around it."""

    estimate: float
    low: float
    high: float

    @property
    def percent(self) -> tuple[float, float, float]:
        """Estimate, low and high as changes in percent."""
        return _percent(self.estimate), _percent(self.low), _percent(self.high)


def interval(differences: Sequence[float], risk: float) -> Interval:
    """Return the mean and its interval, which misses the truth on either side with ``risk``."""
    from scipy.special import stdtrit

    mean, error = mean_and_error(differences)
    reach = float(stdtrit(len(differences) - 1, 1 - risk)) * error
    return Interval(mean, mean - reach, mean + reach)


def mean_and_error(differences: Sequence[float]) -> tuple[float, float]:
    """Return the mean of two differences or more, and its standard error."""
    values = np.asarray(differences, dtype=np.float64)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def _percent(log: float) -> float:
    # Few blocks that differ wildly put an end of the interval beyond any number.
    return 100 * math.expm1(log) if log < _LARGEST_LOG else math.inf
