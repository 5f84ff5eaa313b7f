"""When to look at the blocks, and how much of the risk of error each look may spend.

A gate that keeps looking until chance has its way cries wolf. So the risks of all looks add up to
the promised one (Bonferroni, which holds however the looks depend on each other).
"""

from __future__ import annotations

from asymm_deploy.check.policy import LEAST_BLOCKS

_STEP = 2
_FIRST_SHARE = 0.5
"""The first look's share of the risk: by then most comparisons are clear, and should end."""


def planned_looks(max_blocks: int) -> tuple[int, ...]:
    """Return after how many blocks to look; the last look is after ``max_blocks``."""
    return (*range(LEAST_BLOCKS, max_blocks, _STEP), max_blocks)


def risk_of_look(look: int, max_blocks: int, alpha: float) -> float:
    """Return the part of ``alpha`` that the look after ``look`` blocks may spend.

    If blocks were lost, the last look comes after fewer blocks than planned; call it with
    ``max_blocks``, so that it spends what it would have.
    """
    all_looks = planned_looks(max_blocks)
    if len(all_looks) == 1:
        return alpha
    if look == all_looks[0]:
        return alpha * _FIRST_SHARE
    return alpha * (1 - _FIRST_SHARE) / (len(all_looks) - 1)
