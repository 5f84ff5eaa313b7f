"""When to look at the blocks, and how much of the risk of error each look may spend.

A gate that keeps looking until chance has its way cries wolf. So the risks of all looks add up to
the promised one (Bonferroni, which holds however the looks depend on each other).
"""

from __future__ import annotations

from collections.abc import Sequence

_STEP = 2
_FIRST_SHARE = 0.5
"""The first look's share of the risk: by then most comparisons are clear, and should end."""


def planned_looks(least_blocks: int, max_blocks: int) -> tuple[int, ...]:
    """Return after how many blocks to look, from ``least_blocks`` on to ``max_blocks``."""
    return (*range(least_blocks, max_blocks, _STEP), max_blocks)


def risk_of_look(look: int, looks: Sequence[int], alpha: float) -> float:
    """Return the part of ``alpha`` that the look after ``look`` blocks may spend, of all ``looks``.

    If blocks were lost, the last look comes after fewer blocks than planned; call it with the
    planned number, so that it spends what it would have.
    """
    if len(looks) == 1:
        return alpha
    if look == looks[0]:
        return alpha * _FIRST_SHARE
    return alpha * (1 - _FIRST_SHARE) / (len(looks) - 1)
