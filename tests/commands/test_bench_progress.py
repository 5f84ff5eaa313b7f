"""A bench says what was kept, does not count or failed, and moves the bar launch by launch."""

from __future__ import annotations

import msgspec
import pytest

from asymm_deploy.bench.measure import (
    BenchEvent,
    BenchResumed,
    LaunchDiscarded,
    LaunchFinished,
    LaunchStarted,
)
from asymm_deploy.bench.records import Conditions, LaunchRecord, Reading
from asymm_deploy.commands.bench_progress import BenchProgress

READING = Reading(
    battery_percent=75,
    battery_c=31.4,
    thermal_status=0,
    power_save=False,
    screen_on=True,
    scaling_max_khz=2_841_600,
    clock_khz=300_000,
)
AROUND = Conditions(
    before=msgspec.structs.replace(READING, battery_c=20.0),
    after=READING,
    time_in_state_before={300_000: 500, 2_841_600: 10},
    time_in_state_after={300_000: 520, 2_841_600: 90},
    share_at_top_clock=0.8,
    retries=0,
)


def shown(*events: BenchEvent, several: bool = False) -> list[str]:
    moved: list[str] = []
    progress = BenchProgress(moved.append, several_devices=several)
    for event in events:
        progress.show("phone", event)
    return moved


def finished(record: LaunchRecord, **fields: object) -> LaunchFinished:
    return LaunchFinished(msgspec.structs.replace(record, **fields), 1, 10)


def test_kept_launches_move_the_bar_and_are_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(BenchResumed(3)) == ["resumed"] * 3
    assert capsys.readouterr().err == (
        "3 launches were measured before and are kept (--fresh repeats them)\n"
    )


def test_a_finished_launch_shows_its_median(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = (9_000_000, 9_557_000, 99_000_000)
    assert shown(finished(good, launch=4, samples_ns=samples)) == ["net #5 9.56 ms"]
    assert capsys.readouterr().err == ""


def test_a_phones_heat_and_clock_are_shown_as_they_were_behind_the_launch(
    good: LaunchRecord,
) -> None:
    (moved,) = shown(finished(good, conditions=AROUND))
    assert moved == "net #1 10.05 ms, 31 degC, 2.84 GHz"


def test_what_a_phone_does_not_tell_is_left_out(good: LaunchRecord) -> None:
    hidden = msgspec.structs.replace(READING, battery_c=None)
    around = msgspec.structs.replace(AROUND, after=hidden, time_in_state_after=None)
    assert shown(finished(good, conditions=around)) == ["net #1 10.05 ms"]


def test_a_failed_launch_is_told_with_its_reason(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(finished(good, launch=2, samples_ns=(), error="it died")) == ["net #3 failed"]
    assert capsys.readouterr().err == "net, launch 2: it died\n"


def test_a_launch_that_does_not_count_moves_nothing(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    hot = msgspec.structs.replace(good, flags=("throttled", "hot"))
    assert shown(LaunchDiscarded(hot)) == []
    assert "net, launch 0 does not count (throttled hot)" in capsys.readouterr().err


def test_that_a_launch_began_is_not_worth_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(LaunchStarted("net", 0, 0, 10)) == []
    assert capsys.readouterr().err == ""


def test_of_several_devices_every_line_names_its_own(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = finished(good, samples_ns=(), error="it died")
    events = (BenchResumed(1), LaunchDiscarded(good), failed)
    moved = shown(*events, several=True)
    assert moved == ["phone: resumed", "phone: net #1 failed"]
    assert all(line.startswith("phone: ") for line in capsys.readouterr().err.splitlines())
