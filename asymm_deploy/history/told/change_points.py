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
_AT_ONCE = 1_000
_ROUNDING = 1e-12
"""Two orders whose levels are so nearly as far apart are equally far: sums round differently."""


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
    if _p_value(values, significance, exactly=False) >= significance:
        return []  # among many boundaries one may look certain: in 4 of 100 histories of 100 points
    import ruptures

    # PELT in C: of 300 points it takes a four-hundredth of the time of ruptures.Pelt.
    search = ruptures.KernelCPD(kernel="linear", min_size=_LEAST_LEVEL, jump=1)
    around = (values - values.mean()).reshape(-1, 1)
    edges = [0, *search.fit(around).predict(pen=noise**2 * np.log(len(values)))]
    known: dict[tuple[int, int], float] = {}
    while len(edges) > 2:
        around_each = [(edges[i], edges[i + 2]) for i in range(len(edges) - 2)]
        known |= {
            span: _p_value(values[slice(*span)], significance)
            for span in around_each
            if span not in known
        }
        doubts = [known[span] for span in around_each]
        weakest = int(np.argmax(doubts))
        if doubts[weakest] < significance:
            break
        del edges[weakest + 1]
    return [int(start) for start in edges[1:-1]]


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


def _p_value(values: Signal, significance: float, *, exactly: bool = True) -> float:
    """Return how often a random order of ``values`` has two levels as far apart as they have.

    Unless ``exactly``, it may be too small as soon as it can't be below ``significance`` any more.
    """
    if len(values) < least_points(significance):
        return 1.0
    resamples = max(_RESAMPLES, int(np.ceil(10 / significance)))
    rng = np.random.default_rng(0)  # the same files give the same verdict
    around = values - values.mean()
    least = _largest_step(around) * (1 - _ROUNDING)
    as_far = 1  # the order given is one of them
    for done in range(0, resamples, _AT_ONCE):
        orders = np.tile(around, (min(_AT_ONCE, resamples - done), 1))
        as_far += int(np.sum(_largest_step(rng.permuted(orders, axis=1, out=orders)) >= least))
        if not exactly and as_far >= significance * (resamples + 1):
            break
    return as_far / (resamples + 1)


def _largest_step(around: Signal) -> Signal:
    """Return the largest difference of two neighbouring levels, over all places between them.

    The values are told as differences from their mean. The steps are scaled by the levels' lengths,
    so that all places are alike if there is only noise.
    """
    count = around.shape[-1]
    before = np.arange(_LEAST_LEVEL, count - _LEAST_LEVEL + 1)
    sums = np.cumsum(around, axis=-1)[..., before[0] - 1 : before[-1]]
    scaled: Signal = np.abs(sums) / np.sqrt(before * (count - before) / count)
    largest: Signal = scaled.max(axis=-1)
    return largest
