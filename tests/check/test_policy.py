"""Thresholds are percentages that mean what they say; each look spends a part of the risk."""

from __future__ import annotations

import pytest

from asymm_deploy.check.findings import Metric
from asymm_deploy.check.live.alpha_spending import looks, risk
from asymm_deploy.check.policy import Policy, percent
from asymm_deploy.errors import UsageError


@pytest.mark.parametrize(("text", "value"), [("3%", 3.0), (" 0.5 % ", 0.5), ("0%", 0.0)])
def test_a_percentage_is_read(text: str, value: float) -> None:
    assert percent(text, "--threshold") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.03", "no unit"),
        ("3", "no unit"),
        ("three", "no percentage"),
        ("%", "no percentage"),
        ("", "no percentage"),
        ("nan%", "no percentage"),
        ("nan", "no percentage"),
        ("inf%", "no percentage"),
    ],
)
def test_what_is_no_percentage_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        percent(text, "--threshold")
    assert "--threshold 3%" in refused.value.hint


@pytest.mark.parametrize("metric", ["latency", "init", "peak_memory"])
@pytest.mark.parametrize("value", [0.0, -3.0, 1001.0])
def test_what_varies_needs_a_threshold_above_0(metric: Metric, value: float) -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        Policy(thresholds={metric: value})


def test_what_is_counted_may_be_held_to_no_growth_at_all() -> None:
    assert Policy(thresholds={"latency": 3.0, "madds": 0.0}).thresholds["madds"] == 0
    with pytest.raises(UsageError, match="--madds-threshold -1%"):
        Policy(thresholds={"latency": 3.0, "madds": -1.0})


@pytest.mark.parametrize("blocks", [0, 7, 1001])
def test_too_few_blocks_are_refused(blocks: int) -> None:
    with pytest.raises(UsageError, match=f"--max-blocks {blocks}"):
        Policy(max_blocks=blocks)


def test_20_us_are_allowed_to_a_model_of_any_size() -> None:
    assert Policy().latency_threshold(10.0) == 0.03
    assert Policy().latency_threshold(0.1) == pytest.approx(0.2)


@pytest.mark.parametrize("most", [8, 9, 10, 20, 33])
def test_the_looks_spend_the_risk_and_no_more(most: int) -> None:
    all_looks = looks(most)
    assert (all_looks[0], all_looks[-1]) == (8, most)
    assert list(all_looks) == sorted(set(all_looks))
    assert sum(risk(look, most, 0.02) for look in all_looks) == pytest.approx(0.02)
