"""Thresholds are percentages that mean what they say."""

from __future__ import annotations

import pytest

from asymm_deploy.check.findings import Metric
from asymm_deploy.check.policy import GatePolicy, parse_percent
from asymm_deploy.errors import UsageError


@pytest.mark.parametrize(("text", "value"), [("3%", 3.0), (" 0.5 % ", 0.5), ("0%", 0.0)])
def test_a_percentage_is_read(text: str, value: float) -> None:
    assert parse_percent(text, "--threshold") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.03", "no unit"),
        ("3", "no unit"),
        ("three", "is not a percentage"),
        ("%", "is not a percentage"),
        ("", "is not a percentage"),
        ("nan%", "is not a percentage"),
        ("nan", "is not a percentage"),
        ("inf%", "is not a percentage"),
    ],
)
def test_what_is_no_percentage_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        parse_percent(text, "--threshold")
    assert "--threshold 3%" in refused.value.hint


@pytest.mark.parametrize("metric", ["latency", "init", "peak_memory"])
@pytest.mark.parametrize("value", [0.0, -3.0, 1001.0])
def test_what_varies_needs_a_threshold_above_0(metric: Metric, value: float) -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        GatePolicy(thresholds={metric: value})


def test_what_is_counted_may_be_held_to_no_growth_at_all() -> None:
    assert GatePolicy(thresholds={"latency": 3.0, "madds": 0.0}).thresholds["madds"] == 0
    with pytest.raises(UsageError, match="--madds-threshold -1%"):
        GatePolicy(thresholds={"latency": 3.0, "madds": -1.0})


@pytest.mark.parametrize("blocks", [0, 7, 1001])
def test_too_few_blocks_are_refused(blocks: int) -> None:
    with pytest.raises(UsageError, match=f"--max-blocks {blocks}"):
        GatePolicy(max_blocks=blocks)


def test_20_us_are_allowed_to_a_model_of_any_size() -> None:
    assert GatePolicy().latency_threshold(10.0) == 0.03
    assert GatePolicy().latency_threshold(0.1) == pytest.approx(0.2)
