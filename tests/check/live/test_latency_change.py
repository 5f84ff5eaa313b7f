"""The sentence on a model's latency."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.bench.judge.log_interval import Interval
from asymm_deploy.check.findings import Verdict
from asymm_deploy.check.live.decision import BlockMedians, Judgement
from asymm_deploy.check.live.latency_change import change_of_outcome
from asymm_deploy.check.live.procedure import GateOutcome, ModelStopped
from asymm_deploy.errors import ExitCode

NS = 10_000_000


Script = Callable[[Any], Any]


def test_a_regression_that_fresh_launches_do_not_show_passes_and_says_so(
    check: Any, told: Any
) -> None:
    def at_first(launch: Any) -> Any:
        return told(ns=NS * (1.1 if launch.arm == "B" and launch.count < 16 else 1.0))

    change = change_of_outcome("net", check(at_first).outcomes["net"])
    assert change.verdict == "pass"
    assert "First +10.0 % in 8 blocks, not confirmed" in change.why
    assert change.candidate == pytest.approx(10)


def test_launches_of_two_speeds_are_unstable(check: Any, told: Any) -> None:
    def two(launch: Any) -> Any:
        return told(ns=NS * (1.2 if (launch.count * 7) % 16 < 8 else 1.0))

    outcome = check(two, max_blocks=8).outcomes["net"]
    assert outcome.verdict == "unstable"
    assert "two groups" in change_of_outcome("net", outcome).why


BLOCKS = (BlockMedians((1e6, 9e6), (1e6, 1e6)), BlockMedians((1e6, 9e6), (1e6, 16e6)))
"""Geometric means: 3 ms and 2 ms. Neither is a median, a first, or an arithmetic mean."""
PERCENT = Interval(math.log(1.05), math.log(1.04), math.log(1.06))


def settled(verdict: Verdict, around: Interval = PERCENT, **more: Any) -> GateOutcome:
    return GateOutcome(verdict, BLOCKS, Judgement(verdict, around, 0.03), **more)


def test_values_are_geometric_means_of_all_launches() -> None:
    change = change_of_outcome("net", settled("regressed"))
    assert (change.model, change.metric, change.unit) == ("net", "latency", "ms")
    assert change.baseline == pytest.approx(3)
    assert change.candidate == pytest.approx(2)
    assert change.change_percent == pytest.approx(5)
    assert change.low_percent == pytest.approx(4)
    assert change.high_percent == pytest.approx(6)
    assert change.threshold_percent == 3
    assert change.blocks == 2
    assert change.exit_code == ExitCode.HARNESS


def test_without_a_look_nothing_is_known() -> None:
    change = change_of_outcome("net", GateOutcome("unstable", ()))
    assert (change.baseline, change.candidate, change.change_percent) == (None, None, None)
    assert (change.low_percent, change.high_percent, change.threshold_percent) == (None, None, None)
    assert change.why == "It was not timed."


def test_what_stopped_a_model_is_the_reason_and_gives_the_exit_code() -> None:
    stopped = ModelStopped("failed", "The candidate failed: no.", ExitCode.NUMERICS)
    change = change_of_outcome("net", settled("failed", stopped=stopped))
    assert (change.why, change.exit_code) == ("The candidate failed: no.", ExitCode.NUMERICS)


@pytest.mark.parametrize(
    ("verdict", "around", "why"),
    [
        ("improved", Interval(-0.2, math.log(0.7), math.log(0.9)), "At least 10.0 % faster in 2"),
        ("pass", Interval(0.0, -0.01, math.log(1.02)), "At most 2.0 % slower in 2 blocks; 3 % is"),
        ("pass", Interval(-0.1, -0.2, -0.05), "At most 0.0 % slower in 2 blocks; 3 % is allowed."),
        ("inconclusive", PERCENT, "from +4.0 % to +6.0 %; 3 % is allowed."),
        ("unstable", PERCENT, "+5.0 % may be a mixture of them."),
    ],
)
def test_each_verdict_says_what_it_rests_on(verdict: Verdict, around: Interval, why: str) -> None:
    assert why in change_of_outcome("net", settled(verdict, around)).why


def test_a_regression_names_the_blocks_that_raised_it() -> None:
    first = GateOutcome("regressed", BLOCKS * 4, Judgement("regressed", PERCENT, 0.03))
    change = change_of_outcome("net", settled("regressed", first=first))
    assert change.why == (
        "At least 4.0 % slower in 2 blocks, which confirm the 8 before them; 3 % is allowed."
    )


@pytest.mark.parametrize(("share", "said"), [(0.02 / 3, ", 20 us,"), (0.021 / 3, "")])
def test_the_20_us_are_named_where_they_are_what_is_allowed(share: float, said: str) -> None:
    outcome = GateOutcome("inconclusive", BLOCKS, Judgement("inconclusive", PERCENT, share))
    why = change_of_outcome("net", outcome).why
    assert why.endswith(f"{100 * share:.3g} %{said} is allowed.")


def test_what_was_not_confirmed_is_the_first_series_estimate() -> None:
    first = GateOutcome("regressed", BLOCKS * 4, Judgement("regressed", PERCENT, 0.03))
    why = change_of_outcome("net", settled("pass", first=first)).why
    assert why.startswith("First +5.0 % in 8 blocks, not confirmed by fresh ones. At most 6.0 %")
