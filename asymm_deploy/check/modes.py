"""Two speeds among the launches, and how much of a difference between two arms they explain.

If both arms fall into the slower group equally often, their difference is less certain and its
interval wider, but not wrong. If one arm falls into it more often, that moves the difference by the
gap between the groups: then the groups are compared, and not the models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.judge.bimodal import best_cut, is_bimodal

MANY_LAUNCHES = 16
"""What an arm has at the first look of a live comparison."""
FEW_LAUNCHES = 10
"""What a bench makes, in recorded results."""
SEPARATION_OF_MANY = 7.0
"""In standard deviations within a group; ``bimodal`` has many more samples, and asks for less.

Of 1500 simulated arms of 16 launches, 1 in 1000 reaches 7 by chance if launches are normal or only
ever slower (an exponential distribution), and 1 in 100 if blocks differ from each other by 5 % and
launches within them by 1 %; of 24 launches at most 1 in 1000 in each case. With two real groups
10 % apart, each spreading by 1 %, 95 in 100 arms of 16 reach it.
"""
_SEPARATION_OF_FEW = 10.0
"""With 10 launches, by chance: none of 600 normal arms, and 1 in 60 that are only ever slower."""


def has_two_modes(medians: Sequence[float], *, least_launches: int = MANY_LAUNCHES) -> bool:
    """Tell whether the medians of an arm's launches are two groups, 5 % apart or more.

    Fewer than 16 launches have to be further apart; fewer than ``least_launches`` can't tell.
    """
    return is_bimodal(
        medians,
        least_samples=least_launches,
        separation=_SEPARATION_OF_FEW if len(medians) < MANY_LAUNCHES else SEPARATION_OF_MANY,
        deviation=_deviation,
    )


@dataclass(frozen=True, slots=True)
class _Groups:
    """An arm's two groups."""

    slow_share: float
    gap: float
    """Between the groups' medians, as a difference of logs."""


def shift_by_modes(baseline: Sequence[float], candidate: Sequence[float]) -> float | None:
    """Return what the arms' groups contribute to the difference of their mean logs.

    That is the gap, times how much more often the candidate is in the slower group. If only one arm
    has two groups, the other is cut half a gap above its median. None if neither has two.
    """
    both = _groups(baseline), _groups(candidate)
    gaps = [groups.gap for groups in both if groups is not None]
    if not gaps:
        return None
    gap = max(gaps)
    before, after = (
        _share_above(medians, gap / 2) if groups is None else groups.slow_share
        for groups, medians in zip(both, (baseline, candidate), strict=True)
    )
    return (after - before) * gap


def _groups(medians: Sequence[float]) -> _Groups | None:
    if not has_two_modes(medians):
        return None
    logs = np.log(np.sort(np.asarray(medians, dtype=np.float64)))
    fast, slow = np.split(logs, [best_cut(np.exp(logs))])
    return _Groups(len(slow) / len(logs), float(np.median(slow) - np.median(fast)))


def _share_above(medians: Sequence[float], above: float) -> float:
    logs = np.log(np.asarray(medians, dtype=np.float64))
    return float(np.mean(logs > np.median(logs) + above))


def _deviation(group: npt.NDArray[np.float64]) -> float:
    """Return the standard deviation: quartiles of three or four launches say too little."""
    return float(group.std(ddof=1))
