"""A curve's levels, and when its device began to throttle, by each of the three signs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.bench.sustained.levels import Throttled, first_window_s, levels_of


def test_the_first_level_is_of_ten_seconds_and_the_last_of_a_fifth(
    a_curve: Callable[..., Any],
) -> None:
    found = levels_of(a_curve([20.0] * 10 + [25.0] * 70 + [30.0] * 20))
    assert found.first_ms == 20
    assert found.sustained_ms == 30
    assert found.sustained_over_first == 1.5
    assert [first_window_s(s) for s in (5, 20, 50, 100, 1800)] == [1, 2, 5, 10, 10]


def test_one_that_did_not_reach_its_end_has_no_sustained_level(a_curve: Callable[..., Any]) -> None:
    found = levels_of(a_curve([20.0] * 30, for_s=100, is_whole=False))
    assert found.first_ms == 20
    assert found.sustained_ms is None
    assert found.sustained_over_first is None
    assert levels_of(a_curve([], for_s=100, is_whole=False)).first_ms is None


@pytest.mark.parametrize(
    ("ms", "at_s"),
    [
        ([20.0] * 40 + [21.1] * 60, 40),
        ([20.0] * 40 + [20.9] * 60, None),  # not above 1.05 times
        ([20.0] * 40 + [30.0] * 6 + [20.0] * 54, None),  # a hiccup, shorter than a tenth
        ([20.0] * 40 + [30.0] * 5 + [20.0] + [30.0] * 54, 40),  # one good second in ten
        ([20.0] * 40 + [30.0] * 20 + [20.0] * 40, 40),  # it recovers, and had begun
        ([20.0] * 95 + [30.0] * 5, None),  # the window is not over
        ([20.0] * 90 + [30.0] * 10, 90),
    ],
)
def test_it_is_slower_from_the_second_on_that_begins_a_slow_window(
    a_curve: Callable[..., Any], ms: list[float], at_s: float | None
) -> None:
    found = levels_of(a_curve(ms))
    assert found.slower_at_s == at_s
    assert found.throttled == (None if at_s is None else Throttled(at_s, "slower"))


def test_the_first_sign_counts_whichever_it_is(
    a_curve: Callable[..., Any], a_reading: Callable[..., Any]
) -> None:
    ms = [20.0] * 50 + [30.0] * 50
    cool, capped, hot = a_reading(), a_reading(scaling_max_khz=2_131_200), a_reading(
        thermal_status=1
    )  # fmt: skip

    def told(*where: tuple[int, Any]) -> Throttled | None:
        readings = [dict(where).get(at, cool if at % 2 else None) for at in range(100)]
        return levels_of(a_curve(ms, readings)).throttled

    assert told() == Throttled(50, "slower")
    assert told((44, capped)) == Throttled(45, "cap")
    assert told((44, capped), (42, hot)) == Throttled(43, "status")
    assert told((60, capped), (60, hot)) == Throttled(50, "slower")


def test_what_cant_be_read_is_no_sign(
    a_curve: Callable[..., Any], a_reading: Callable[..., Any]
) -> None:
    blind = a_reading(thermal_status=None, scaling_max_khz=None)
    assert levels_of(a_curve([20.0] * 20, [blind] * 20)).throttled is None
