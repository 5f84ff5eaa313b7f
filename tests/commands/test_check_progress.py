"""A live comparison says how it goes, block by block, and is made on one device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.check.live.block_taker import BlockSpoilt
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import (
    BlockPlace,
    GateOutcome,
    SeriesProgress,
    SeriesSettled,
)
from asymm_deploy.check.live.time_pairs import CheckResumed, LiveEvent
from asymm_deploy.commands import check_progress, console
from asymm_deploy.commands.check_progress import CheckProgress

TWO = (BlockMedians((1.0, 1.0), (1.0, 1.0)),) * 2
LOST = DiscardedBlock(model="net", block=3, reason="baseline: hot")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (CheckResumed(1), "1 launch was measured before and is kept (--fresh repeats it)\n"),
        (CheckResumed(12), "12 launches were measured before and are kept"),
        (BlockSpoilt(LOST, redone=True), "net, block 3, does not count: baseline: hot; it is"),
        (BlockSpoilt(LOST, redone=False), "that was the last try"),
        (SeriesSettled("net", 0, GateOutcome("pass", TWO)), "net: pass after 2 blocks"),
        (SeriesSettled("net", 0, GateOutcome("regressed", TWO)), "to be confirmed by fresh ones"),
        (SeriesSettled("net", 1, GateOutcome("regressed", TWO)), "net: regressed after 2 blocks"),
        (
            SeriesSettled("net", 0, GateOutcome("unstable", TWO[1:])),
            "net: unstable after 1 block\n",
        ),
        (SeriesSettled("net", 0, GateOutcome("failed", ())), "net: failed, and none of its"),
    ],
)
def test_each_event_is_a_line(
    event: LiveEvent, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with CheckProgress().watching(8) as show:
        show(event)
    assert said in capsys.readouterr().err


SPOILT = DiscardedBlock(
    model="net", block=0, reason="baseline: hot (too warm)", side="baseline", cause="hot (too warm)"
)


def test_many_spoilt_blocks_are_a_few_lines_and_the_saturated_core_is_said_early(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with CheckProgress().watching(8) as show:
        for number in range(18):
            show(BlockSpoilt(SPOILT, number % 3 < 2, ("stolen-time",), (2, 3)))
            if number == 2:
                early = capsys.readouterr().err
    assert "core 2+3 is saturated: something else ran on it in each of the last 3 tries" in early
    assert "choose another core with --cpu N" in early
    assert early.count("\n") == 4
    assert capsys.readouterr().err == ""


def test_blocks_that_are_spoilt_now_and_then_are_no_saturated_core(
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = BlockPlace("net", 0, 0)
    with CheckProgress().watching(8) as show:
        for _ in range(5):
            show(BlockSpoilt(SPOILT, True, ("stolen-time",), ()))
            show(BlockSpoilt(SPOILT, True, ("stolen-time",), ()))
            show(SeriesProgress(place, None, 7))
        assert "saturated" not in capsys.readouterr().err
        for redone in (True, True, False):
            show(BlockSpoilt(SPOILT, redone, ("stolen-time",), ()))
            show(SeriesProgress(place, None, 7)) if not redone else None
    assert "this machine is saturated" in capsys.readouterr().err


def test_what_else_spoils_one_block_after_another_is_named_and_earlier_checks_are_not_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with CheckProgress().watching(8) as show:
        for _ in range(9):
            show(BlockSpoilt(SPOILT, True, ("hot",), (1,), earlier=True))
        assert capsys.readouterr().err == ""
        for _ in range(9):
            show(BlockSpoilt(SPOILT, True, ("hot", "unwatched"), (1,)))
    said = "each of the last 3 tries was spoilt, by hot: if that goes on, net will be unstable"
    assert capsys.readouterr().err.count(said) == 1


def test_the_bar_counts_blocks_and_those_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[str, int | None]] = []

    class Bar:
        def __enter__(self) -> Any:
            return lambda what, total=None: moved.append((what, total))

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(console, "progress", lambda description, total: Bar())
    with CheckProgress().watching(8) as show:
        show(SeriesProgress(BlockPlace("net", 0, 0), None, 7))
        show(SeriesProgress(BlockPlace("net", 1, 4), 0.0512, 3))
    assert moved == [("net, block 0", 8), ("net, confirming block 4, +5.1 %", 5)]


def test_the_one_device_is_this_machine_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def makers(names: Any, runner: Any, options: Any, tell: Any) -> Any:
        asked.append((names, runner, options.allow))
        return {"A": FakeDevice}

    monkeypatch.setattr(check_progress, "device_makers", makers)
    with check_progress.device_to_check_on("A", None, Path("runner"), ["hot"]) as make:
        found: object = make()
        assert isinstance(found, FakeDevice)
    with check_progress.device_to_check_on(None, None, None, ()) as make:
        make()
    assert asked == [(["A"], Path("runner"), ("hot",)), ([], None, ())]


class FakeDevice:
    def __init__(self, tell: object) -> None: ...

    def facts(self, cpus: object) -> None: ...
