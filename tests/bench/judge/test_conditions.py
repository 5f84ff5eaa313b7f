"""What a phone tells of itself becomes flags; what it doesn't tell is never taken for good."""

from __future__ import annotations

import msgspec
import pytest

from asymm_deploy.bench.judge import conditions
from asymm_deploy.bench.records import Conditions, Reading

TOP_KHZ = 2_841_600
GOOD = Reading(
    battery_percent=75,
    battery_c=28.0,
    thermal_status=0,
    power_save=False,
    screen_on=True,
    scaling_max_khz=TOP_KHZ,
    clock_khz=TOP_KHZ,
)
NOTHING = Reading(**dict.fromkeys(Reading.__struct_fields__, None))


def around(before: Reading, after: Reading, share: float | None = 1.0) -> Conditions:
    return Conditions(
        before=before,
        after=after,
        time_in_state_before=None,
        time_in_state_after=None,
        share_at_top_clock=share,
        retries=0,
    )


def but(**changes: object) -> Reading:
    return msgspec.structs.replace(GOOD, **changes)


def test_a_cool_phone_at_its_top_clock_has_no_flag() -> None:
    assert conditions.condition_flags(around(GOOD, GOOD), TOP_KHZ) == ()


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"thermal_status": 1}, "throttled"),
        ({"battery_c": 35.1}, "hot"),
        ({"battery_percent": 24}, "battery-low"),
        ({"power_save": True}, "power-save"),
        ({"screen_on": False}, "screen-off"),
        ({"scaling_max_khz": TOP_KHZ - 100_000}, "capped-clock"),
        ({"thermal_status": None}, "unwatched"),
        ({"battery_c": None}, "unwatched"),
        ({"scaling_max_khz": None}, "unwatched"),
    ],
)
def test_each_condition_has_its_flag(changes: dict[str, object], flag: str) -> None:
    spoilt = but(**changes)
    assert conditions.condition_flags(around(spoilt, spoilt), TOP_KHZ) == (flag,)


@pytest.mark.parametrize("changes", [{"battery_c": 35.0}, {"battery_percent": 25}])
def test_the_bounds_themselves_are_good(changes: dict[str, object]) -> None:
    assert conditions.condition_flags(around(but(**changes), GOOD), TOP_KHZ) == ()


def test_a_limit_that_comes_during_the_launch_is_throttling() -> None:
    limited = but(scaling_max_khz=1_401_600)
    assert conditions.condition_flags(around(GOOD, limited), TOP_KHZ) == ("throttled",)
    assert conditions.condition_flags(around(limited, GOOD), TOP_KHZ) == ("capped-clock",)


def test_a_core_that_seldom_reached_its_top_clock_was_limited_by_something_unseen() -> None:
    assert conditions.condition_flags(around(GOOD, GOOD, share=0.09), TOP_KHZ) == ("capped-clock",)
    assert conditions.condition_flags(around(GOOD, GOOD, share=0.1), TOP_KHZ) == ()
    assert conditions.condition_flags(around(GOOD, GOOD, share=None), TOP_KHZ) == ()


def test_what_is_known_to_be_throttled_is_not_capped_as_well() -> None:
    limited = but(scaling_max_khz=1_401_600)
    assert conditions.condition_flags(around(GOOD, limited, share=0.05), TOP_KHZ) == ("throttled",)


def test_a_limit_above_the_top_clock_limits_nothing() -> None:
    boosted = but(scaling_max_khz=TOP_KHZ + 100_000)
    assert conditions.condition_flags(around(boosted, boosted), TOP_KHZ) == ()


def test_a_limit_says_nothing_where_the_top_clock_is_unknown() -> None:
    assert conditions.condition_flags(around(GOOD, GOOD), None) == ("unwatched",)


BEFORE = {825_600: 9000, 1_401_600: 100, TOP_KHZ: 500}
"""Ticks at each clock since the phone was started, which are no measure of this launch."""


def clocks(before: dict[int, int] | None, after: dict[int, int] | None) -> Conditions:
    read = around(GOOD, GOOD)
    return msgspec.structs.replace(read, time_in_state_before=before, time_in_state_after=after)


def test_the_usual_clock_is_that_of_most_ticks_during_the_launch() -> None:
    after = {825_600: 9003, 1_401_600: 150, TOP_KHZ: 520}
    assert conditions.usual_clock_khz(clocks(BEFORE, after)) == 1_401_600
    after = {825_600: 9003, 1_401_600: 104, TOP_KHZ: 520}
    assert conditions.usual_clock_khz(clocks(BEFORE, after)) == TOP_KHZ


FEWER = {825_600: 9000, TOP_KHZ: 520}


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, BEFORE), (BEFORE, None), (None, None), ({}, {}), (BEFORE, FEWER), (FEWER, BEFORE)],
    ids=["no first", "no second", "neither", "empty", "a clock went", "a clock came"],
)
def test_without_ticks_at_the_same_clocks_there_is_no_usual_one(
    before: dict[int, int] | None, after: dict[int, int] | None
) -> None:
    assert conditions.usual_clock_khz(clocks(before, after)) is None


def test_a_phone_of_which_nothing_can_be_read_is_unwatched_and_no_problem() -> None:
    assert conditions.condition_flags(around(NOTHING, NOTHING, None), None) == ("unwatched",)
    assert conditions.reading_problems(NOTHING, None) == []


def test_every_problem_says_what_to_do_and_has_a_name_to_allow() -> None:
    worst = Reading(
        battery_percent=9,
        battery_c=41.0,
        thermal_status=2,
        power_save=True,
        screen_on=False,
        scaling_max_khz=825_600,
        clock_khz=825_600,
    )
    found = conditions.reading_problems(worst, TOP_KHZ)
    assert {problem.name for problem in found} == {
        *("throttled", "capped-clock", "hot", "battery-low", "power-save", "screen-off")
    }
    assert all(problem.what and problem.to_do for problem in found)
    assert any("9 %" in problem.what for problem in found)
