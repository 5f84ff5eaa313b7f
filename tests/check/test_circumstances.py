"""How launches were made, in words."""

from __future__ import annotations

import msgspec

from asymm_deploy.bench.records import LaunchRecord, PairedRuns
from asymm_deploy.check.circumstances import allowed_growth, launch_circumstances
from asymm_deploy.check.policy import GatePolicy


def test_a_launch_says_core_precision_engine_runner_and_runs(good: LaunchRecord) -> None:
    assert launch_circumstances(good) == (
        "core 1, fp32, 1 thread",
        "mnn 3.6.1, runner python 0.1.0",
        "100 runs per launch, after 20 to warm up",
    )


def test_launches_of_pairs_and_of_one_version_are_told_apart(good: LaunchRecord) -> None:
    runs = PairedRuns(
        partner_sha256="", loaded_first=True, runs_first=True, cpu_ns=None, start_ns=()
    )
    few, many = (msgspec.structs.replace(good, paired=runs, runs=count) for count in (20, 50))
    said = launch_circumstances(few, many, few)[2]
    assert said == "20 to 50 pairs of runs per launch, after 20 to warm up"
    said = launch_circumstances(many, good)[2]
    assert said == "50 pairs of runs or 100 runs per launch, after 20 to warm up"


def test_several_cores_and_none(good: LaunchRecord) -> None:
    two = msgspec.structs.replace(good, cpus=(2, 3), threads=2)
    assert launch_circumstances(two)[0] == "core 2+3, fp32, 2 threads"
    free = msgspec.structs.replace(good, cpus=())
    assert launch_circumstances(free)[0] == "core not pinned, fp32, 1 thread"


def test_what_is_allowed() -> None:
    policy = GatePolicy(thresholds={"latency": 2.5})
    assert allowed_growth(policy) == "2.5 % slower is allowed, and at least 20 us"
