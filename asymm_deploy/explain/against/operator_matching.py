"""Which operator of one version is which of the other: by name, then by order and type; pure.

An operator that has the same name and type in both versions is the same. Between two of those,
what is left is aligned in its order: an operator may be another one's only if it has its type. So
an exporter that numbers operators anew makes no operator appear or vanish.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

_UNMATCHED = 0.75
"""What an operator without a counterpart costs an alignment; two cost more than any pair."""
_OTHER_MODULE = 0.1
"""What a pair of two modules costs, beside the difference of their sizes, which is at most 1."""


class NamedOperator(Protocol):
    """What tells operators apart."""

    @property
    def name(self) -> str:
        """As in the MNN file."""
        ...

    @property
    def type(self) -> str:
        """MNN's."""
        ...

    @property
    def module(self) -> str | None:
        """Path of the torch module it came from; None where that is unknown."""
        ...


Operator = TypeVar("Operator", bound=NamedOperator)
Size: TypeAlias = Callable[[Operator], float]
"""How much an operator is: of several, the one of the same size is the same."""


@dataclass(frozen=True, slots=True)
class OperatorMatch(Generic[Operator]):
    """One operator in both versions; None: that version doesn't have it."""

    baseline: Operator | None
    candidate: Operator | None


def matched_operators(
    baseline: Sequence[Operator], candidate: Sequence[Operator], size: Size[Operator]
) -> list[OperatorMatch[Operator]]:
    """Return every operator of both versions exactly once, in the candidate's order.

    Sizes are not negative. Those that vanished stand where they were in the baseline, before what
    follows them.
    """
    theirs = {key: place for place, key in enumerate(_keys(candidate))}
    named = [(place, theirs[key]) for place, key in enumerate(_keys(baseline)) if key in theirs]
    partner = {new: old for old, new in named}
    taken = set(partner.values())
    found: dict[int, OperatorMatch[Operator]] = {}
    vanished: dict[int, list[OperatorMatch[Operator]]] = {}
    ends = [*_in_order(named), (len(baseline), len(candidate))]
    last = (-1, -1)
    for end in ends:
        old = [place for place in range(last[0] + 1, end[0]) if place not in taken]
        new = [place for place in range(last[1] + 1, end[1]) if place not in partner]
        before = last[1] + 1
        for one, other in _aligned(baseline, candidate, old, new, size):
            if other is None:
                assert one is not None
                vanished.setdefault(before, []).append(OperatorMatch(baseline[one], None))
                continue
            before = other + 1
            found[other] = OperatorMatch(None if one is None else baseline[one], candidate[other])
        last = end
    for new_place, old_place in partner.items():
        found[new_place] = OperatorMatch(baseline[old_place], candidate[new_place])
    matches = []
    for place in range(len(candidate) + 1):
        matches += vanished.get(place, [])
        matches += [found[place]] if place in found else []
    return matches


def _keys(operators: Sequence[NamedOperator]) -> list[tuple[str, str, int]]:
    """Return name, type and how often that occurred before, which no two operators share."""
    seen: Counter[tuple[str, str]] = Counter()
    keys = []
    for operator in operators:
        named = (operator.name, operator.type)
        keys.append((*named, seen[named]))
        seen[named] += 1
    return keys


def _in_order(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return as many of ``pairs`` as stand in the same order on both sides.

    ``pairs`` ascend in their first place: this is the longest rising subsequence of the second.
    """
    tails: list[int] = []
    ends: list[int] = []
    previous: list[int | None] = []
    for index, (_, place) in enumerate(pairs):
        length = bisect_left(tails, place)
        previous.append(ends[length - 1] if length else None)
        tails[length : length + 1] = [place]
        ends[length : length + 1] = [index]
    chain: list[tuple[int, int]] = []
    at = ends[-1] if ends else None
    while at is not None:
        chain.append(pairs[at])
        at = previous[at]
    return chain[::-1]


def _aligned(
    baseline: Sequence[Operator],
    candidate: Sequence[Operator],
    old: Sequence[int],
    new: Sequence[int],
    size: Size[Operator],
) -> list[tuple[int | None, int | None]]:
    """Return the places ``old`` and ``new`` in pairs of equal type, in order, at the least cost."""
    costs = [[_UNMATCHED * column for column in range(len(new) + 1)]]
    for row, one in enumerate(old, 1):
        above, line = costs[-1], [_UNMATCHED * row]
        for column, other in enumerate(new, 1):
            cost = _UNMATCHED + min(above[column], line[-1])
            if baseline[one].type == candidate[other].type:
                pair = _distance(baseline[one], candidate[other], size)
                cost = min(cost, above[column - 1] + pair)
            line.append(cost)
        costs.append(line)
    pairs: list[tuple[int | None, int | None]] = []
    row, column = len(old), len(new)
    while row or column:
        cost = costs[row][column]
        if row and column and baseline[old[row - 1]].type == candidate[new[column - 1]].type:
            pair = _distance(baseline[old[row - 1]], candidate[new[column - 1]], size)
            if cost == costs[row - 1][column - 1] + pair:
                row, column = row - 1, column - 1
                pairs.append((old[row], new[column]))
                continue
        if column and cost == _UNMATCHED + costs[row][column - 1]:
            column -= 1
            pairs.append((None, new[column]))
        else:
            row -= 1
            pairs.append((old[row], None))
    return pairs[::-1]


def _distance(one: Operator, other: Operator, size: Size[Operator]) -> float:
    """Return how unlike two operators of one type are: 0 if they are as large in one module."""
    few, many = sorted((size(one), size(other)))
    moved = one.module is not None and other.module is not None and one.module != other.module
    return (1 - few / many if many else 0.0) + _OTHER_MODULE * moved
