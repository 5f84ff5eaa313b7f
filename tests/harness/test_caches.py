"""The emulator's plugin models caches that forget the line used longest ago."""

from __future__ import annotations

import ctypes
import random
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import pytest

Access = tuple[int, int]
"""Address and bytes."""

LINE = 64
LEVELS = ((64 << 10, 4), (512 << 10, 8), (2 << 20, 16))
"""Bytes and ways."""


class Level:
    """A cache as a textbook has it: each set knows the order in which its lines were used."""

    def __init__(self, size: int, ways: int) -> None:
        self._ways = ways
        self._sets: list[OrderedDict[int, None]] = [
            OrderedDict() for _ in range(size // LINE // ways)
        ]

    def hit(self, line: int) -> bool:
        lines = self._sets[line % len(self._sets)]
        known = line in lines
        lines[line] = None
        lines.move_to_end(line)
        if len(lines) > self._ways:
            lines.popitem(last=False)
        return known


def expected(accesses: Sequence[Access]) -> list[int]:
    levels = [Level(*each) for each in LEVELS]
    misses = [0, 0, 0]
    for address, size in accesses:
        for line in range(address // LINE, (address + size - 1) // LINE + 1):
            for at, level in enumerate(levels):
                if level.hit(line):
                    break
                misses[at] += 1
    return misses


def given(shared_object: ctypes.CDLL, accesses: Sequence[Access]) -> list[int]:
    assert shared_object.caches_init() == 0
    access = shared_object.caches_access
    access.argtypes = [ctypes.c_uint64, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint64)]
    access.restype = None
    misses = (ctypes.c_uint64 * 3)()
    for address, size in accesses:
        access(address, size, misses)
    return list(misses)


def drawn(seed: int, span: int, count: int) -> Iterator[Access]:
    """Yield accesses within ``span`` bytes, half of them near the one before."""
    random_ = random.Random(seed)
    address = 0
    for _ in range(count):
        address = random_.randrange(span) if random_.random() < 0.5 else address + LINE
        yield 0x5500_0000_0000 + address, random_.choice((1, 2, 4, 8, 16, 32))


@pytest.mark.parametrize("span", [1 << 10, 100 << 10, 600 << 10, 3 << 20, 1 << 40])
def test_misses_are_those_of_a_textbook(shared_object: ctypes.CDLL, span: int) -> None:
    accesses = list(drawn(span, span, 30_000))
    assert given(shared_object, accesses) == expected(accesses)


def test_one_set_forgets_the_line_used_longest_ago(shared_object: ctypes.CDLL) -> None:
    apart = LEVELS[0][0] // LEVELS[0][1]
    accesses = [(apart * at, 4) for at in (0, 1, 2, 3, 0, 4, 0, 1)]
    # Lines 0 to 4 come, 1 is forgotten for 4 and comes back from the second level.
    assert given(shared_object, accesses) == [6, 5, 5] == expected(accesses)


@pytest.mark.parametrize(
    ("address", "size", "lines"), [(60, 4, 1), (61, 4, 2), (63, 1, 1), (0, 64, 1)]
)
def test_an_access_touches_each_line_it_lies_in(
    shared_object: ctypes.CDLL, address: int, size: int, lines: int
) -> None:
    assert given(shared_object, [(address, size)]) == [lines] * 3


def test_the_last_line_of_all_is_one_as_others(shared_object: ctypes.CDLL) -> None:
    top = (1 << 64) - 16
    assert given(shared_object, [(top, 16), (top, 16), (0, 1)]) == [2, 2, 2]
