"""Thresholds are percentages that mean what they say."""

from __future__ import annotations

import pytest

from asymm_deploy.check.findings import Metric
from asymm_deploy.check.policy import DEFAULT_PERCENT, GatePolicy, parse_percent
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
    with pytest.raises(UsageError, match=r"is too (much|little)"):
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


def test_what_makes_sense_ends_at_8_and_1000_blocks_and_at_1000_percent() -> None:
    for blocks in (8, 1000):
        assert GatePolicy(max_blocks=blocks).most_blocks == blocks
    for metric in DEFAULT_PERCENT:
        assert GatePolicy(thresholds={metric: 1000.0}).thresholds[metric] == 1000
        with pytest.raises(UsageError, match="nothing would alarm"):
            GatePolicy(thresholds={metric: 1000.5})


def test_the_seed_is_0_or_more() -> None:
    assert GatePolicy(seed=0).seed == 0
    with pytest.raises(UsageError, match="--seed -1"):
        GatePolicy(seed=-1)


@pytest.mark.parametrize("metric", ["mnn_size", "madds", "params", "instructions", "l2_misses"])
def test_what_is_counted_takes_0_and_nothing_less(metric: Metric) -> None:
    assert GatePolicy(thresholds={metric: 0.0}).thresholds[metric] == 0
    with pytest.raises(UsageError, match="is negative"):
        GatePolicy(thresholds={metric: -0.01})


@pytest.mark.parametrize("metric", ["latency", "init", "peak_memory"])
def test_what_varies_takes_the_smallest_threshold(metric: Metric) -> None:
    assert GatePolicy(thresholds={metric: 0.01}).thresholds[metric] == 0.01


def test_what_is_allowed_unless_told_otherwise() -> None:
    assert GatePolicy().thresholds == {
        "latency": 3.0,
        "mnn_size": 1.0,
        "madds": 1.0,
        "params": 1.0,
        "init": 25.0,
        "peak_memory": 10.0,
        "instructions": 1.0,
        "l2_misses": 5.0,
        "l3_misses": 5.0,
    }
    assert (GatePolicy().most_blocks, GatePolicy().seed) == (20, 0)
    assert GatePolicy(design="paired").most_blocks == 40


@pytest.mark.parametrize(("asked", "most"), [(None, 20), (4, 8), (9, 9), (40, 40)])
def test_blocks_in_the_place_of_pairs_have_a_number_of_their_own_unless_one_is_asked_for(
    asked: int | None, most: int
) -> None:
    assert GatePolicy(design="paired", max_blocks=asked).in_blocks().most_blocks == most


def test_the_threshold_turns_from_20_us_into_3_percent_at_two_thirds_of_a_millisecond() -> None:
    assert GatePolicy().latency_threshold(0.66) == pytest.approx(0.02 / 0.66)
    assert GatePolicy().latency_threshold(0.67) == 0.03
    assert GatePolicy(thresholds={"latency": 5.0}).latency_threshold(0.67) == 0.05
