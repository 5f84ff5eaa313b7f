"""Counts beside a latency are told, and change neither the verdict nor the exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.check.counted.count_changes import count_changes
from asymm_deploy.check.counted.witness import with_witness
from asymm_deploy.check.findings import (
    Change,
    GateReport,
    Verdict,
    latency_without_figures,
)
from asymm_deploy.check.policy import DEFAULT_PERCENT

Record = Callable[..., CostRecord]


def report(*changes: Change) -> GateReport:
    return GateReport(
        mode="live",
        device="here",
        circumstances=(),
        baseline="a",
        candidate="b",
        changes=changes,
        started_at="2026-01-01T00:00:00+00:00",
    )


def heard(verdict: Verdict, old: CostRecord, new: CostRecord) -> GateReport:
    counts = {"net": count_changes("net", old, new, DEFAULT_PERCENT)}
    timed = latency_without_figures("net", verdict, "So it is.")
    other = latency_without_figures("other", "pass", "So it is.")
    return with_witness(report(timed, other), counts, ["A note."], ["counted"])


@pytest.mark.parametrize("verdict", ["pass", "regressed", "improved", "inconclusive", "same"])
def test_the_latency_alone_makes_the_verdict(record: Record, verdict: Verdict) -> None:
    timed = report(latency_without_figures("net", verdict, ""))
    for insn in (500_000, 1_000_000, 2_000_000):
        found = heard(verdict, record(), record(insn))
        expected = "pass" if verdict == "same" else timed.verdict
        assert (found.verdict, found.exit_code) == (expected, timed.exit_code)
        assert [change.model for change in found.changes] == ["net"] * 4 + ["other"]
        assert all(change.witness for change in found.changes[1:4])
        assert not any(change.alarms for change in found.changes[1:4])


def test_the_same_file_stays_the_same_whatever_a_witness_says(record: Record) -> None:
    counts = {"net": count_changes("net", record(), record(), DEFAULT_PERCENT)}
    timed = report(latency_without_figures("net", "same", ""))
    assert with_witness(timed, counts, [], []).verdict == "same"


def test_a_witness_that_failed_fails_nothing(record: Record) -> None:
    found = heard("pass", record(flags=("output-mismatch",), valid=False), record())
    assert (found.verdict, found.exit_code) == ("pass", 0)


@pytest.mark.parametrize(
    ("verdict", "insn", "says"),
    [
        ("regressed", 1_002_000, "So the counts bear out that it is slower."),
        ("regressed", 1_000_000, "So nothing in the counts explains that it is slower."),
        ("regressed", 900_000, "So nothing in the counts explains that it is slower."),
        ("improved", 900_000, "So the counts bear out that it is faster."),
        ("improved", 1_000_000, "So nothing in the counts explains that it is faster."),
        ("pass", 1_020_000, "The clock shows no such growth."),
        ("inconclusive", 1_020_000, "This is certain, though the latency is not."),
    ],
)
def test_it_says_whether_it_bears_out_the_clock(
    record: Record, verdict: Verdict, insn: int, says: str
) -> None:
    found = heard(verdict, record(), record(insn))
    assert found.changes[1].why.endswith(says)
    assert found.notes == ("A note.",)
    assert found.circumstances == ("counted",)
