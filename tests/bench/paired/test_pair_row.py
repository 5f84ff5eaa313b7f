"""Paired launches in a bench: beside the others, balanced, resumed, and never counted as theirs."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.judge.rows import latest_rows
from asymm_deploy.bench.measure import (
    BenchResumed,
    LaunchDiscarded,
    LaunchFinished,
    PairFinished,
    PairsGivenUp,
)
from asymm_deploy.bench.paired.pair_row import PAIRED_LAUNCHES
from asymm_deploy.errors import ExitCode
from tests.bench.fake_device import NS, Launch, Told
from tests.bench.paired.conftest import ASYMM, MBV3, PRUNED, InTurns, usual

BOTH = f"{ASYMM}+{MBV3}"
PRUNED_TOO = ((ASYMM, MBV3), (PRUNED, MBV3))


def test_a_network_has_its_ratio_to_its_mbv3_with_an_interval(in_turns: InTurns) -> None:
    (ratio,) = in_turns.bench()[ASYMM].paired
    assert ratio.partner == MBV3
    assert (ratio.launches, ratio.made, ratio.exit_code) == (PAIRED_LAUNCHES, PAIRED_LAUNCHES, 0)
    assert ratio.ratio is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.ratio == pytest.approx(1.1, rel=1e-3)
    assert ratio.low < ratio.ratio < ratio.high < 1.01 * ratio.low


def test_the_latencies_are_those_of_a_bench_without(in_turns: InTurns, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    alone = InTurns(tmp_path / "other").bench(pairs=())
    both = in_turns.bench()
    for model in (ASYMM, MBV3):
        assert (both[model].launches, both[model].runs) == (3, 60)
        assert (alone[model].launches, alone[model].runs) == (3, 60)
    assert alone[ASYMM].paired == ()


def test_each_launch_leaves_two_records_that_say_what_they_are(in_turns: InTurns) -> None:
    in_turns.bench()
    found = in_turns.paired
    assert len(found) == 2 * PAIRED_LAUNCHES
    for one, other in zip(found[::2], found[1::2], strict=True):
        assert (one.model, other.model) == (ASYMM, MBV3)
        assert one.started_at == other.started_at
        assert one.launch == other.launch < one.launches_planned == PAIRED_LAUNCHES
        assert {one.written_by, other.written_by} == {"bench"}
        assert {one.schema_version, other.schema_version} == {2}
        assert one.paired is not None
        assert other.paired is not None
        assert (one.paired.partner, other.paired.partner) == (MBV3, ASYMM)
        assert one.paired.partner_sha256 == other.artifact_sha256
        assert one.paired.runs_first != other.paired.runs_first
        assert one.paired.loaded_first != other.paired.loaded_first
    assert {r.schema_version for r in in_turns.records if r.paired is None} == {1}


def test_they_are_spread_over_the_bench_and_what_comes_first_is_balanced(
    in_turns: InTurns,
) -> None:
    in_turns.bench(ASYMM, PRUNED, MBV3, pairs=PRUNED_TOO)
    launched = in_turns.launched()
    rounds = "".join("p" if "+" in what else "." for what in launched)
    assert rounds == "..." + 3 * "pp" + "..." + 3 * "pp" + "..." + 2 * "pp"  # 8 over 3 launches
    firsts = Counter(
        (r.paired.loaded_first, r.paired.runs_first)
        for r in in_turns.paired
        if r.paired is not None and r.model == ASYMM
    )
    assert firsts == dict.fromkeys(itertools.product((True, False), repeat=2), 2)


def test_fewer_launches_than_paired_ones_are_no_matter(in_turns: InTurns) -> None:
    in_turns.bench(launches=1)
    assert in_turns.launched() == [ASYMM, MBV3, *[BOTH] * PAIRED_LAUNCHES]


def test_an_mbv3_that_is_not_timed_itself_has_no_row(in_turns: InTurns) -> None:
    rows = in_turns.bench(ASYMM)
    assert list(rows) == [ASYMM]
    assert rows[ASYMM].paired[0].ratio is not None
    assert [row.model for row in latest_rows(in_turns.records)] == [ASYMM]


def test_nothing_is_done_twice(in_turns: InTurns) -> None:
    first = in_turns.bench()
    lines = (in_turns.results / store.NAME).read_bytes()
    assert in_turns.bench() == first
    assert in_turns.device.asked == []
    assert in_turns.events == [BenchResumed(6 + PAIRED_LAUNCHES)]
    assert (in_turns.results / store.NAME).read_bytes() == lines


def test_a_bench_gets_its_pairs_later_and_keeps_its_latencies(in_turns: InTurns) -> None:
    in_turns.bench(pairs=())
    in_turns.bench()
    assert in_turns.launched() == [BOTH] * PAIRED_LAUNCHES
    in_turns.bench(pairs=())
    assert in_turns.device.asked == []


@pytest.mark.parametrize("ended", range(2, 6))
def test_ctrl_c_leaves_nothing_to_do_again(
    in_turns: InTurns, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two records of a launch, too: the half of it is no launch."""
    count = 0
    append = store.Runs.append

    def appending(self: store.Runs, record: Any) -> None:
        nonlocal count
        count += 1
        if count > 2 + ended:
            raise KeyboardInterrupt
        append(self, record)

    with monkeypatch.context() as patched:
        patched.setattr(store.Runs, "append", appending)
        with pytest.raises(KeyboardInterrupt):
            in_turns.bench()
    rows = in_turns.bench()
    assert in_turns.launched().count(BOTH) == PAIRED_LAUNCHES - ended // 2
    (ratio,) = rows[ASYMM].paired
    assert ratio.launches == ratio.made == PAIRED_LAUNCHES
    assert [row.launches for row in rows.values()] == [3, 3]
    (same,) = latest_rows(in_turns.records)[0].paired
    assert same == ratio


def test_fresh_makes_all_of_them_again(in_turns: InTurns) -> None:
    in_turns.bench()
    rows = in_turns.bench(fresh=True)
    assert in_turns.launched().count(BOTH) == PAIRED_LAUNCHES
    assert {r.attempt for r in in_turns.paired} == {0, 1}
    assert latest_rows(in_turns.records)[0].paired == rows[ASYMM].paired


def test_another_file_is_another_ratio(in_turns: InTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    in_turns.bench()
    make = InTurns.artifact

    def changed(self: InTurns, model: str) -> Any:
        artifact = make(self, model)
        if model != MBV3:
            return artifact
        import dataclasses
        import hashlib

        artifact.path.write_bytes(b"trained")
        return dataclasses.replace(artifact, sha256=hashlib.sha256(b"trained").hexdigest())

    monkeypatch.setattr(InTurns, "artifact", changed)
    in_turns.bench(pairs=())
    assert latest_rows(in_turns.records)[0].paired == ()  # of a file that is gone
    rows = in_turns.bench()
    assert in_turns.launched() == [BOTH] * PAIRED_LAUNCHES
    assert latest_rows(in_turns.records)[0].paired == rows[ASYMM].paired != ()


def test_what_is_allowed_now_counts_and_is_written_down(in_turns: InTurns) -> None:
    in_turns.device.script = lambda launch: Told(ns=usual(launch).ns, cpu=0)
    (ratio,) = in_turns.bench()[ASYMM].paired
    assert (ratio.ratio, ratio.launches, ratio.flags) == (None, 0, ("wrong-core",))
    assert ratio.exit_code == ExitCode.HARNESS
    lines = len(in_turns.records)
    (ratio,) = in_turns.bench(allow=("unverified", "wrong-core"))[ASYMM].paired
    assert in_turns.device.asked == []
    assert (ratio.launches, ratio.flags, ratio.exit_code) == (PAIRED_LAUNCHES, (), 0)
    assert len(in_turns.records) == lines + 2 * PAIRED_LAUNCHES + 6
    assert latest_rows(in_turns.records)[0].paired == (ratio,)


def test_a_runner_that_knows_no_pairs_is_said_once_and_times_the_rest(in_turns: InTurns) -> None:
    in_turns.device.knows_pairs = False
    rows = in_turns.bench(ASYMM, PRUNED, MBV3, pairs=PRUNED_TOO)
    (said,) = [event for event in in_turns.events if isinstance(event, PairsGivenUp)]
    assert said.pairs == (f"{ASYMM} in turns with {MBV3}", f"{PRUNED} in turns with {MBV3}")
    assert "can't time two models in turns" in said.why
    assert [row.launches for row in rows.values()] == [3, 3, 3]
    assert [row.exit_code for row in rows.values()] == [3, 3, 0]
    assert in_turns.paired == []
    assert sum("+" in what for what in in_turns.launched()) == 1
    done = [event for event in in_turns.events if isinstance(event, LaunchFinished)]
    assert (done[-1].done, done[-1].total) == (9, 9)


def test_a_pair_that_fails_is_said_and_the_other_pair_goes_on(in_turns: InTurns) -> None:
    def script(launch: Launch) -> Told:
        # Its first launch is alone, the second one in turns, and so is this.
        fails = launch.model == PRUNED and launch.count == 2
        return Told(error="out of memory") if fails else usual(launch)

    in_turns.device.script = script
    rows = in_turns.bench(ASYMM, PRUNED, MBV3, pairs=PRUNED_TOO)
    failed = [
        event
        for event in in_turns.events
        if isinstance(event, PairFinished) and event.records[0].error is not None
    ]
    assert [event.records[0].model for event in failed] == [PRUNED]
    assert all("out of memory" in str(record.error) for record in failed[0].records)
    (ratio,) = rows[PRUNED].paired
    assert "out of memory" in str(ratio.reason)
    assert (ratio.made, ratio.launches, ratio.exit_code) == (2, 1, ExitCode.HARNESS)
    assert rows[PRUNED].valid
    assert rows[PRUNED].exit_code == ExitCode.HARNESS
    assert (rows[ASYMM].paired[0].launches, rows[ASYMM].exit_code) == (PAIRED_LAUNCHES, 0)
    in_turns.device.script = usual
    again = in_turns.bench(ASYMM, PRUNED, MBV3, pairs=PRUNED_TOO)  # failed ones are repeated
    assert (again[PRUNED].paired[0].launches, again[PRUNED].exit_code) == (PAIRED_LAUNCHES, 0)


def test_a_model_that_fails_alone_is_not_tried_in_turns(in_turns: InTurns) -> None:
    def script(launch: Launch) -> Told:
        return Told(error="no such operator") if launch.model == MBV3 else usual(launch)

    in_turns.device.script = script
    rows = in_turns.bench()
    (said,) = [event for event in in_turns.events if isinstance(event, PairsGivenUp)]
    assert said.why == "one of them failed alone"
    assert in_turns.paired == []
    assert rows[ASYMM].launches == 3


def test_a_missing_model_is_said_once_with_its_exports_code(in_turns: InTurns) -> None:
    rows = in_turns.bench(ASYMM, missing=[MBV3])
    (said,) = [event for event in in_turns.events if isinstance(event, PairsGivenUp)]
    assert said.why == f"there is no {MBV3}"
    assert rows[ASYMM].valid
    assert rows[ASYMM].exit_code == ExitCode.CONVERSION
    assert in_turns.launched() == [ASYMM] * 3


def test_a_failed_launch_of_two_is_no_launch_of_either(in_turns: InTurns) -> None:
    in_turns.device.together = "out of memory"
    rows = in_turns.bench()
    assert [record.error is None for record in in_turns.paired] == [False, False]
    assert [(row.launches, row.valid) for row in rows.values()] == [(3, True), (3, True)]
    read = latest_rows(in_turns.records)
    assert [(row.launches, row.valid) for row in read] == [(3, True), (3, True)]
    assert [row.flags for row in read] == [("unverified",), ("unverified",)]


def test_a_hot_phone_cools_down_before_a_pair_is_repeated(
    in_turns: InTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asymm_deploy.bench.judge import verdicts

    def script(launch: Launch) -> Told:
        hot = launch.model == ASYMM and launch.count == 1  # the first one in turns
        return Told(ns=usual(launch).ns, flags=("hot",) if hot else ())

    in_turns.device.script = script
    monkeypatch.setattr(verdicts, "worth_repeating", lambda record: "hot" in record.flags)
    (ratio,) = in_turns.bench()[ASYMM].paired
    assert in_turns.device.cooled == 1
    (lost,) = [event for event in in_turns.events if isinstance(event, LaunchDiscarded)]
    assert lost.record.paired is not None
    assert (ratio.launches, ratio.made) == (PAIRED_LAUNCHES, PAIRED_LAUNCHES)
    assert len(in_turns.paired) == 2 * PAIRED_LAUNCHES + 2
    assert in_turns.launched().count(BOTH) == PAIRED_LAUNCHES + 1


def test_time_that_others_take_from_the_core_is_not_in_the_ratio(in_turns: InTurns) -> None:
    def script(launch: Launch) -> Told:
        own = usual(launch).ns
        return Told(ns=own + NS, cpu_ns=own)

    in_turns.device.script = script
    (ratio,) = in_turns.bench()[ASYMM].paired
    assert ratio.ratio == pytest.approx(1.1, rel=1e-3)
    assert ratio.by_wall == pytest.approx(1.05, rel=1e-3)


def test_a_launch_that_heat_spoilt_for_good_is_made_again_by_the_next_bench(
    in_turns: InTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asymm_deploy.bench.judge import verdicts

    def hot(launch: Launch) -> Told:
        return Told(ns=usual(launch).ns, flags=("hot",) if launch.model == ASYMM else ())

    in_turns.bench(pairs=())
    in_turns.device.script = hot
    (ratio,) = in_turns.bench()[ASYMM].paired
    assert (ratio.launches, ratio.flags, ratio.exit_code) == (0, ("hot",), ExitCode.UNSTABLE)
    in_turns.device.script = usual
    monkeypatch.setattr(verdicts, "worth_repeating", lambda record: "hot" in record.flags)
    (ratio,) = in_turns.bench()[ASYMM].paired
    assert in_turns.launched() == [BOTH] * PAIRED_LAUNCHES
    assert (ratio.launches, ratio.flags) == (PAIRED_LAUNCHES, ())
