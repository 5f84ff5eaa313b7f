"""A model's operators on this machine: their times are the plain run's, shared out, and judged."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.observed.operator_times import (
    ObservedTimes,
    callback_ns,
    shared_out,
    time_operators,
)
from asymm_deploy.bench.observed.operators_line import TimedOperators
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.wire import WireError
from asymm_deploy.errors import UsageError

FOUND = TimedOperators(
    names=("a", "b", "c"),
    types=("T", "T", "T"),
    shapes=((), (), ()),
    flops_m=(0, 0, 0),
    least_ns=(1100, 400, 90),
    median_ns=(1100, 400, 90),
    gap_ns=(50, 100, 130, 60),
    watched_ns=(2000,),
)
NOISE = ("bimodal", "stolen-time")


def times(*artifacts: Artifact, runs: int = 40) -> list[ObservedTimes]:
    plan = Plan(runs=runs, launches=1, warmup=1, allow=NOISE)
    return time_operators(HostDevice(), artifacts, plan)


def test_the_shortest_gap_is_taken_out_and_the_rest_is_the_plain_run() -> None:
    # Copying the input took 50 and is no gap between operators; what is below 100 is nothing.
    assert shared_out(FOUND, 2600.0) == [2000.0, 600.0, 0.0]


def test_where_nothing_is_left_nothing_is_taken_out() -> None:
    short = msgspec.structs.replace(FOUND, least_ns=(60, 30, 10))
    assert shared_out(short, 200.0) == [120.0, 60.0, 20.0]
    alone = msgspec.structs.replace(FOUND, least_ns=(70,), gap_ns=(50, 60))
    assert shared_out(alone, 140.0) == [140.0]


def test_two_callbacks_cost_the_shortest_gap_between_operators() -> None:
    assert callback_ns(FOUND) == 100
    assert callback_ns(msgspec.structs.replace(FOUND, least_ns=(70,), gap_ns=(50, 60))) == 0


def test_a_clock_that_shows_nothing_is_said_to_be_too_coarse() -> None:
    with pytest.raises(WireError, match="the clock is too coarse"):
        shared_out(msgspec.structs.replace(FOUND, least_ns=(0, 0, 0)), 200.0)


@pytest.fixture(scope="module")
def timed(artifact: Artifact) -> ObservedTimes:
    (found,) = times(artifact)
    return found


def test_operators_add_up_to_the_median_of_the_plain_runs(timed: ObservedTimes) -> None:
    record = timed.record
    assert record.error is None
    assert timed.median_ns == np.median(record.samples_ns)
    assert len(record.samples_ns) == 40
    assert sum(each.time_ns for each in timed.operators) == pytest.approx(timed.median_ns)
    convolution = next(each for each in timed.operators if each.name == "convolved")
    assert (convolution.type, convolution.output_shape) == ("Convolution", (1, 8, 16, 16))
    assert convolution.time_ns > 0


def test_what_watching_cost_and_what_is_outside_of_operators_is_told(
    timed: ObservedTimes,
) -> None:
    assert timed.taken_out_percent is not None
    assert timed.taken_out_percent > 0
    assert timed.outside_percent is not None
    assert timed.outside_percent > 0
    assert timed.peak_mac_per_s is not None
    assert timed.peak_mac_per_s > 1e8


def test_it_is_judged_as_a_launch_is(timed: ObservedTimes, artifact: Artifact) -> None:
    assert timed.record.valid
    assert set(timed.record.flags) <= set(NOISE)
    assert timed.record.output_error is not None
    assert timed.record.output_error < 1e-5
    assert timed.record.artifact_sha256 == artifact.sha256
    assert artifact.reference is not None
    moved = {name: np.add(value, 0.5) for name, value in artifact.reference.items()}
    (found,) = times(replace(artifact, reference=moved))
    assert "output-mismatch" in found.record.flags
    assert not found.record.valid
    assert found.operators


def test_a_model_that_can_not_be_timed_so_says_why_and_stops_no_other(artifact: Artifact) -> None:
    looping = replace(artifact, api="module", output_names=("total", "mean"))
    other = replace(artifact, sha256="0" * 64)
    told: list[ObservedTimes] = []
    found = time_operators(
        HostDevice(), [looping, other, artifact], Plan(runs=40, launches=1), told.append
    )
    assert told == found
    refused, changed, good = found
    assert "MNN's Python package doesn't tell of a module's operators" in str(refused.record.error)
    assert "its SHA-256 differs" in str(changed.record.error)
    for each in (refused, changed):
        assert (each.operators, each.median_ns) == ((), None)
        assert each.record.flags == ("failed",)
    assert good.operators


def test_too_few_runs_are_refused(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="--runs"):
        times(artifact, runs=39)
