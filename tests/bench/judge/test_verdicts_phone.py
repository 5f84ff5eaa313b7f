"""A phone's calibration and conditions show heat; a host's noise is never taken for it."""

from __future__ import annotations

import msgspec
import pytest

from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import Calibration, Conditions, LaunchRecord, Reading

COOL = Reading(
    battery_percent=75,
    battery_c=28.0,
    thermal_status=0,
    power_save=False,
    screen_on=True,
    scaling_max_khz=3_000_000,
    clock_khz=3_000_000,
)


def on_a_phone(record: LaunchRecord, after: Reading = COOL, **fields: object) -> LaunchRecord:
    conditions = Conditions(
        before=COOL,
        after=after,
        time_in_state_before=None,
        time_in_state_after=None,
        share_at_top_clock=None,
        retries=0,
    )
    changed = msgspec.structs.replace(record, conditions=conditions, **fields)
    samples = tuple(ns + changed.launch for ns in changed.samples_ns)
    return msgspec.structs.replace(changed, samples_ns=samples)


def found(record: LaunchRecord) -> list[str]:
    return verdicts.launch_flags(record, verified_by=None, verifiable=True)


def test_a_calibration_that_is_slower_behind_the_loop_shows_throttling(good: LaunchRecord) -> None:
    slower = Calibration(4.0e10, 4.0e10 / 1.031)
    assert found(on_a_phone(good, calibration=slower)) == ["throttled"]
    assert found(on_a_phone(good, calibration=Calibration(4.0e10, 4.0e10 / 1.029))) == []
    assert found(msgspec.structs.replace(good, calibration=slower)) == []


def test_a_phone_that_was_not_calibrated_is_not_called_slow(good: LaunchRecord) -> None:
    blind = on_a_phone(good, calibration=None)
    assert found(blind) == []
    assert verdicts.row_flags([blind, on_a_phone(good, launch=1)]) == ()


def test_a_row_with_one_slow_core_was_limited_by_something_unseen(good: LaunchRecord) -> None:
    fast = on_a_phone(good, calibration=Calibration(4.0e10, 4.0e10))
    slow = on_a_phone(good, calibration=Calibration(3.5e10, 3.5e10), launch=1)
    assert verdicts.row_flags([fast, slow]) == ("throttled",)
    other = on_a_phone(good, calibration=fast.calibration, launch=2)
    assert verdicts.row_flags([fast, other]) == ()
    hosts = [msgspec.structs.replace(record, conditions=None) for record in (fast, slow)]
    assert verdicts.row_flags(hosts) == ()


@pytest.mark.parametrize(("times", "flags"), [(1.099, ()), (1.101, ("throttled",))])
def test_cores_of_a_row_may_differ_by_a_tenth(
    good: LaunchRecord, times: float, flags: tuple[str, ...]
) -> None:
    fast = on_a_phone(good, calibration=Calibration(4.0e10, 4.0e10))
    slow = on_a_phone(good, calibration=Calibration(4.0e10 / times, 4.0e10 / times), launch=1)
    assert verdicts.row_flags([fast, slow]) == flags
    assert verdicts.row_flags([slow, fast]) == flags
    # The better calibration of each launch counts: the core could go that fast.
    for rates in ((4.0e10 / times, 3.0e10), (3.0e10, 4.0e10 / times)):
        uneven = on_a_phone(good, calibration=Calibration(*rates), launch=1)
        assert verdicts.row_flags([fast, uneven]) == flags


@pytest.mark.parametrize("flag", ["throttled", "hot", "capped-clock"])
def test_what_heat_has_spoilt_is_worth_another_launch(good: LaunchRecord, flag: str) -> None:
    assert verdicts.worth_repeating(on_a_phone(good, flags=(flag,)))
    assert not verdicts.worth_repeating(on_a_phone(good, flags=(flag,), allowed=(flag,)))
    assert not verdicts.worth_repeating(msgspec.structs.replace(good, flags=(flag,)))


def test_what_a_pause_can_not_mend_is_not_repeated(good: LaunchRecord) -> None:
    assert not verdicts.worth_repeating(on_a_phone(good))
    assert not verdicts.worth_repeating(on_a_phone(good, flags=("wrong-core",)))
    assert not verdicts.worth_repeating(on_a_phone(good, flags=("throttled",), error="it died"))


def test_heat_is_seen_where_a_reading_shows_it(good: LaunchRecord) -> None:
    warm = msgspec.structs.replace(COOL, thermal_status=2)
    limited = msgspec.structs.replace(COOL, scaling_max_khz=1_401_600)
    assert verdicts.heat_was_seen(on_a_phone(good, warm))
    assert verdicts.heat_was_seen(on_a_phone(good, limited))
    assert not verdicts.heat_was_seen(on_a_phone(good, calibration=Calibration(4e10, 3e10)))
    assert not verdicts.heat_was_seen(good)
