"""Counts and sizes need no statistics."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.check.exact_changes import counted_changes, exact_change
from asymm_deploy.check.policy import DEFAULT_PERCENT


@pytest.mark.parametrize(
    ("before", "after", "verdict", "percent"),
    [
        (1000, 1000, "pass", 0.0),
        (1000, 1010, "pass", 1.0),
        (1000, 1011, "regressed", 1.1),
        (1000, 989, "improved", -1.1),
        (0, 0, "pass", 0.0),
        (0, 5, "regressed", None),
    ],
)
def test_a_count_may_grow_by_its_threshold(
    before: int, after: int, verdict: str, percent: float | None
) -> None:
    change = exact_change("net", "madds", before, after, 1.0)
    assert change.verdict == verdict
    assert change.change_percent == (None if percent is None else pytest.approx(percent))
    assert (change.unit, change.low_percent) == ("count", None)


def test_no_growth_at_all_can_be_asked_for() -> None:
    assert exact_change("net", "params", 1000, 1001, 0.0).verdict == "regressed"
    assert exact_change("net", "params", 1000, 1000, 0.0).verdict == "pass"


def test_a_file_that_is_gone_by_the_end_has_no_size(tmp_path: Path) -> None:
    gone = Artifact("net", tmp_path / "model.mnn", "0" * 64, params=5)
    assert [change.metric for change in counted_changes("net", gone, gone, DEFAULT_PERCENT)] == [
        "params"
    ]
