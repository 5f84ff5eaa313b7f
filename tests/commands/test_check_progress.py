"""A live comparison says how it goes, block by block, and is made on one device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.check.live.block_taker import BlockSpoilt
from asymm_deploy.check.live.procedure import (
    BlockPlace,
    GateOutcome,
    SeriesProgress,
    SeriesSettled,
)
from asymm_deploy.check.live.time_pairs import CheckResumed, LiveEvent
from asymm_deploy.commands import check_progress, console
from asymm_deploy.commands.check_progress import CheckProgress

LOST = DiscardedBlock(model="net", block=3, reason="baseline: hot")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (CheckResumed(12), "12 launches were measured before and are kept"),
        (BlockSpoilt(LOST, redone=True), "net, block 3, does not count: baseline: hot; it is"),
        (BlockSpoilt(LOST, redone=False), "that was the last try"),
        (SeriesSettled("net", 0, GateOutcome("pass", ())), "net: pass after 0 blocks"),
        (SeriesSettled("net", 0, GateOutcome("regressed", ())), "to be confirmed by fresh ones"),
        (SeriesSettled("net", 1, GateOutcome("regressed", ())), "net: regressed after 0 blocks"),
    ],
)
def test_each_event_is_a_line(
    event: LiveEvent, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with CheckProgress().watching(8) as show:
        show(event)
    assert said in capsys.readouterr().err


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
    found: object = check_progress.single_device("A", Path("runner"), ["hot"])
    assert isinstance(found, FakeDevice)
    check_progress.single_device(None, None, ())
    assert asked == [(["A"], Path("runner"), ("hot",)), ([], None, ())]


class FakeDevice:
    def __init__(self, tell: object) -> None: ...

    def facts(self, cpus: object) -> None: ...
