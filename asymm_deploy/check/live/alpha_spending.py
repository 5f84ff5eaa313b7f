"""When to look at the blocks, and how much of the risk of error each look may spend.

Looking again and again until chance has its way is what makes gates cry wolf. The risks of all
looks together are no more than the promised one, whatever depends on what (Bonferroni).
"""

from __future__ import annotations

from asymm_deploy.check.policy import LEAST_BLOCKS

_STEP = 2
_FIRST_SHARE = 0.5
"""Of the risk, for the first look: most comparisons are clear then, and should end."""


def looks(max_blocks: int) -> tuple[int, ...]:
    """Return after how many blocks to look; the last is ``max_blocks``."""
    return (*range(LEAST_BLOCKS, max_blocks, _STEP), max_blocks)


def risk(look: int, max_blocks: int, alpha: float) -> float:
    """Return the part of ``alpha`` that the look after ``look`` blocks may spend.

    Where blocks were lost, the last look comes earlier than planned and spends what it would have.
    """
    all_looks = looks(max_blocks)
    if len(all_looks) == 1:
        return alpha
    if look == all_looks[0]:
        return alpha * _FIRST_SHARE
    return alpha * (1 - _FIRST_SHARE) / (len(all_looks) - 1)
