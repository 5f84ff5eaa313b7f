"""Operators are the same by name and type, then by order and type; none is lost."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.emulated.counts import Counts, OperatorCounts
from asymm_deploy.check.counted.operator_changes import matched_counts, operator_changes

Make = Callable[..., OperatorCounts]


def insn(counts: Counts) -> int:
    return counts.insn


def made(name: str, kind: str, count: int, module: str | None) -> OperatorCounts:
    zeros = dict.fromkeys(("fma", "vector", "load", "store", "branch"), 0)
    return OperatorCounts(
        name=name,
        type=kind,
        module=module,
        counts=Counts(insn=count, integer=count, load_bytes=0, store_bytes=0, **zeros),
    )


OPERATORS = st.lists(
    st.builds(
        made,
        st.sampled_from("abcdef"),
        st.sampled_from(["Convolution", "ReLU", "Pooling"]),
        st.integers(0, 5),
        st.sampled_from([None, "head", "body"]),
    ),
    max_size=12,
)


@given(OPERATORS, OPERATORS)
def test_every_operator_of_both_versions_is_told_exactly_once(
    old: list[OperatorCounts], new: list[OperatorCounts]
) -> None:
    matches = matched_counts(old, new)
    befores = [match.baseline for match in matches if match.baseline is not None]
    assert sorted(map(id, befores)) == sorted(map(id, old))
    assert [match.candidate for match in matches if match.candidate is not None] == new
    assert all(m.baseline.type == m.candidate.type for m in matches if m.baseline and m.candidate)
    changes = operator_changes(matches, insn)
    growth = sum(x.counts.insn for x in new) - sum(x.counts.insn for x in old)
    assert sum(change.grown_by for change in changes) == growth
    assert [change.grown_by for change in changes] == sorted(
        (change.grown_by for change in changes), reverse=True
    )


@given(OPERATORS)
def test_a_version_is_its_own_counterpart(operators: list[OperatorCounts]) -> None:
    matches = matched_counts(operators, operators)
    assert all(match.baseline is match.candidate for match in matches)
    assert operator_changes(matches, insn) == ()


@given(OPERATORS)
def test_new_names_alone_are_no_change(operators: list[OperatorCounts]) -> None:
    renamed = [
        msgspec.structs.replace(each, name=f"new_{place}") for place, each in enumerate(operators)
    ]
    matches = matched_counts(operators, renamed)
    assert [match.baseline for match in matches] == operators
    assert operator_changes(matches, insn) == ()


@given(OPERATORS, st.integers(0, 11))
def test_an_operator_put_in_between_is_the_only_new_one(
    operators: list[OperatorCounts], place: int
) -> None:
    place = min(place, len(operators))
    added = made("added", "Interp", 7, None)
    numbered = [
        msgspec.structs.replace(each, name=str(number)) for number, each in enumerate(operators)
    ]
    later = [msgspec.structs.replace(each, name=f"{each.name}'") for each in numbered[place:]]
    (change,) = operator_changes(matched_counts(numbered, [*numbered[:place], added, *later]), insn)
    assert (change.name, change.baseline, change.candidate) == ("added", None, 7)


@given(st.lists(st.integers(0, 9), max_size=9), st.randoms())
def test_what_keeps_its_name_is_found_wherever_it_went(
    sizes: list[int], chance: random.Random
) -> None:
    old = [made(str(place), "Convolution", size, None) for place, size in enumerate(sizes)]
    new = list(old)
    chance.shuffle(new)
    assert operator_changes(matched_counts(old, new), insn) == ()


def test_numbers_that_shift_past_another_type_pair_nothing_wrongly(operator: Make) -> None:
    old = [operator("1", 100), operator("2", 5, "ReLU"), operator("3", 200)]
    new = [
        operator("1", 100),
        operator("2", 9, "Pooling"),
        operator("3", 5, "ReLU"),
        operator("4", 200),
    ]
    (change,) = operator_changes(matched_counts(old, new), insn)
    assert (change.name, change.type, change.baseline) == ("2", "Pooling", None)


def test_what_vanished_in_one_place_is_not_what_appeared_in_another(operator: Make) -> None:
    old = [operator("stem", 50), operator("a", 1), operator("b", 2), operator("c", 3)]
    new = [operator("a", 1), operator("b", 2), operator("c", 3), operator("head", 60)]
    head, stem = operator_changes(matched_counts(old, new), insn)
    assert (head.name, head.baseline, head.candidate) == ("head", None, 60)
    assert (stem.name, stem.baseline, stem.candidate) == ("stem", 50, None)


def test_of_several_the_one_that_counts_alike_is_the_same(operator: Make) -> None:
    old = [operator("a", 100), operator("b", 7)]
    (change,) = operator_changes(matched_counts(old, [operator("x", 7)]), insn)
    assert (change.name, change.baseline, change.candidate) == ("a", 100, None)


def test_a_new_name_is_told_with_the_old_one(operator: Make) -> None:
    (change,) = operator_changes(matched_counts([operator("a", 1)], [operator("b", 4)]), insn)
    assert (change.former_name, change.name, change.grown_by) == ("a", "b", 3)


def test_names_that_occur_twice_are_taken_in_order(operator: Make) -> None:
    old = [operator("a", 1), operator("a", 2)]
    new = [operator("a", 1), operator("a", 2), operator("a", 3)]
    (change,) = operator_changes(matched_counts(old, new), insn)
    assert (change.baseline, change.candidate) == (None, 3)
