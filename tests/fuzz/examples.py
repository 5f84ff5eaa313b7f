"""What a parser is tried with: bytes of any kind, and whole samples that were damaged.

A damaged sample differs in a few places only, so that it gets past the first checks. Every draw is
hypothesis's own: a finding is made small and can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

_MOST_CHANGES = 4
_LONGEST = 2**21
"""Bytes of an example: several times what deep nesting needs."""
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_TEXT = re.compile(rb'"[^"\n]*"')
_OPEN = re.compile(rb"\{")
_LINE = re.compile(rb"^[^\n]*$", re.MULTILINE)
_FIELDS = (
    *(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b",", b'{"x":"\\ud800",', b'{"x":1e999,'),
    *(b'{"x":\xff,', b'{"":null,', b'{"x":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b","),
)
"""What an object may begin with: a field that no reader knows."""
_OPTIONS = (b"-h", b"--help", b"--version", b"--", b"-", b"--x=1", b"@file", b"")

_NUMBERS = (
    *(b"0", b"-1", b"1", b"-0.0", b"0.1", b"1e308", b"1e400", b"-1e400", b"1e-400", b"nan", b"inf"),
    *(b"NaN", b"Infinity", b"null", b"true", b'"1"', b"[]", b"{}"),
    *(str(sign * 2**power + off).encode() for sign in (1, -1) for power in (31, 32, 53, 63, 64, 70)
      for off in (-1, 0, 1)),
    *(b"9" * 400, b"9" * 5000, b"1_0", b"+1", b"0x10", "\u0661".encode(), b"007", b" 1"),
)  # fmt: skip
_PIECES = (
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\r",
        b"\t",
        b" ",
        b":",
        b",",
        b"=",
        b"/",
        b"..",
        b"%s",
        b"{}",
        b"$(",
    ),
    *(b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *("\u202e".encode(), b"\x1b[2J", "\u2028".encode(), "\U0001f600".encode()),
    *(b"[" * 100_000, b'{"a":' * 20_000, b"(" * 5_000, b"a" * 70_000, b"\0" * 70_000),
    *(b"[" * 900 + b"]" * 900, b'"x":' + b"[" * 50_000 + b"]" * 50_000 + b","),
    *(b"\xff" * 4, b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, (2**35).to_bytes(8, "little")),
)

Change = Callable[[bytes], bytes]


def examples(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return bytes to try: damaged ``samples`` three times in four, else any."""
    damaged = st.builds(
        _changed, st.sampled_from(samples), st.lists(_changes(samples), max_size=_MOST_CHANGES)
    )
    any_at_all = st.one_of(st.binary(max_size=200), st.text(max_size=100).map(_encoded))
    return st.one_of(damaged, damaged, damaged, any_at_all)


def _changed(sample: bytes, changes: Sequence[Change]) -> bytes:
    for change in changes:
        sample = change(sample)[:_LONGEST]
    return sample


def _changes(samples: Sequence[bytes]) -> st.SearchStrategy[Change]:
    place = st.integers(0, 2**16).map(lambda drawn: drawn / 2**16)
    pieces = st.one_of(st.sampled_from((*_PIECES, *_NUMBERS)), st.binary(max_size=8))
    values = st.sampled_from((*_NUMBERS, *(b'"' + piece + b'"' for piece in _PIECES[:24])))
    return st.one_of(
        st.builds(_flip, place, st.integers(1, 255)),
        st.builds(_cut, place, place),
        st.builds(_repeat, place, place, st.integers(2, 4)),
        st.builds(_insert, place, pieces),
        st.builds(_overwrite, place, pieces),
        st.builds(_splice, place, place, st.sampled_from(samples)),
        st.builds(_replace, st.just(_NUMBER), place, values),
        st.builds(_replace, st.just(_NUMBER), place, values),
        st.builds(_replace, st.just(_TEXT), place, values),
        st.builds(_replace, st.just(_OPEN), place, st.sampled_from(_FIELDS)),
        st.builds(_replace, st.just(_LINE), place, st.sampled_from(_OPTIONS)),
    )


def _flip(at: float, mask: int) -> Change:
    def change(sample: bytes) -> bytes:
        spot = _spot(sample, at)
        flipped = bytes(byte ^ mask for byte in sample[spot : spot + 1])
        return sample[:spot] + flipped + sample[spot + 1 :]

    return change


def _cut(one: float, other: float) -> Change:
    def change(sample: bytes) -> bytes:
        start, end = sorted((_spot(sample, one), _spot(sample, other)))
        return sample[:start] + sample[end:]

    return change


def _repeat(one: float, other: float, times: int) -> Change:
    def change(sample: bytes) -> bytes:
        start, end = sorted((_spot(sample, one), _spot(sample, other)))
        return sample[:start] + sample[start:end] * times + sample[end:]

    return change


def _insert(at: float, piece: bytes) -> Change:
    return lambda sample: sample[: _spot(sample, at)] + piece + sample[_spot(sample, at) :]


def _overwrite(at: float, piece: bytes) -> Change:
    return lambda sample: (
        sample[: _spot(sample, at)] + piece + sample[_spot(sample, at) + len(piece) :]
    )


def _splice(one: float, other: float, sample_too: bytes) -> Change:
    return lambda sample: sample[: _spot(sample, one)] + sample_too[_spot(sample_too, other) :]


def _replace(pattern: re.Pattern[bytes], at: float, by: bytes) -> Change:
    """Put ``by`` in the place of one number or one quoted text."""

    def change(sample: bytes) -> bytes:
        found = list(pattern.finditer(sample[:20_000]))
        if not found:
            return sample
        match = found[min(int(at * len(found)), len(found) - 1)]
        return sample[: match.start()] + by + sample[match.end() :]

    return change


def _spot(sample: bytes, at: float) -> int:
    return int(at * len(sample))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
