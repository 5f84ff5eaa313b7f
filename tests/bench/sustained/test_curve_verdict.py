"""What spoils a curve and what it was made to show: heat is told and spoils nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.bench.records import Calibration
from asymm_deploy.bench.sustained.curve_verdict import judged_curve
from asymm_deploy.errors import ExitCode


@pytest.fixture
def judged(
    a_curve: Callable[..., Any],
    a_record: Callable[..., Any],
    a_reading: Callable[..., Any],
    a_loop: Callable[..., Any],
) -> Callable[..., Any]:
    def judge(
        ms: list[float] | None = None,
        readings: list[Any] | None = None,
        *,
        every_ms: float | None = None,
        loop: dict[str, Any] | None = None,
        seconds: dict[str, Any] | None = None,
        **of_record: Any,
    ) -> Any:
        ms = ms or [20.0] * 40
        curve = a_curve(ms, readings or [a_reading()] * len(ms), every_ms=every_ms, **of_record)
        if seconds:
            import msgspec

            curve.seconds = [msgspec.structs.replace(x, **seconds) for x in curve.seconds]
        whole = a_loop(curve)
        if loop:
            import msgspec

            whole = msgspec.structs.replace(whole, **loop)
        return judged_curve(a_record(**of_record), (), curve, whole)

    return judge


def test_a_steady_one_has_no_flag(judged: Callable[..., Any]) -> None:
    assert judged().flags == ()
    assert judged().valid


def test_heat_that_comes_is_told_and_spoils_nothing(
    judged: Callable[..., Any], a_reading: Callable[..., Any]
) -> None:
    cool = a_reading()
    hot = a_reading(thermal_status=2, battery_c=39.0, scaling_max_khz=1_401_600)
    found = judged([20.0] * 20 + [40.0] * 20, [cool] * 20 + [hot] * 20)
    assert found.flags == ("throttled", "hot")
    assert found.valid
    assert found.exit_code == ExitCode.OK


def test_heat_from_before_spoils_it_unless_allowed(
    judged: Callable[..., Any], a_reading: Callable[..., Any]
) -> None:
    hot = a_reading(battery_c=39.0)
    assert not judged(readings=[hot] * 40).valid
    assert judged(readings=[hot] * 40).exit_code == ExitCode.UNSTABLE
    assert judged(readings=[hot] * 40, allowed=("hot",)).valid
    # Of one that is taken up, the first seconds were not read.
    assert judged(readings=[None] * 20 + [hot] * 20).valid


@pytest.mark.parametrize(
    ("changed", "flag", "valid"),
    [
        ({"seconds": {"core": 4}}, "wrong-core", False),
        ({"seconds": {"min_ns": 20_000_000, "max_ns": 20_000_000}}, "no-variance", False),
        ({"loop": {"waited_ns": 10**9}}, "stolen-time", False),
        ({"loop": {"steal_ns": 10**9}}, "stolen-time", False),
        ({"loop": {"cpu_ns": 35 * 10**9}}, "stolen-time", False),
        ({"loop": {"late": 30}, "every_ms": 20.0}, "late", True),
        ({"ms": [20.0] * 20 + [22.0] * 20}, "slower", True),
        ({"floor_madds": 10**9, "calibration": Calibration(3e10, 3e10)}, "below-floor", False),
    ],
)
def test_each_flag(
    judged: Callable[..., Any], changed: dict[str, Any], flag: str, valid: bool
) -> None:
    found = judged(**changed)
    assert found.flags == (flag,)
    assert found.valid is valid


def test_waking_up_for_frames_is_no_stolen_time(judged: Callable[..., Any]) -> None:
    assert judged(every_ms=20.0, loop={"waited_ns": 10**10}).flags == ()
    assert judged(every_ms=20.0, loop={"cpu_ns": 35 * 10**9}).flags == ("stolen-time",)


def test_a_few_late_frames_are_no_flag(judged: Callable[..., Any]) -> None:
    assert judged(every_ms=20.0, loop={"late": 20}).flags == ()


def test_what_nobody_could_read_is_said(
    judged: Callable[..., Any], a_reading: Callable[..., Any]
) -> None:
    for blind in (a_reading(thermal_status=None), a_reading(scaling_max_khz=None), None):
        assert judged(readings=[blind] * 40).flags == ("unwatched",)
    assert judged(readings=[None] * 39 + [a_reading()]).flags == ()


def test_power_save_and_a_low_battery_are_no_heat(
    judged: Callable[..., Any], a_reading: Callable[..., Any]
) -> None:
    found = judged(readings=[a_reading()] * 20 + [a_reading(power_save=True)] * 20)
    assert found.flags == ("power-save",)
    assert not found.valid
