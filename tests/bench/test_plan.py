"""A plan refuses numbers that make no sense, and shares its runs among the launches."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.plan import Plan, plan_id
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import UsageError


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"runs": 0}, "--runs 0"),
        ({"runs": -5}, "--runs -5"),
        ({"launches": 0}, "--launches 0"),
        ({"warmup": -1}, "--warmup -1"),
        ({"threads": 0}, "--threads 0"),
        ({"cpu": -1}, "--cpu -1"),
        ({"launch_timeout_s": 0.0}, "--launch-timeout 0 is out of range"),
        ({"launch_timeout_s": float("nan")}, "--launch-timeout nan is out of range"),
        ({"runs": 9}, "--runs 9 is too few for 10 launches"),
        ({"runs": 10**7, "launches": 1}, "runs are too many for"),
        ({"runs": 10**9, "launches": 10**6}, "--runs 1000000000 is out of range"),
        ({"runs": 10**7, "launches": 10**12}, "--launches 1000000000000 is out of range"),
        ({"warmup": 10**7}, "--warmup 10000000 is out of range"),
        ({"threads": 10**6}, "--threads"),
        ({"cpu": 10**6}, "--cpu"),
        ({"launch_timeout_s": float("inf")}, "--launch-timeout inf"),
        ({"allow": ("nonsense",)}, "nonsense"),
    ],
)
def test_senseless_numbers_are_refused(changes: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        replace(Plan(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"runs": 1, "launches": 1},
        {"runs": 10, "launches": 10},
        {"runs": 2 * wire.MAX_RUNS, "launches": 2},
        {"warmup": 0},
        {"threads": 1},
        {"cpu": 0},
        {"launch_timeout_s": 0.001},
    ],
)
def test_the_smallest_and_largest_numbers_are_taken(changes: dict[str, object]) -> None:
    plan = replace(Plan(), **changes)  # type: ignore[arg-type]
    assert {name: getattr(plan, name) for name in changes} == changes


def test_a_run_more_than_a_stream_may_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="too many for 2 launches"):
        Plan(runs=2 * wire.MAX_RUNS + 1, launches=2)


def test_what_is_allowed_is_kept_once_and_gravest_first() -> None:
    assert Plan(allow=("hot", "wrong-core", "hot")).allow == ("wrong-core", "hot")


def test_runs_are_shared_and_the_first_launches_take_the_rest() -> None:
    plan = Plan(runs=23, launches=5)
    assert [plan.runs_of(launch) for launch in range(5)] == [5, 5, 5, 4, 4]


def test_thousand_runs_are_ten_launches_of_a_hundred() -> None:
    assert {Plan().runs_of(launch) for launch in range(Plan().launches)} == {100}


@pytest.mark.parametrize("change", ["runs", "launches", "warmup", "threads"])
def test_another_number_is_another_plan(good: LaunchRecord, change: str) -> None:
    facts = good.device_facts
    plan = Plan(runs=100)
    other = replace(plan, **{change: 50})  # type: ignore[arg-type]
    assert plan_id(plan, facts, "r") != plan_id(other, facts, "r")


@pytest.mark.parametrize(
    "changes", [{"engine": "onnxruntime"}, {"precision": "fp16"}, {"cpu": 1}, {"cpu": 0}]
)
def test_another_engine_precision_or_core_is_another_plan(
    good: LaunchRecord, changes: dict[str, object]
) -> None:
    other = replace(Plan(), **changes)  # type: ignore[arg-type]
    assert plan_id(Plan(), good.device_facts, "r") != plan_id(other, good.device_facts, "r")


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "there"},
        {"soc": "other"},
        {"cores": 3},
        {"abi": "arm64-v8a"},
        {"fingerprint": "maker/phone:14"},
    ],
)
def test_another_device_is_another_plan(good: LaunchRecord, changes: dict[str, object]) -> None:
    other = msgspec.structs.replace(good.device_facts, **changes)
    assert plan_id(Plan(), good.device_facts, "r") != plan_id(Plan(), other, "r")


def test_a_phone_that_was_updated_is_another_device(good: LaunchRecord) -> None:
    phone = msgspec.structs.replace(good.device_facts, product="Phone", fingerprint="phone:14")
    ids = {
        plan_id(Plan(), facts, "r")
        for facts in (
            phone,
            msgspec.structs.replace(phone, fingerprint="phone:15"),
            msgspec.structs.replace(phone, product="Phone Pro"),
        )
    }
    assert len(ids) == 3


def test_a_host_under_another_system_and_the_time_out_leave_the_plan_as_it_is(
    good: LaunchRecord,
) -> None:
    plan, facts = Plan(), good.device_facts
    updated = msgspec.structs.replace(facts, os="Linux 7", cpu_max_khz=None)
    assert plan_id(plan, facts, "r") == plan_id(plan, updated, "r")
    assert plan_id(plan, facts, "r") == plan_id(replace(plan, launch_timeout_s=1.0), facts, "r")


def test_another_runner_is_another_plan_but_what_is_allowed_is_not(good: LaunchRecord) -> None:
    facts = good.device_facts
    assert plan_id(Plan(), facts, "r") != plan_id(Plan(), facts, "s")
    assert plan_id(Plan(), facts, "r") == plan_id(Plan(allow=("bimodal",)), facts, "r")
    assert plan_id(Plan(), facts, "r") == plan_id(Plan(fresh=True), facts, "r")
