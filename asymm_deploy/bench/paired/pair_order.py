"""Which of two models is loaded first and which runs first: drawn, and balanced over launches."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PairOrder:
    """Which of two sides comes first, by index."""

    loads: int
    runs: int
    """In each pair."""


_HALVES = ((PairOrder(0, 0), PairOrder(1, 1)), (PairOrder(1, 0), PairOrder(0, 1)))


def drawn_order(about: str, number: int) -> PairOrder:
    """Return the order of a launch: the same one for the same text and number.

    Of launches 0 to 3, 4 to 7 and so on each has another combination, and the first two of them
    have nothing in common. So as many of each come first, in either sense, after every second one.
    """
    draw = random.Random(f"{about} {number // 4} paired")  # noqa: S311  no secret
    drawn = [each for half in draw.sample(_HALVES, 2) for each in draw.sample(half, 2)]
    return drawn[number % 4]
