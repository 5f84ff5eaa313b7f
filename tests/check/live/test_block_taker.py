"""The order of launches, what spoils a block, and how often it is repeated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench import store
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_store import BLOCKS_FILE, BlockLine
from asymm_deploy.check.live.block_taker import BlockSpoilt
from asymm_deploy.check.live.latency_change import change_of_outcome

NS = 10_000_000


Script = Callable[[Any], Any]
Slower = Callable[[float, Any], Script]
Lines = Callable[[Path], list[BlockLine]]


def test_arms_take_turns_in_both_orders_and_a_seed_repeats_them(
    lines: Lines, slower: Slower, check: Any, told: Any, tmp_path: Path
) -> None:
    check(slower(0.05, told))
    first = [line.order for line in lines(tmp_path)]
    assert set(first) == {"ABBA", "BAAB"}
    launched = "".join(launch.arm for launch in check.device.launched)
    assert launched == "".join(first)
    for pair in zip(first[::2], first[1::2], strict=True):
        assert set(pair) == {"ABBA", "BAAB"}  # as many of the one as of the other, at every look
    assert len(set(first[::2])) == 2  # and which comes first is drawn
    (tmp_path / "out" / BLOCKS_FILE).unlink()
    check(slower(0.05, told))
    assert [line.order for line in lines(tmp_path)] == first
    check(slower(0.05, told), seed=1)
    assert [line.order for line in lines(tmp_path)[len(first) :]] != first


def test_each_launch_is_the_only_one_of_its_plan_and_numbered_by_its_line(
    slower: Slower, check: Any, told: Any, tmp_path: Path
) -> None:
    check(slower(0.0, told))
    records = store.load(tmp_path / "out")
    assert [record.launch for record in records] == list(range(32))
    assert {(record.attempt, record.launches_planned) for record in records} == {(0, 1)}


def test_each_file_is_put_on_the_device_once(check: Any, told: Any) -> None:
    check(lambda launch: told(), "one", "two")
    assert len(check.device.placed) == len(set(check.device.placed)) == 4


def test_a_drift_of_10_percent_falls_on_both_arms_alike(check: Any, told: Any) -> None:
    def drifting(launch: Any) -> Any:
        return told(ns=NS * (1 + 0.1 * len(check.device.launched) / 32))

    assert check(drifting).outcomes["net"].verdict == "pass"


def test_a_spoilt_block_keeps_its_order(
    lines: Lines, check: Any, told: Any, tmp_path: Path
) -> None:
    check(lambda launch: told(flags=("stolen-time",) if launch.count % 5 == 1 else ()), seed=3)
    orders: dict[int, set[str]] = {}
    for line in lines(tmp_path):
        orders.setdefault(line.block, set()).add(line.order)
    assert any(line.redone for line in lines(tmp_path))
    assert all(len(found) == 1 for found in orders.values())


def test_a_disturbed_launch_voids_its_block_which_is_done_again(check: Any, told: Any) -> None:
    def once(launch: Any) -> Any:
        disturbed = launch.arm == "A" and launch.count == 3
        return told(flags=("stolen-time",) if disturbed else ())

    found = check(once)
    assert found.outcomes["net"].verdict == "pass"
    (discarded,) = found.discarded
    assert (discarded.model, discarded.block) == ("net", 1)
    assert "baseline: stolen-time" in discarded.reason
    (event,) = [event for event in check.events if isinstance(event, BlockSpoilt)]
    assert (event.redone, event.flags, event.cpus) == (True, ("stolen-time", "unverified"), (1,))
    assert not event.earlier
    assert discarded.side == "baseline"
    assert discarded.cause.startswith("stolen-time (")
    (counted,) = found.launches["net"]
    assert len(counted.baseline) == len(counted.candidate) == 16
    assert all(record.valid for record in counted.baseline)


def test_a_machine_that_spoils_every_block_is_unstable(check: Any, told: Any) -> None:
    found = check(lambda launch: told(flags=("stolen-time",) if launch.arm == "B" else ()))
    outcome = found.outcomes["net"]
    assert outcome.verdict == "unstable"
    assert len(found.discarded) == 18  # six blocks, three times each
    change = change_of_outcome("net", outcome)
    assert "spoilt 3 times" in change.why
    assert "stolen-time" in change.why
    assert "repeat the command when the machine is quiet, or start anew with --fresh" in change.why


def test_on_a_quiet_machine_the_same_command_gets_over_a_disturbance(
    slower: Slower, check: Any, told: Any, tmp_path: Path
) -> None:
    noisy = check(lambda launch: told(flags=("stolen-time",) if launch.arm == "B" else ()))
    assert noisy.outcomes["net"].verdict == "unstable"
    spoilt = (tmp_path / "out" / store.NAME).read_bytes()
    quiet = check(slower(0.0, told))
    assert quiet.outcomes["net"].verdict == "pass"
    assert len(check.device.launched) == 32
    assert quiet.discarded == noisy.discarded  # they still are no secret
    assert all(event.redone for event in check.events if isinstance(event, BlockSpoilt))
    assert (tmp_path / "out" / store.NAME).read_bytes().startswith(spoilt)
    again = check(slower(0.05, told))
    assert check.device.launched == []
    assert again.outcomes["net"].verdict == "pass"


def test_a_block_lost_twice_over_is_lost_again_where_the_disturbance_stays(
    check: Any, told: Any
) -> None:
    for checks in (1, 2):
        found = check(lambda launch: told(flags=("stolen-time",)))
        assert found.outcomes["net"].verdict == "unstable"
        assert len(check.device.launched) == 18
        assert len(found.discarded) == 18 * checks
        earlier = [event.earlier for event in check.events if isinstance(event, BlockSpoilt)]
        assert (sum(earlier), len(earlier)) == (18 * (checks - 1), 18 * checks)


def test_an_interruption_gives_a_block_no_further_tries(check: Any, told: Any) -> None:
    def until_lost(launch: Any) -> Any:
        if len(check.device.launched) >= 4:
            raise KeyboardInterrupt
        return told(flags=("hot",))

    with suppress(KeyboardInterrupt):
        check(until_lost)
    # Block 0 was spoilt three times in a row, and block 1 once: two tries are left to it.
    check(lambda launch: told(flags=("hot",)), max_blocks=8)
    tries = [event.discarded.block for event in check.events if isinstance(event, BlockSpoilt)]
    assert tries[:9] == [0] * 6 + [1] * 3


def test_a_phone_that_is_hot_gets_its_pause_before_the_block_is_done_again(
    check: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asymm_deploy.bench.judge.verdicts.worth_repeating", lambda record: True)
    check(lambda x: told(flags=("hot",) if (x.arm, x.count) == ("A", 0) else ()))
    assert check.device.cooled == 1


def test_a_file_that_is_not_what_was_exported_fails_its_arm(
    slower: Slower,
    check: Any,
    told: Any,
    pair: Callable[[str], Pair],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asymm_deploy.bench.artifact.sha256_of", lambda path: "0" * 64)
    change = change_of_outcome("net", check(slower(0, told)).outcomes["net"])
    assert change.verdict == "failed"
    assert "SHA-256 differs" in change.why
