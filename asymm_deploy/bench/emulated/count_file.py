"""The file that the plugin writes: what was counted at each mark of the runner.

    asymm-count 1 caches=on
    0 1268584494 53666403 204636924 99020510 18338472 48000359 844921826 931928178 264207802 1 1 1
    1 1362150481 ...
    end

A line is the kind of the mark, all instructions, the six classes, bytes loaded and stored, and the
misses of three caches, each since the start of the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from asymm_deploy.bench.emulated.counts import Counts
from asymm_deploy.safe import excerpt

_HEADS = {b"asymm-count 1 caches=on": True, b"asymm-count 1 caches=off": False}
_RUN_STARTS, _RUN_ENDS, _OPERATOR_STARTS, _OPERATOR_ENDS = range(4)
_FIELDS = (
    *("insn", "fma", "vector", "load", "store", "branch", "integer"),
    *("load_bytes", "store_bytes", "l1_misses", "l2_misses", "l3_misses"),
)
_MISSES = 3
_LONGEST_NUMBER = 20
"""Digits of 2**64."""


class CountFileError(Exception):
    """The file holds no counts; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class CountedRuns:
    """What lay between the marks."""

    runs: tuple[Counts, ...]
    operators: tuple[Counts, ...]
    """Of one run after those, in its order."""


def parse_counts(content: bytes) -> CountedRuns:
    """Return what a program did between its marks; raise CountFileError for anything else."""
    lines = content.split(b"\n")
    has_caches = _HEADS.get(lines[0])
    if has_caches is None:
        raise CountFileError(f"it does not begin as one: {excerpt(lines[0])}")
    if lines[-2:] != [b"end", b""]:
        raise CountFileError("it was cut short: it has no end")
    marks = [_mark(line) for line in lines[1:-2]]
    intervals = list(_intervals(marks))
    runs = [_counts(values, has_caches) for kind, values in intervals if kind == _RUN_STARTS]
    rest = [_counts(values, has_caches) for kind, values in intervals if kind == _OPERATOR_STARTS]
    return CountedRuns(tuple(runs), tuple(rest))


def _mark(line: bytes) -> tuple[int, list[int]]:
    words = line.split(b" ")
    if len(words) != len(_FIELDS) + 1 or not all(
        word.isdigit() and len(word) <= _LONGEST_NUMBER for word in words
    ):
        raise CountFileError(f"it has a line that is none of its own: {excerpt(line)}")
    kind, *values = map(int, words)
    return kind, values


def _intervals(marks: Sequence[tuple[int, list[int]]]) -> Iterator[tuple[int, list[int]]]:
    """Yield the kind of each start, with what was counted from there to the next mark, its end."""
    if len(marks) % 2:
        raise CountFileError("its last mark has no end")
    for (start, before), (end, after) in zip(marks[::2], marks[1::2], strict=True):
        if (start, end) not in ((_RUN_STARTS, _RUN_ENDS), (_OPERATOR_STARTS, _OPERATOR_ENDS)):
            raise CountFileError(f"a mark of kind {end} follows one of kind {start}")
        counted = [last - first for first, last in zip(before, after, strict=True)]
        if min(counted) < 0:
            raise CountFileError("it counts backwards")
        if sum(counted[1:7]) != counted[0]:
            raise CountFileError("its classes don't add up to all instructions")
        yield start, counted


def _counts(values: Sequence[int], has_caches: bool) -> Counts:
    known = dict(zip(_FIELDS, values, strict=True))
    if not has_caches:
        for name in _FIELDS[-_MISSES:]:
            del known[name]
    return msgspec.convert(known, Counts)
