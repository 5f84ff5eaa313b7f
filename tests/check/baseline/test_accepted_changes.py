"""An accepted regression alarms no more at the size that was accepted, and beyond that it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.check.baseline.accept_change import (
    accept_candidate,
    accept_growth,
)
from asymm_deploy.check.baseline.accepted_changes import with_accepted
from asymm_deploy.check.baseline.baseline_file import load_baseline
from asymm_deploy.check.findings import UNITS, Change, GateReport

Export = Callable[..., Path]


def regression(model: str = "small", percent: float = 8.0, **more: object) -> GateReport:
    change = Change(
        model=model,
        metric="latency",
        unit=UNITS["latency"],
        baseline=10.0,
        candidate=10 + percent / 10,
        change_percent=percent,
        low_percent=percent - 1,
        high_percent=percent + 1,
        threshold_percent=3.0,
        verdict="regressed",
        why="It is slower.",
    )
    return GateReport(
        mode="live",
        device="here",
        circumstances=(),
        baseline="a",
        candidate="b",
        changes=(msgspec.structs.replace(change, **more),),
        started_at="2026-11-23T09:00:00+00:00",
    )


def test_an_allowed_change_stops_alarming_up_to_its_size(saved: Path) -> None:
    accept_growth(saved, "small", "latency", 10.0, reason="a larger head", by="Ada")
    found = load_baseline(saved)
    accepted = with_accepted(regression(percent=8.0), found)
    assert accepted.verdict == "pass"
    assert accepted.exit_code == 0
    why = accepted.changes[0].accepted
    assert why is not None
    assert why.startswith("a larger head (Ada, 20")
    assert why.endswith("up to 10 %)")
    assert with_accepted(regression(percent=12.0), found).verdict == "regressed"
    assert with_accepted(regression("large"), found).verdict == "regressed"
    assert with_accepted(regression(metric="init"), found).verdict == "regressed"


def test_at_the_very_size_that_was_accepted_chance_raises_no_alarm(saved: Path) -> None:
    accept_growth(saved, "small", "latency", 10.0, reason="x", by="Ada")
    found = load_baseline(saved)
    for percent in (9.4, 10.0, 10.6):  # of 10 %, and each 1 % to either side
        assert with_accepted(regression(percent=percent), found).verdict == "pass"
    assert with_accepted(regression(percent=11.1), found).verdict == "regressed"
    exact = regression(percent=10.6, low_percent=None, high_percent=None)
    assert with_accepted(exact, found).verdict == "regressed"


@pytest.mark.parametrize("verdict", ["inconclusive", "unstable", "failed"])
def test_only_a_regression_can_be_accepted(saved: Path, verdict: str) -> None:
    accept_growth(saved, "small", "latency", 10.0, reason="x", by="Ada")
    report = with_accepted(regression(verdict=verdict), load_baseline(saved))
    assert report.verdict == verdict


def test_the_last_word_on_a_change_counts(saved: Path) -> None:
    accept_growth(saved, "small", "latency", 10.0, reason="x", by="Ada")
    accept_growth(saved, "small", "latency", 5.0, reason="y", by="Ben")
    found = load_baseline(saved)
    assert len(found.accepted) == 2
    assert with_accepted(regression(percent=8.0), found).verdict == "regressed"


def test_what_was_allowed_ends_with_the_file_it_was_allowed_for(
    saved: Path, export: Export
) -> None:
    accept_growth(saved, "small", "latency", 10.0, reason="x", by="Ada")
    newer = export("small", b"wanted weights", into="newer")
    changed, _ = accept_candidate(saved, "small", newer, reason="y", by="Ben")
    assert [found.reason for found in changed.accepted] == ["y"]
    assert with_accepted(regression(), changed).verdict == "regressed"
