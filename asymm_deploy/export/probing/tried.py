"""Which integers a definition accepts, found by trying them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from asymm_deploy.export.probing.domain import Domain

_STEP_BITS = 4
_MOST_64 = 2**40
"""The largest integer of 64 bits that is tried: 32 bits, as MNN has them, can't hold it."""
_BUDGET_S = 60.0
"""After this no further value is tried: the domain is then what was accepted so far."""


def tried_domain(
    dtype: str,
    accepts: Callable[[int], bool],
    base: int,
    is_count: Callable[[], bool] = lambda: False,
) -> Domain:
    """Return the integers around ``base`` that ``accepts`` accepts; it is known to accept ``base``.

    Tries ever larger values, so that one which sets a size is noticed before it exhausts the
    memory, and then narrows the bound down to the last integer. ``is_count`` tells, once the
    largest is known, whether the integer counts or sizes something: then none below ``base`` is
    tried. Read as 32 bits, such a one may be two billion rounds of a loop.
    """
    limits = np.iinfo(dtype)
    most, least = min(int(limits.max), _MOST_64), max(int(limits.min), -_MOST_64)
    if limits.bits == 32:
        most, least = int(limits.max), int(limits.min)
    deadline = time.monotonic() + _BUDGET_S

    def accepted(value: int) -> bool:
        return time.monotonic() < deadline and accepts(value)

    high = _furthest(base, most, accepted)
    low = base
    if least < 0 and not is_count():
        low = -_furthest(-base, -least, lambda value: accepted(-value))
    if low == base and base > 0 and accepted(0):
        low = 0
    return Domain(low, high, "tried")


def _furthest(start: int, most: int, accepted: Callable[[int], bool]) -> int:
    """Return the largest value from ``start`` to ``most`` that is accepted."""
    reached = start
    for value in _steps(start, most):
        if not accepted(value):
            return _last_accepted(reached, value, accepted)
        reached = value
    return reached


def _steps(start: int, most: int) -> Iterator[int]:
    value = 1
    while value < most:
        if value > start:
            yield value
        value <<= _STEP_BITS
    if most > start:
        yield most


def _last_accepted(good: int, bad: int, accepted: Callable[[int], bool]) -> int:
    while bad - good > 1:
        middle = (good + bad) // 2
        if accepted(middle):
            good = middle
        else:
            bad = middle
    return good
