"""The counted runner's own memcpy, memmove and memset do what the C library's do."""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Callable

import pytest

from tests.harness.conftest import SOURCE, need, step

Call = Callable[[int, int, int], int]
"""Address of the target, then of the source or a byte, then a count."""

ROOM = 600
GUARD = 64


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Call]:
    """The three by their names, compiled as the runner has them, but for its processor."""
    need("c++")
    path = tmp_path_factory.mktemp("memory") / "own.so"
    renamed = [f"-D{name}=own_{name}" for name in ("memcpy", "memmove", "memset")]
    flags = ["-std=c++17", "-O2", "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
    flags += ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *renamed]
    step(["c++", *flags, str(SOURCE / "src" / "own_memory.cpp"), "-o", str(path)], SOURCE)
    library = ctypes.CDLL(str(path))

    def function(name: str, second: type) -> Call:
        made = library[f"own_{name}"]
        made.argtypes = [ctypes.c_void_p, second, ctypes.c_size_t]
        made.restype = ctypes.c_void_p
        return made

    pointer = ctypes.c_void_p
    return {
        "memcpy": function("memcpy", pointer),
        "memmove": function("memmove", pointer),
        "memset": function("memset", ctypes.c_int),
    }


def moved(function: Call, to: int, source: int, count: int) -> tuple[bytes, bytes]:
    """Return what a buffer holds after a copy within it, and what it should hold."""
    start = random.Random(count).randbytes(2 * ROOM + 2 * GUARD)
    buffer = ctypes.create_string_buffer(start, len(start))
    base = ctypes.addressof(buffer) + GUARD
    assert function(base + to, base + source, count) == base + to
    wanted = bytearray(start)
    wanted[GUARD + to : GUARD + to + count] = start[GUARD + source : GUARD + source + count]
    return buffer.raw, bytes(wanted)


@pytest.mark.parametrize("name", ["memcpy", "memmove"])
def test_a_copy_is_whole_and_touches_nothing_else(functions: dict[str, Call], name: str) -> None:
    for count in (*range(140), 255, 256, 257, 511, ROOM):
        for to, source in ((0, ROOM), (ROOM, 0), (3, ROOM), (ROOM - count, ROOM)):
            given, wanted = moved(functions[name], to, source, count)
            assert given == wanted, (to, source, count)


def test_a_move_may_overlap_by_any_distance(functions: dict[str, Call]) -> None:
    for count in (1, 7, 8, 15, 16, 17, 31, 63, 64, 65, 127, 128, 200):
        for distance in range(-count - 1, count + 2):
            given, wanted = moved(functions["memmove"], 250 + distance, 250, count)
            assert given == wanted, (distance, count)


def test_a_fill_takes_the_low_byte(functions: dict[str, Call]) -> None:
    for count in (*range(140), 255, 256, 257):
        for value in (0, 1, 0x80, 0xFF, 0x1A5, -1):
            start = os.urandom(ROOM)
            buffer = ctypes.create_string_buffer(start, ROOM)
            base = ctypes.addressof(buffer)
            assert functions["memset"](base + 5, value, count) == base + 5
            wanted = start[:5] + bytes([value & 0xFF]) * count + start[5 + count :]
            assert buffer.raw == wanted, (value, count)
