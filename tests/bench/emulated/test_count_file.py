"""A file of counts is read back exactly, or refused with the one error that says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.emulated.count_file import CountFileError, parse_counts
from asymm_deploy.bench.emulated.counts import Counts

CLASSES = ("fma", "vector", "load", "store", "branch", "integer")
AMOUNT = st.integers(0, 10**12)


@st.composite
def intervals(draw: st.DrawFn) -> Counts:
    parts = {name: draw(AMOUNT) for name in CLASSES}
    l1, l2, l3 = (draw(AMOUNT) for _ in range(3))
    return Counts(
        insn=sum(parts.values()),
        **parts,
        load_bytes=draw(AMOUNT),
        store_bytes=draw(AMOUNT),
        l1_misses=l1,
        l2_misses=l2,
        l3_misses=l3,
    )


def numbers(counts: Counts) -> list[int]:
    return [getattr(counts, name) for name in Counts.__struct_fields__]


def written(runs: list[Counts], operators: list[Counts], before: list[int]) -> bytes:
    """What the plugin writes of these, ``before`` having been counted before each."""
    total = [sum(before[1:7]), *before[1:]]
    lines = ["asymm-count 1 caches=on"]
    for kind, each in ((0, runs), (2, operators)):
        for counts in each:
            lines.append(" ".join(map(str, (kind, *total))))
            total = [x + y for x, y in zip(total, numbers(counts), strict=True)]
            lines.append(" ".join(map(str, (kind + 1, *total))))
    return "".join(f"{line}\n" for line in (*lines, "end")).encode()


BEFORE = st.lists(AMOUNT, min_size=12, max_size=12)
SOME = st.lists(intervals(), max_size=3)


@given(SOME, SOME, BEFORE)
def test_what_was_written_is_read_back(
    runs: list[Counts], operators: list[Counts], before: list[int]
) -> None:
    found = parse_counts(written(runs, operators, before))
    assert list(found.runs) == runs
    assert list(found.operators) == operators


@given(st.lists(intervals(), min_size=1, max_size=2), SOME, BEFORE, st.data())
def test_a_file_that_was_cut_anywhere_is_refused(
    runs: list[Counts], operators: list[Counts], before: list[int], data: st.DataObject
) -> None:
    whole = written(runs, operators, before)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(CountFileError):
        parse_counts(whole[:cut])


@given(SOME, BEFORE, st.data())
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(
    runs: list[Counts], before: list[int], data: st.DataObject
) -> None:
    damaged = bytearray(written(runs, [], before))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not damaged:
            break
    try:
        found = parse_counts(bytes(damaged))
    except CountFileError:
        return
    for counts in (*found.runs, *found.operators):
        assert counts.insn == sum(getattr(counts, name) for name in CLASSES)


def test_without_caches_misses_are_unknown() -> None:
    one = Counts(
        insn=6, fma=1, vector=1, load=1, store=1, branch=1, integer=1, load_bytes=4, store_bytes=8
    )
    lines = ["asymm-count 1 caches=off", "0" + " 0" * 12, "1 6 1 1 1 1 1 1 4 8 0 0 0", "end", ""]
    assert parse_counts("\n".join(lines).encode()).runs == (one,)


HEAD = "asymm-count 1 caches=on\n"
NOTHING = " 0" * 12


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "does not begin as one"),
        ("asymm-count 2 caches=on\nend\n", "does not begin as one: asymm-count 2"),
        (HEAD, "it was cut short"),
        (f"{HEAD}end", "it was cut short"),
        (f"{HEAD}0{NOTHING}\nend\n", "its last mark has no end"),
        (f"{HEAD}1{NOTHING}\n0{NOTHING}\nend\n", "a mark of kind 0 follows one of kind 1"),
        (f"{HEAD}0{NOTHING}\n3{NOTHING}\nend\n", "a mark of kind 3 follows one of kind 0"),
        (f"{HEAD}7{NOTHING}\n8{NOTHING}\nend\n", "a mark of kind 8 follows one of kind 7"),
        (f"{HEAD}0 1 1{' 0' * 10}\n1{NOTHING}\nend\n", "it counts backwards"),
        (f"{HEAD}0{NOTHING}\n1 5 1{' 0' * 10}\nend\n", "its classes don't add up"),
        (f"{HEAD}0 -1{' 0' * 11}\nend\n", "a line that is none of its own"),
        (f"{HEAD}0 {'9' * 21}{' 0' * 11}\nend\n", "a line that is none of its own"),
        (f"{HEAD}0 ²{' 0' * 11}\nend\n", "a line that is none of its own"),
        (f"{HEAD}\nend\n", "a line that is none of its own"),
    ],
)
def test_a_file_that_holds_no_counts_is_refused_with_the_reason(content: str, why: str) -> None:
    with pytest.raises(CountFileError, match=why):
        parse_counts(content.encode())
