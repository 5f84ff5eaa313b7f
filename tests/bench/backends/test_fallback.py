"""Where operators ran is told in words, flagged, and judged by nothing that is the CPU's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.backends.fallback import (
    engine_and_backend,
    fallback_words,
    fell_back,
    ran_nothing_there,
)
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.rows import row_key, summarise
from asymm_deploy.bench.plan import Plan, plan_id
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import UsageError


def on_vulkan(good: LaunchRecord, **fields: Any) -> LaunchRecord:
    asked: dict[str, Any] = {"backend": "vulkan", "precision_in_force": "untold"}
    return msgspec.structs.replace(good, **asked | {"backends_in_force": {"vulkan": 64}} | fields)


def found(record: LaunchRecord, verified_by: LaunchRecord | None = None) -> list[str]:
    return verdicts.launch_flags(record, verified_by=verified_by, verifiable=True)


def test_where_all_ran_as_asked_there_is_nothing_to_say(good: LaunchRecord) -> None:
    record = on_vulkan(good)
    assert (fell_back(record), fallback_words(record), found(record)) == (False, None, [])
    assert not fell_back(good)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {
                "backends_in_force": {"cpu": 3, "vulkan": 61},
                "ran_elsewhere": (("While", "a"), ("Softmax", "b"), ("While", "c")),
            },
            "3 of 64 operators ran on cpu: 2 While, Softmax",
        ),
        (
            {
                "backends_in_force": {"cpu": 6, "vulkan": 1},
                "ran_elsewhere": tuple((kind, "") for kind in "ABCDEF"),
            },
            "6 of 7 operators ran on cpu: A, B, C, D, E, ...",
        ),
        (
            {
                "backends_in_force": {"cpu": 130, "vulkan": 1},
                "ran_elsewhere": (("While", ""),) * 99 + (("Softmax", ""),),
            },
            "130 of 131 operators ran on cpu: of the first 100, 99 While, Softmax",
        ),
        ({"backends_in_force": {"cpu": 64}}, "all 64 operators ran on cpu"),
        (
            {"backends_in_force": {"cpu": 1}, "backend_note": "no libMNN_Vulkan.so"},
            "all 1 operator ran on cpu (no libMNN_Vulkan.so)",
        ),
        ({"backends_in_force": None}, "nothing says that an operator ran on vulkan"),
        (
            {"driver": "llvmpipe (LLVM 15.0.6)", "driver_is_cpu": True},
            "all 64 operators ran on the CPU: the driver of vulkan is llvmpipe (LLVM 15.0.6), "
            "made of software",
        ),
        (
            {"backends_in_force": {"cpu": 3, "vulkan": 61}, "driver_is_cpu": True},
            "all 64 operators ran on the CPU: the driver of vulkan is made of software",
        ),
    ],
    ids=[
        "some",
        "many kinds",
        "more than are listed",
        "all",
        "all, with a reason",
        "unknown",
        "software",
        "some, software",
    ],
)
def test_what_ran_elsewhere_is_counted_and_named(
    good: LaunchRecord, fields: dict[str, Any], words: str
) -> None:
    record = on_vulkan(good, **fields)
    assert found(record) == ["fell-back"]
    assert fallback_words(record) == words
    there = "vulkan" in (record.backends_in_force or {}) and not record.driver_is_cpu
    assert ran_nothing_there(record) != there
    judged = verdicts.judged_with(record, ["fell-back"])
    assert summarise([judged]).flags_text == f"fell-back: {words}"


def test_the_processors_arithmetic_and_waits_judge_the_cpu_alone(good: LaunchRecord) -> None:
    quick = {"samples_ns": tuple(1000 + at for at in range(100)), "off_core_ns": 900_000_000}
    assert found(msgspec.structs.replace(good, **quick)) == ["below-floor", "stolen-time"]
    assert found(on_vulkan(good, **quick)) == []


def test_a_precision_that_is_told_is_judged_wherever_it_ran(good: LaunchRecord) -> None:
    assert found(on_vulkan(good, precision_in_force="fp16")) == ["wrong-precision"]
    untold = msgspec.structs.replace(good, precision_in_force="untold")
    assert found(untold) == ["wrong-precision"]


def test_each_launch_answers_for_its_own_output(good: LaunchRecord) -> None:
    # Tuning may choose other kernels, whose last digits differ.
    other = on_vulkan(good, output_sha256="f" * 64)
    assert found(other, on_vulkan(good)) == []
    assert found(on_vulkan(good, output_error=0.5), on_vulkan(good)) == ["output-mismatch"]
    cpu = msgspec.structs.replace(good, output_sha256="f" * 64)
    assert found(cpu, good) == ["output-mismatch"]


def test_ids_of_plans_on_the_cpu_are_what_they_were(good: LaunchRecord) -> None:
    ids = {
        backend: plan_id(replace(Plan(), backend=backend), good.device_facts, "a runner")
        for backend in ("cpu", "opencl", "vulkan")
    }
    assert ids["cpu"] == "ad5807fa3e3b8695"
    assert len(set(ids.values())) == 3


def test_rows_and_names_of_engines_tell_back_ends_apart(good: LaunchRecord) -> None:
    assert row_key(good) != row_key(on_vulkan(good))
    whole, part = ({"backends_in_force": used} for used in ({"cpu": 64}, {"cpu": 3, "vulkan": 61}))
    every = [on_vulkan(good, **fields) for fields in ({}, part, whole, {"driver_is_cpu": True})]
    assert [engine_and_backend(each) for each in (good, *every)] == [
        "mnn",
        "mnn on vulkan",
        "mnn on vulkan",
        "mnn on vulkan (all fell back)",
        "mnn on vulkan (all fell back)",
    ]


@pytest.mark.parametrize(
    "changes", [{"engine": "onnxruntime"}, {"threads": 2}], ids=["engine", "threads"]
)
def test_what_is_of_the_cpu_is_refused_beside_another(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="vulkan"):
        Plan(backend="vulkan", **changes)
