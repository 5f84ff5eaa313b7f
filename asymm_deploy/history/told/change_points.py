"""Points in time -> where new levels begin: change points, each confirmed by permutations.

This is E-divisive (Matteson and James 2014) with optimal partitioning in place of its greedy
search: PELT (Killick et al. 2012) splits the points into levels, with a penalty that proposes too
many rather than too few. Then the boundary that stands out least from the points around it is
dropped, until a permutation test confirms each one that is left.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Signal: TypeAlias = npt.NDArray[np.float64]
_LEAST_LEVEL = 3
"""Points in a level: one slow commit that the next one mends is no change."""
_RESAMPLES = 9_999


def boundaries(values: Signal, significance: float) -> list[int]:
    """Return where new levels begin in ``values``, logarithms of latencies; none for one level.

    Each is confirmed: among random orders of the points around it, a share of less than
    ``significance`` has two levels as far apart anywhere. The same holds for all points together,
    so that noise alone is split no more often than that.
    """
    if len(values) < least_points(significance):
        return []
    noise = _noise(values)
    if noise == 0.0:
        return []
    import ruptures

    search = ruptures.Pelt(model="l2", min_size=_LEAST_LEVEL, jump=1).fit(values)
    found = search.predict(pen=noise**2 * np.log(len(values)))[:-1]
    if not found or _p_value(values, significance) >= significance:
        return []  # among many boundaries one may look certain: in 4 of 100 histories of 100 points
    while found:
        edges = [0, *found, len(values)]
        doubts = [
            _p_value(values[edges[i] : edges[i + 2]], significance) for i in range(len(found))
        ]
        weakest = int(np.argmax(doubts))
        if doubts[weakest] < significance:
            break
        del found[weakest]
    return [int(start) for start in found]


def least_points(significance: float) -> int:
    """Return how many points it takes to confirm a step, however large it is; 10 or more.

    Of the 252 ways to halve 10 points, 2 have halves as far apart as a step in the middle.
    """
    count = 2 * _LEAST_LEVEL
    while _least_p(count, count // 2) >= significance:
        count += 1
    return count


def _least_p(count: int, last: int) -> float:
    """Return the share of random orders that keep the ``last`` of ``count`` points together.

    There they are as far from the others as in the order given: no step is more certain than that.
    """
    return 2 / math.comb(count, last)


def blind(count: int, significance: float) -> int:
    """Return how many points at the end of a level of ``count`` may be a new level, unseen."""
    for last in range(_LEAST_LEVEL, count // 2 + 1):
        if _least_p(count, last) < significance:
            return last - 1
    return count - 1


def _noise(values: Signal) -> float:
    """Return the standard deviation from one point to the next, which steps hardly move.

    If few values occur, half of all differences may be 0: then it is that of all points.
    """
    from scipy import stats as scipy_stats

    steps = np.diff(values)
    robust = float(scipy_stats.median_abs_deviation(steps, scale="normal")) / np.sqrt(2)
    return robust or float(values.std())


def _p_value(values: Signal, significance: float) -> float:
    """Return how often a random order of ``values`` has two levels as far apart as they have."""
    from scipy import stats as scipy_stats

    if len(values) < least_points(significance):
        return 1.0
    resamples = max(_RESAMPLES, int(np.ceil(10 / significance)))
    found = scipy_stats.permutation_test(
        (values,),
        _largest_step,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=resamples,
        vectorized=True,
        batch=1000,
        rng=np.random.default_rng(0),  # the same files give the same verdict
    )
    return float(found.pvalue)


def _largest_step(values: Signal, axis: int = -1) -> Signal:
    """Return the largest difference of two neighbouring levels, over all places between them.

    It is scaled by the levels' lengths, so that all places are alike if there is only noise.
    """
    moved = np.moveaxis(values, axis, -1)
    count = moved.shape[-1]
    before = np.arange(_LEAST_LEVEL, count - _LEAST_LEVEL + 1)
    sums = np.cumsum(moved - moved.mean(axis=-1, keepdims=True), axis=-1)[..., before - 1]
    scaled: Signal = np.abs(sums) / np.sqrt(before * (count - before) / count)
    largest: Signal = scaled.max(axis=-1)
    return largest
