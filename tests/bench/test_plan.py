"""A plan refuses numbers that make no sense, and shares its runs among the launches."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
        ({"launch_timeout_s": 0.0}, "no launch can finish within 0 s"),
        ({"launch_timeout_s": float("nan")}, "no launch can finish within nan s"),
        ({"runs": 9}, "9 runs are too few for 10 launches"),
        ({"runs": 10**9}, "too many"),
        ({"allow": ("nonsense",)}, "nonsense"),
    ],
)
def test_senseless_numbers_are_refused(changes: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        replace(Plan(), **changes)  # type: ignore[arg-type]


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


def test_another_runner_is_another_plan_but_what_is_allowed_is_not(good: LaunchRecord) -> None:
    facts = good.device_facts
    assert plan_id(Plan(), facts, "r") != plan_id(Plan(), facts, "s")
    assert plan_id(Plan(), facts, "r") == plan_id(Plan(allow=("bimodal",)), facts, "r")
    assert plan_id(Plan(), facts, "r") == plan_id(Plan(fresh=True), facts, "r")
