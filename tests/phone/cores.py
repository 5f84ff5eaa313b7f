"""Which of this machine's cores stand for a phone's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

PRIME = 7


def real_cores() -> list[int]:
    """Return the cores that may be used; the phone's core N is the one at N modulo their number."""
    return sorted(os.sched_getaffinity(0))


def leave_prime(cores: list[int]) -> None:
    """Keep this thread, and what it starts, off the core that stands for the phone's prime core."""
    rest = set(cores) - {cores[PRIME % len(cores)]}
    if rest:
        os.sched_setaffinity(0, rest)


@contextmanager
def off_prime() -> Iterator[None]:
    """Keep off it within a block."""
    before = real_cores()
    leave_prime(before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
