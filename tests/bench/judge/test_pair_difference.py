"""The median of pairs: what it bears, by which clock it is taken, and what is no pair any more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.judge.pair_difference import (
    has_cpu_times,
    pair_difference,
    split_share,
)
from asymm_deploy.bench.records import LaunchRecord, PairedRuns

MS = 10**6


@dataclass(frozen=True)
class Runs:
    """One side of a launch."""

    ns: list[int]
    cpu_ns: list[int] | None = None


Pair = Callable[[Runs, Runs], tuple[LaunchRecord, LaunchRecord]]


@pytest.fixture
def pair(good: LaunchRecord) -> Pair:
    """Make the two records of one launch; the baseline runs first, and nothing lies between."""

    def made(before: Runs, after: Runs) -> tuple[LaunchRecord, LaunchRecord]:
        now = 0
        starts: tuple[list[int], list[int]] = ([], [])
        for one, other in zip(before.ns, after.ns, strict=True):
            starts[0].append(now)
            starts[1].append(now + one)
            now += one + other
        return tuple(  # type: ignore[return-value]
            msgspec.structs.replace(
                good,
                samples_ns=tuple(runs.ns),
                threads=1,
                paired=PairedRuns(
                    partner_sha256="0" * 64,
                    loaded_first=side == 0,
                    runs_first=side == 0,
                    cpu_ns=None if runs.cpu_ns is None else tuple(runs.cpu_ns),
                    start_ns=tuple(starts[side]),
                ),
            )
            for side, runs in enumerate((before, after))
        )

    return made


def jittered(ns: float, count: int = 20, seed: int = 0) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int(x) for x in ns * np.exp(0.01 * rng.normal(size=count))]


def test_the_difference_is_the_median_over_pairs_of_the_logs(pair: Pair) -> None:
    before = [10 * MS + 1, 20 * MS, 40 * MS]
    found = pair_difference(*pair(Runs(before), Runs([11 * MS, 40 * MS, 44 * MS])))
    assert found.wall == pytest.approx(math.log(1.1), abs=1e-6)
    assert found.cpu is None
    assert found.by("cpu") == found.by("wall") == found.wall
    assert found.pairs == 3


@given(st.sets(st.integers(0, 19), max_size=6), st.floats(0.01, 100))
def test_up_to_30_percent_of_pairs_may_be_off_by_anything(
    good: LaunchRecord, disturbed: set[int], factor: float
) -> None:
    def record(ns: list[int]) -> LaunchRecord:
        return msgspec.structs.replace(good, samples_ns=tuple(ns), paired=None)

    before = jittered(10 * MS)
    after = [int(1.05 * ns) for ns in jittered(10 * MS, seed=1)]
    for run in disturbed:
        after[run] = int(factor * after[run])
    found = pair_difference(record(before), record(after)).wall
    assert found == pytest.approx(math.log(1.05), abs=0.02)


def test_time_that_others_take_is_in_the_wall_clock_alone(pair: Pair) -> None:
    own, more = jittered(10 * MS), [int(1.08 * ns) for ns in jittered(10 * MS, seed=1)]
    shared = pair(
        Runs([ns + 10 * MS for ns in own], own), Runs([ns + 10 * MS for ns in more], more)
    )
    found = pair_difference(*shared)
    assert found.cpu == pytest.approx(math.log(1.08), abs=0.01)
    assert found.wall == pytest.approx(math.log(1.04), abs=0.01)
    assert found.by("cpu") == found.cpu
    assert found.by("wall") == found.wall


@pytest.mark.parametrize(
    ("tick", "known"), [(1, True), (1000, True), (5_000, True), (100_000, False), (4 * MS, False)]
)
def test_a_clock_of_processor_time_must_tell_a_thousandth_of_a_run(
    pair: Pair, tick: int, known: bool
) -> None:
    rough = [max(tick, ns // tick * tick) for ns in jittered(10 * MS)]
    record, _other = pair(Runs(rough, rough), Runs(rough, rough))
    assert has_cpu_times(record) is known


def test_few_runs_that_lie_far_apart_are_no_coarse_clock(pair: Pair) -> None:
    slow = [int(200 * MS * (1 + 0.02 * run)) + run for run in range(20)]
    assert has_cpu_times(pair(Runs(slow, slow), Runs(slow, slow))[0])


def test_several_threads_and_times_of_nothing_are_not_judged_by_processor_time(pair: Pair) -> None:
    own = jittered(10 * MS)
    record, _other = pair(Runs(own, own), Runs(own, own))
    assert has_cpu_times(record)
    assert not has_cpu_times(msgspec.structs.replace(record, threads=2))
    assert not has_cpu_times(pair(Runs(own, [0, *own[1:]]), Runs(own, own))[0])
    assert not has_cpu_times(msgspec.structs.replace(record, paired=None))


def stopped(ns: list[int], count: int, by_ns: int) -> list[int]:
    return [value + by_ns * (run < count) for run, value in enumerate(ns)]


@pytest.mark.parametrize("by_cpu", [True, False])
def test_the_share_of_pairs_that_were_stopped_for_long(pair: Pair, by_cpu: bool) -> None:
    own = jittered(3 * MS)
    cpu = own if by_cpu else None
    for count in (0, 6, 7, 15):
        both = pair(Runs(stopped(own, count, 150 * MS), cpu), Runs(own, cpu))
        assert split_share(*both) == count / 20
    brief = pair(Runs(stopped(own, 20, 80 * MS), own), Runs(own, own))
    assert split_share(*brief) == 0


def test_slow_models_that_share_their_core_are_not_split(pair: Pair) -> None:
    own = jittered(200 * MS)
    shared = [3 * ns for ns in own]
    assert split_share(*pair(Runs(shared, own), Runs(shared, own))) == 0
    frozen = stopped(shared, 10, 3000 * MS)
    assert split_share(*pair(Runs(frozen, own), Runs(shared, own))) == 0.5
