"""Counts decide at once: what grows too much, what is only told, and what is no comparison."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostKey, CostRecord, OperatorCounts
from asymm_deploy.check.counted.count_changes import count_changes
from asymm_deploy.check.findings import Change
from asymm_deploy.check.policy import DEFAULT_PERCENT
from asymm_deploy.errors import UsageError

Record = Callable[..., CostRecord]


def compared(old: CostRecord, new: CostRecord, *allow: str) -> dict[str, Change]:
    changes = count_changes("net", old, new, DEFAULT_PERCENT, allow)
    return {change.metric: change for change in changes}


@pytest.mark.parametrize(
    ("insn", "verdict", "notice"),
    [
        (1_010_001, "regressed", True),
        (1_010_000, "pass", True),
        (1_001_000, "pass", True),
        (1_000_999, "pass", False),
        (1_000_000, "pass", False),
        (999_000, "pass", True),
        (990_000, "pass", True),
        (989_999, "improved", True),
    ],
)
def test_instructions_may_grow_by_one_percent_and_are_told_from_a_tenth(
    record: Record, insn: int, verdict: str, notice: bool
) -> None:
    found = compared(record(), record(insn))["instructions"]
    assert (found.verdict, found.notice) == (verdict, notice)
    assert found.change_percent == pytest.approx((insn - 1_000_000) / 10_000)


@pytest.mark.parametrize("metric", ["l2_misses", "l3_misses"])
def test_misses_may_grow_by_five_percent(record: Record, metric: str) -> None:
    def found(misses: int) -> Change:
        place = {"l2_misses": "l2", "l3_misses": "l3"}[metric]
        return compared(record(**{place: 100_000}), record(**{place: misses}))[metric]

    assert found(105_001).verdict == "regressed"
    assert found(105_000).verdict == "pass"
    assert found(90_000).verdict == "improved"


def test_misses_can_regress_while_instructions_pass(record: Record) -> None:
    found = compared(record(), record(1_000_300, l2=138_000))
    assert found["instructions"].verdict == "pass"
    assert found["l2_misses"].verdict == "regressed"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0, 0, "pass"),
        (0, 200, "pass"),
        (0, 201, "regressed"),
        (3, 203, "pass"),
        (300, 501, "regressed"),
        (501, 300, "improved"),
    ],
)
def test_a_few_misses_are_no_change_whatever_share_they_are(
    record: Record, before: int, after: int, verdict: str
) -> None:
    found = compared(record(l3=before), record(l3=after))["l3_misses"]
    assert found.verdict == verdict
    assert found.notice == (verdict != "pass")
    assert (found.change_percent is None) == (before == 0 and after > 0)


def test_the_same_counts_are_said_to_be_the_same(record: Record) -> None:
    found = compared(record(), record())
    assert {change.why for change in found.values()} == {"It is the same, to the last one."}
    assert {change.change_percent for change in found.values()} == {0}


def test_the_operator_that_grew_is_named_with_its_module(
    record: Record, operator: Callable[..., OperatorCounts]
) -> None:
    before = [operator("conv", 600, module="features.3"), operator("fc", 300)]
    after = [operator("conv", 900, module="features.3"), operator("fc", 290)]
    found = compared(record(1000, operators=before), record(1295, operators=after))
    grown, shrunk = found["instructions"].operators
    assert (grown.name, grown.baseline, grown.candidate) == ("conv", 600, 900)
    assert shrunk.grown_by == -10
    assert found["instructions"].why == (
        "295 more instructions; 1 % more is allowed. "
        "Most of it: Convolution conv in features.3, +300."
    )


def test_misses_have_operators_of_their_own(
    record: Record, operator: Callable[..., OperatorCounts]
) -> None:
    old, new = [operator("t", 10, l2=100)], [operator("t", 10, l2=900)]
    found = compared(record(l2=1000, operators=old), record(l2=1800, operators=new))
    assert found["instructions"].operators == ()
    assert [change.grown_by for change in found["l2_misses"].operators] == [800]


def test_without_operators_the_change_still_counts(record: Record) -> None:
    found = compared(record(operators=None), record(2_000_000, operators=None))["instructions"]
    assert found.verdict == "regressed"
    assert "operator by operator" in found.why


def test_without_caches_only_instructions_are_compared(record: Record) -> None:
    assert set(compared(record(l2=None, l3=None), record())) == {"instructions"}


def test_a_wrong_output_is_never_a_pass(record: Record) -> None:
    wrong = record(flags=("output-mismatch",), valid=False)
    for old, new in ((wrong, record()), (record(), wrong)):
        (found,) = compared(old, new).values()
        assert (found.verdict, found.exit_code) == ("failed", 5)
        assert "output differs" in found.why
    assert compared(wrong, record(), "output-mismatch")["instructions"].verdict == "pass"


def test_a_version_that_gave_no_counts_says_why(record: Record) -> None:
    (found,) = compared(
        record(), record(counts=None, error="out of memory", flags=("failed",), valid=False)
    ).values()
    assert (found.verdict, found.exit_code) == ("failed", 3)
    assert found.why == "The candidate can't be counted: out of memory"


def test_the_graver_of_two_failures_is_told(record: Record) -> None:
    failed = record(counts=None, error="no memory", flags=("failed",), valid=False)
    wrong = record(flags=("output-mismatch",), valid=False)
    (found,) = compared(failed, wrong).values()
    assert found.exit_code == 5


def test_an_unverified_output_spoils_nothing(record: Record) -> None:
    assert compared(record(flags=("unverified",)), record())["instructions"].verdict == "pass"


def test_counts_of_two_emulators_are_refused_with_what_differs(
    record: Record, key: CostKey
) -> None:
    other = msgspec.structs.replace(key, emulator="8.2.2")
    with pytest.raises(UsageError, match=r"emulator: 7\.2\.22 and 8\.2\.2"):
        compared(record(), record(key=other))


def test_counts_of_two_precisions_are_refused(record: Record) -> None:
    with pytest.raises(UsageError, match="precision: fp32 and fp16"):
        compared(record(), record(precision="fp16"))
