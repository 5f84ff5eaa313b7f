"""Operators of two versions are laid side by side; what is noise is told from what grew."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.explain.against.against_rows import (
    AGAINST_COLUMNS,
    against_rows,
    against_sentences,
    against_table,
)
from asymm_deploy.explain.against.differences import differences, largest_first
from asymm_deploy.explain.explanation import ExplainedOperator, Explanation, OperatorError
from asymm_deploy.explain.views.explain_rows import explain_csv
from asymm_deploy.explain.views.operator_groups import By


def with_times(base: Explanation, times: Sequence[float]) -> Explanation:
    """Return it with three launches, 0.1 ms apart at each operator."""
    operators = tuple(
        msgspec.structs.replace(each, time_ms=time, launches_ms=(time, time + 0.06, time - 0.04))
        for each, time in zip(base.operators, times, strict=True)
    )
    return msgspec.structs.replace(base, operators=operators, median_ms=sum(times))


@pytest.fixture
def before(explained: Explanation) -> Explanation:
    """Whose launches lie 0.1 ms apart at each operator."""
    return with_times(explained, [0.5, 0.75, 0.25, 1.5, 0.5, 0.5])


@pytest.fixture
def after(explained: Explanation) -> Explanation:
    """Number 3 takes 0.3 ms more; number 0 0.05 ms more, which is noise."""
    return with_times(explained, [0.55, 0.75, 0.25, 1.799, 0.5, 0.5])


def test_what_grew_beyond_the_noise_is_named(before: Explanation, after: Explanation) -> None:
    found = differences(before, after, "operator", 2)
    assert [each.is_real for each in found] == [False, False, False, True, False, False]
    (grown,) = largest_first(found)
    assert grown.shown.operators[0].index == 3
    assert grown.grown_by == pytest.approx(0.299)
    assert grown.grown_percent == pytest.approx(19.93, abs=0.01)
    assert grown.noise_ms == pytest.approx(0.1)
    sentences = against_sentences(before, after, found, "operator")
    assert sentences == [
        "net (fp32) against net (fp32): 4.35 ms, and 4 ms there (+8.7 %), which may be noise: "
        "launches of one version lie up to 0.6 ms apart.",
        "blocks.0.project.conv grew most, by 0.299 ms.",
    ]


def test_a_version_against_itself_grew_nowhere(before: Explanation) -> None:
    found = differences(before, before, "operator", 2)
    assert largest_first(found) == []
    assert "No operator grew beyond what launches" in against_table(
        before, before, found, "operator"
    )


def test_without_several_launches_the_noise_is_unknown_and_that_is_said(
    explained: Explanation, after: Explanation
) -> None:
    found = differences(explained, after, "operator", 2)
    assert [each.is_real for each in found] == [None] * 6
    text = against_table(explained, after, found, "operator")
    assert "How much of this is noise is unknown" in text
    assert "blocks.0.project.conv" in text


def test_instructions_have_no_noise(counted: Explanation) -> None:
    more = msgspec.structs.replace(counted.operators[1], insn=2_000_001)
    later = msgspec.structs.replace(
        counted, operators=(counted.operators[0], more, *counted.operators[2:])
    )
    found = differences(counted, later, "operator", 2)
    (grown,) = largest_first(found)
    assert (grown.grown_by, grown.is_real) == (1, True)
    (first, *_) = [row for row in against_rows(counted, later, found, "operator") if row["is_real"]]
    assert first["grown_insn_m"] == 1e-6


def test_what_came_and_what_went_is_told(before: Explanation) -> None:
    without = msgspec.structs.replace(
        before, operators=(*before.operators[:2], *before.operators[3:])
    )
    for old, new, told in (
        (before, without, ". 1 operator is gone."),
        (without, before, ". 1 operator is new."),
    ):
        found = differences(old, new, "operator", 2)
        assert told in " ".join(against_sentences(old, new, found, "operator"))
        assert sum(each.grown_by or 0 for each in found) == pytest.approx(
            0.25 if new is before else -0.25
        )


def test_a_new_own_error_comes_first(explained: Explanation, faulty: Explanation) -> None:
    found = differences(explained, faulty, "operator", 2)
    assert largest_first(found)[0].newly_accused
    text = against_table(explained, faulty, found, "operator")
    assert "Own error above the limit: blocks.0.project.conv" in text
    assert "above the limit" in text.splitlines()[4]
    back = differences(faulty, explained, "operator", 2)
    assert not any(each.newly_accused for each in back)


def test_what_is_as_fast_and_farther_off_is_told_too(counted: Explanation) -> None:
    def off_by(error: float) -> Explanation:
        own = OperatorError(snr_db=20.0, over_deviation=error)
        operators = list(counted.operators)
        operators[3] = msgspec.structs.replace(operators[3], own=own, own_limit=0.3)
        return msgspec.structs.replace(counted, operators=tuple(operators))

    found = differences(off_by(1e-6), off_by(0.05), "operator", 2)
    text = against_table(off_by(1e-6), off_by(0.05), found, "operator")
    assert "The own error of blocks.0.project.conv grew most, from 1.0e-06 to 5.0e-02." in text
    assert text.count("\n") == 4, "one row"
    rounding = differences(off_by(1e-6), off_by(9e-5), "operator", 2)
    assert not largest_first(rounding)
    alike = differences(off_by(0.02), off_by(0.05), "operator", 2)
    assert not largest_first(alike)


def test_without_times_there_are_no_columns_of_them(faulty: Explanation) -> None:
    operators = tuple(
        msgspec.structs.replace(each, time_ms=None, launches_ms=()) for each in faulty.operators
    )
    bare = msgspec.structs.replace(faulty, operators=operators, median_ms=None)
    text = against_table(bare, bare, differences(bare, bare, "operator", 2), "operator")
    heads = text.splitlines()[2]
    assert heads.split("  ")[0] == "operator"
    assert "own error there" in heads
    assert "grown" not in text
    assert "ms" not in heads


@pytest.mark.parametrize("by", ["operator", "module", "kind"])
def test_every_view_grows_by_as_much_as_the_whole(
    by: By, before: Explanation, after: Explanation
) -> None:
    found = differences(before, after, by, 2)
    assert sum(each.grown_by or 0 for each in found) == pytest.approx(0.349)
    rows = against_rows(before, after, found, by)
    assert all(tuple(row) == AGAINST_COLUMNS for row in rows)
    assert len(explain_csv(rows, AGAINST_COLUMNS).splitlines()) == 1 + len(found)
    told = "grew most" if by != "module" else "No module grew beyond"  # noise of three operators
    assert told in against_table(before, after, found, by)


def test_what_cant_be_compared_is_refused(explained: Explanation, counted: Explanation) -> None:
    replace = msgspec.structs.replace
    failed = replace(explained, operators=(), error="it broke")
    untimed = replace(explained, median_ms=None)
    for other, why in ((counted, "nothing to do"), (failed, "it broke"), (untimed, "has none")):
        with pytest.raises(UsageError, match=why):
            differences(other, explained, "operator", 2)


def test_renamed_operators_are_found_again(before: Explanation) -> None:
    def renamed(each: ExplainedOperator) -> ExplainedOperator:
        return msgspec.structs.replace(each, name=f"new{each.index}")

    other = msgspec.structs.replace(before, operators=tuple(map(renamed, before.operators)))
    found = differences(before, other, "operator", 2)
    assert [each.baseline and each.baseline.operators[0].index for each in found] == list(range(6))
