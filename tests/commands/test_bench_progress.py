"""Each launch is a step of the bar; what people must know is a line."""

from __future__ import annotations

import msgspec
import pytest

from asymm_deploy.bench.measure import (
    BenchResumed,
    LaunchDiscarded,
    LaunchFinished,
    LaunchStarted,
)
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.commands.bench_progress import BenchProgress


def shown(
    event: BenchResumed | LaunchStarted | LaunchFinished | LaunchDiscarded,
    capsys: pytest.CaptureFixture[str],
    *,
    several: bool = False,
) -> tuple[list[str], str]:
    """Return the steps of the bar, and what was said."""
    steps: list[str] = []
    BenchProgress(steps.append, several_devices=several).show("A", event)
    return steps, capsys.readouterr().err


def test_kept_launches_are_steps_that_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    steps, said = shown(BenchResumed(3), capsys)
    assert steps == ["resumed"] * 3
    assert said == "3 launches were measured before and are kept (--fresh repeats them)\n"


def test_a_finished_launch_shows_its_median(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record = msgspec.structs.replace(good, launch=4, samples_ns=(1_000_000, 2_500_000, 9_000_000))
    assert shown(LaunchFinished(record, 1, 2), capsys) == (["net #5 2.50 ms"], "")


def test_a_failed_launch_says_why(good: LaunchRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record = msgspec.structs.replace(good, samples_ns=(), error="it hung")
    assert shown(LaunchFinished(record, 1, 2), capsys) == (
        ["net #1 failed"],
        "net, launch 0: it hung\n",
    )


def test_a_discarded_launch_is_no_step(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record = msgspec.structs.replace(good, flags=("hot", "throttled"))
    assert shown(LaunchDiscarded(record), capsys) == (
        [],
        "net, launch 0 does not count (hot throttled): it is repeated after a pause\n",
    )


def test_a_start_is_nothing_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(LaunchStarted("net", 0, 0, 2), capsys) == ([], "")


def test_of_several_devices_each_line_names_its_own(
    good: LaunchRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    steps, said = shown(LaunchFinished(good, 1, 2), capsys, several=True)
    assert steps[0].startswith("A: net #1 ")
    assert said == ""
    assert shown(BenchResumed(1), capsys, several=True)[1].startswith("A: 1 launches ")
