"""Finds launches that are copies of others: whole, scaled, moved, in another order, or in part.

What may be the same by chance depends on the clock. So the chance that two runs show the same time
is estimated from the samples themselves: few runs, or runs on a coarse clock, may well agree.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNLIKELY = 1e-5
"""A coincidence among all launches that is rarer than this is none."""
_FEWEST_TO_FIT = 5
"""Runs. Two are always a line, and three may well be."""
_MOST_SAMPLES = 10_000
"""Of a launch; more would take minutes."""
_ROWS_AT_ONCE = 256
"""Launches that are held against all others at a time; it bounds the memory."""
_FLOAT_ERROR = 1e-9
"""Of sums of squares, relative, with a wide margin."""

_Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CopiedPair:
    """Two launches, by their indices, of which one is the other, with changes or without."""

    one: int
    other: int
    """The later one."""
    how: str
    """What they have in common, in words."""


def first_copy(launches: Sequence[Sequence[int]], since: int = 0) -> CopiedPair | None:
    """Return two of these launches, each its samples in ns, that look like one and its copy.

    That is the same samples in any order, or what ``first_near_copy`` finds. Of pairs that were
    there before, the first ``since`` launches, none is looked for.
    """
    for in_order in (True, False):
        by_samples: dict[tuple[int, ...], list[int]] = {}
        for index, samples in enumerate(launches):
            key = tuple(samples if in_order else sorted(samples))
            by_samples.setdefault(key, []).append(index)
        twice = {key: same for key, same in by_samples.items() if len(same) > 1 and len(key) > 1}
        tie = chance_of_a_tie(np.concatenate(launches)) if twice else 1.0
        for key, same in twice.items():
            ties = max(tie, own_ties(key))
            if same[-1] >= since and is_no_coincidence(
                len(key), len(same), len(launches), ties, in_order=in_order
            ):
                but = "" if in_order else ", in another order"
                return CopiedPair(same[0], same[-1], f"have the same {len(key)} samples{but}")
    return first_near_copy(launches, since)


def is_no_coincidence(
    runs: int, copies: int, launches: int, tie: float, *, in_order: bool = True
) -> bool:
    """Whether so many ``copies`` among the ``launches``, with the same samples, can't be chance.

    ``tie`` is the chance that two runs show the same time. Without ``in_order`` the samples only
    have to be the same in some order.
    """
    orders = 0.0 if in_order else math.lgamma(runs + 1)
    chance = (copies - 1) * (orders + runs * math.log(tie))
    return math.log(math.comb(launches, copies)) + chance < math.log(UNLIKELY)


def first_near_copy(
    launches: Sequence[Sequence[int]], since: int = 0, *, of_one_model: bool = True
) -> CopiedPair | None:
    """Return two of these launches, each its samples in ns, that look like one and its copy.

    They have many of their samples in the same places, or all of them multiplied, moved by a
    constant or in another order. Launches with other numbers of samples are not compared, and the
    first ``since`` not with each other. Those of several models have no such places: how often two
    runs of a fast one show the same time, the others would hide.
    """
    of_length: dict[int, list[int]] = {}
    for index, samples in enumerate(launches):
        of_length.setdefault(len(samples), []).append(index)
    for length, same in of_length.items():
        if length < _FEWEST_TO_FIT or len(same) < 2:
            continue
        found = _first_of_equal_length(
            np.array([launches[index][:_MOST_SAMPLES] for index in same], dtype=np.int64),
            bisect_left(same, since),
            of_one_model=of_one_model,
        )
        if found is not None:
            return CopiedPair(same[found.one], same[found.other], found.how)
    return None


def chance_of_a_tie(pool: npt.NDArray[np.int64]) -> float:
    """Return the chance that two runs show the same time; never 0, as samples are not endless."""
    counts = np.unique(pool, return_counts=True)[1].astype(np.float64)
    pairs = pool.size * (pool.size - 1) / 2
    return float(((counts * (counts - 1) / 2).sum() + 1) / (pairs + 1))


def own_ties(samples: Sequence[int]) -> float:
    """Return the share of a launch's pairs of runs that are equal: 1 without any variance."""
    counts = np.unique(np.asarray(samples, dtype=np.int64), return_counts=True)[1]
    pairs = len(samples) * (len(samples) - 1) / 2
    return float((counts * (counts - 1.0) / 2).sum() / pairs) if pairs else 0.0


def _first_of_equal_length(
    samples: npt.NDArray[np.int64], since: int, *, of_one_model: bool
) -> CopiedPair | None:
    count = len(samples)
    limit = math.log(UNLIKELY) - math.log(count * (count - 1) / 2)
    shape = _SameShape(samples, limit)
    searches = (_SamePlaces(samples, limit), shape) if of_one_model else (shape,)
    for start in range(since, count, _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, count))
        found = [pair for search in searches for pair in search.pairs_of(rows)]
        if found:
            return min(found, key=lambda pair: (pair.other, pair.one))
    return None


class _SamePlaces:
    """Launches that share so many samples, run by run, that it is no coincidence."""

    def __init__(self, samples: npt.NDArray[np.int64], limit: float) -> None:
        from scipy.sparse import csr_array

        count, length = samples.shape
        tie = chance_of_a_tie(samples)
        ties = np.maximum(tie, [own_ties(launch) for launch in samples])
        # The bound of the binomial's tail: so many of all runs can't be equal by chance.
        with np.errstate(divide="ignore"):
            needed = (limit - length * math.log(2)) / np.log(ties)
        self._least = np.where(ties < 1, np.maximum(2, needed), np.inf)
        self._length = length
        # A column for each time that occurs twice in one place: their product is what they share.
        places = (samples * length + np.arange(length)).ravel()
        _, column, often = np.unique(places, return_inverse=True, return_counts=True)
        column = column.ravel()
        kept = often[column] > 1
        row = np.repeat(np.arange(count), length)[kept]
        self._shared = csr_array(
            (np.ones(len(row), np.int32), (row, column[kept])), shape=(count, len(often))
        )

    def pairs_of(self, rows: slice) -> Iterator[CopiedPair]:
        """Yield the pairs of an earlier launch and one of ``rows``."""
        shared = (self._shared[rows] @ self._shared.T).tocoo()
        others, ones = shared.row + rows.start, shared.col
        telling = (ones < others) & (shared.data >= self._least[others])
        for one, other, equal in zip(
            ones[telling], others[telling], shared.data[telling], strict=True
        ):
            yield CopiedPair(int(one), int(other), f"share {equal} of {self._length} samples")


class _SameShape:
    """Launches that are others times a factor plus a constant, in any order, rounded to ns.

    Sorted samples are some steps apart from each other. Those of another process would have to fall
    on the right tick of the clock within each step.
    """

    def __init__(self, samples: npt.NDArray[np.int64], limit: float) -> None:
        ordered = np.sort(samples, axis=1).astype(np.float64)
        self._rest: _Samples = ordered - ordered.mean(axis=1, keepdims=True)
        self._squares: _Samples = (self._rest**2).sum(axis=1)
        self._step: _Samples = np.maximum(1.0, np.median(np.diff(ordered, axis=1), axis=1))
        self._tick = float(np.diff(np.unique(samples)).min(initial=np.iinfo(np.int64).max))
        self._limit = limit

    def pairs_of(self, rows: slice) -> Iterator[CopiedPair]:
        """Yield the pairs of an earlier launch and one of ``rows``."""
        length = self._rest.shape[1]
        products = self._rest[rows] @ self._rest.T
        factor = products / np.maximum(1.0, self._squares[rows, None])
        rounding = np.maximum(1.0, factor)
        chance = np.minimum(1.0, (2 * rounding + self._tick) / self._step)
        # Where the sum of squares is too large, one of them is: few pairs are left to look at.
        off = self._squares - 2 * factor * products + factor**2 * self._squares[rows, None]
        near = off <= length * rounding**2 + _FLOAT_ERROR * self._squares
        near &= (length - 2) * np.log(chance) < self._limit
        near &= np.arange(len(self._rest)) < np.arange(rows.start, rows.stop)[:, None]
        for index, one in np.argwhere(near):
            moved = self._rest[one] - factor[index, one] * self._rest[rows.start + index]
            if np.abs(moved).max() <= rounding[index, one]:
                how = "have the same samples, but for a factor, a constant or their order"
                yield CopiedPair(int(one), rows.start + int(index), how)
