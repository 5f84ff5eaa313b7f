"""The sentence on a model's latency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.check.live.latency_change import change_of_outcome

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
