"""Values in the order of commits as a small picture of letters, for terminals. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_ROWS = 8
_MOST_COLUMNS = 72
_POINT, _CHANGED, _ACCEPTED, _LEVEL = "o", "^", "a", "-"


@dataclass(frozen=True, slots=True)
class PlottedCommit:
    """What is drawn of a commit."""

    value: float | None
    level: float | None
    changed: bool
    accepted: bool


def text_plot(commits: Sequence[PlottedCommit], labels: Sequence[str]) -> list[str]:
    """Return the lines of a picture of the last commits, a column for each.

    ``labels`` name the highest and the lowest value, in this order. No lines if there is nothing
    to see: fewer than two values.
    """
    shown = commits[-_MOST_COLUMNS:]
    lowest, highest = limits_of(shown)
    if sum(each.value is not None for each in shown) < 2:
        return []
    margin = max(map(len, labels))
    grid = [[" "] * len(shown) for _ in range(_ROWS)]
    for column, each in enumerate(shown):
        for value, sign in ((each.level, _LEVEL), (each.value, _POINT)):
            if value is not None:
                grid[_row(value, lowest, highest)][column] = sign
    named = {0: labels[0], _ROWS - 1: labels[1]} if highest > lowest else {_ROWS // 2: labels[0]}
    lines = [f"{named.get(row, ''):>{margin}} |{''.join(cells)}" for row, cells in enumerate(grid)]
    marks = "".join(
        _ACCEPTED if each.accepted else _CHANGED if each.changed else " " for each in shown
    )
    lines.append(f"{'':>{margin}} +{'-' * len(shown)}")
    if marks.strip():
        lines.append(f"{'':>{margin}}  {marks.rstrip()}")
    return lines


def limits_of(commits: Sequence[PlottedCommit]) -> tuple[float, float]:
    """Return the lowest and the highest value among the commits that are drawn; 0 without any."""
    values = [each.value for each in commits[-_MOST_COLUMNS:] if each.value is not None]
    return (min(values), max(values)) if values else (0.0, 0.0)


def _row(value: float, lowest: float, highest: float) -> int:
    """Return the row of a value; the first is the highest."""
    if highest <= lowest:
        return _ROWS // 2
    share = (value - lowest) / (highest - lowest)
    return min(_ROWS - 1, max(0, math.floor((1 - share) * (_ROWS - 1) + 0.5)))
