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
    PairFinished,
    PairsGivenUp,
)
from asymm_deploy.bench.records import Conditions, LaunchRecord, PairedRatio, PairedRuns, Reading
from asymm_deploy.commands.bench_progress import BenchProgress, in_turns_text

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


def in_turns(record: LaunchRecord, **fields: object) -> PairFinished:
    def one(model: str, partner: str, ns: int) -> LaunchRecord:
        paired = PairedRuns(
            partner_sha256="1" * 64,
            partner=partner,
            loaded_first=True,
            runs_first=True,
            cpu_ns=(ns, ns + 1),
            start_ns=(0, 1),
        )
        changes = {"model": model, "paired": paired, "samples_ns": (ns, ns), **fields}
        return msgspec.structs.replace(record, **changes)

    return PairFinished((one("net", "mbv3", 11_000), one("mbv3", "net", 10_000)), 1, 10)


def test_a_paired_launch_shows_its_ratio(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(in_turns(good, launch=4)) == ["net with mbv3 #5 x 1.100"]
    assert capsys.readouterr().err == ""


def test_a_paired_launch_that_fails_or_does_not_count_names_both(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = in_turns(good, samples_ns=(), error="it died")
    assert shown(failed) == ["net with mbv3 #1 failed"]
    hot = in_turns(good, flags=("hot",)).records[0]
    assert shown(LaunchDiscarded(hot)) == []
    assert capsys.readouterr().err.splitlines() == [
        "net in turns with mbv3, launch 0: it died",
        "net in turns with mbv3, launch 0 does not count (hot): it is repeated after a pause",
    ]


def test_pairs_that_are_given_up_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = tuple(f"{letter} in turns with z" for letter in "abcde")
    assert shown(PairsGivenUp(names, "it knows none", 1, 2), several=True) == []
    assert capsys.readouterr().err == (
        "phone: no more launches of a in turns with z; b in turns with z; c in turns with z; "
        "2 more: it knows none\n"
    )


def test_a_ratio_is_told_with_its_interval_and_what_does_not_count() -> None:
    found = PairedRatio(partner="z", ratio=1.0796, low=1.0618, high=1.098, launches=8, made=8)
    told = "takes 1.080 times as long as z (1.062 to 1.098), by 8 paired launches"
    assert in_turns_text(found) == told
    single = PairedRatio(partner="z", ratio=1.0796, launches=1, made=3, flags=("split-pairs",))
    assert in_turns_text(single) == (
        "takes 1.080 times as long as z, by 1 of 3 paired launches, without split-pairs"
    )
