"""A launch checks its file, asks the runner for what is planned, and records what came of it."""

from __future__ import annotations

import hashlib
import itertools
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench import launch
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import DeviceFacts, LaunchRecord
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ExitCode

FACTS = DeviceFacts(device="fake", soc=None, cpu_max_khz=None, cores=8, abi="none", os="none")
INPUTS = (TensorSpec("x", (1, 3)), TensorSpec("n", (), "int64"))


class FakeDevice:
    """Answers a launch as it was asked to, but for what ``changes`` says of a message."""

    def __init__(self, flags: tuple[str, ...] = (), **changes: dict[str, Any]) -> None:
        self.flags = flags
        self.changes = changes
        self.put_files: list[Path] = []
        self.asked: list[list[str]] = []
        self.timeouts: list[float] = []

    def put(self, source: Path) -> str:
        self.put_files.append(source)
        return f"/there/{source.name}"

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        self.asked.append(list(argv))
        self.timeouts.append(timeout_s)
        given = dict(itertools.pairwise(argv))
        runs = int(given["--runs"])
        cores = [int(core) for core in given["--cpu"].split(",") if core != "none"]
        messages: list[dict[str, Any]] = [
            {"type": "hello", "protocol": 1, "runner": "fake", "runner_version": "7"},
            {"type": "model", "sha256": hashlib.sha256(b"weights").hexdigest()},
            {"type": "cpu", "asked": cores, "before": cores[0], "after": cores[-1]},
            {"type": "calibration", "before_mac_per_s": 4e10, "after_mac_per_s": 3e10},
            {"type": "samples", "ns": [1000] * runs, "wall_ns": 1500 * runs, "cpu_ns": 1200 * runs},
            {"type": "output", "sha256": "a" * 64},
            {"type": "done", "count": runs},
        ]
        messages[0] |= {"engine": "mnn", "engine_version": "3", "abi": "none", "pid": 1}
        messages[1] |= {"input_shape": [1], "init_ns": 5, "memory_mb": 1.5}
        messages[1] |= {"precision": "fp32", "threads": int(given["--threads"])}
        messages[4] |= {"waited_ns": 30, "steal_ns": 40}
        if "--backend" in given:
            there = given["--backend"]
            used = {"asked": there, "session": there, "operators": {there: 3}}
            messages.insert(5, {"type": "backends"} | used)
        for message in messages:
            message.update(self.changes.get(message["type"], {}))
        text = "".join(json.dumps(message) + "\n" for message in messages)
        return Completed(text.encode(), b"", 0, flags=self.flags)


def bench_on(device: FakeDevice, **plan: Any) -> Bench:
    planned = Plan(runs=6, launches=2, warmup=1, launch_timeout_s=12.0, **plan)
    cpus = (3, 4)[: planned.threads]
    return Bench(device, planned, "the plan", FACTS, cpus, ("start", "runner"), "bench")  # type: ignore[arg-type]


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    """A file that no engine is asked to load."""
    path = tmp_path / "net.mnn"
    path.write_bytes(b"weights")
    return Artifact("net", path, hashlib.sha256(b"weights").hexdigest(), inputs=INPUTS)


def launched(bench: Bench, model: Artifact, first: LaunchRecord | None = None) -> LaunchRecord:
    blank = launch.blank(bench, model, 2, 1)
    return launch.put_and_launch(bench, blank, model, None, first)[0]


def test_the_runner_is_asked_for_what_is_planned(model: Artifact) -> None:
    device = FakeDevice()
    launched(bench_on(device, threads=2, precision="fp16"), model)
    assert device.asked == [
        [
            *("start", "runner", "--model", "/there/net.mnn", "--engine", "mnn", "--runs", "3"),
            *("--warmup", "1", "--threads", "2", "--precision", "fp16", "--cpu", "3,4"),
            *("--input-seed", "0", "--input", "float32:1,3:x", "--input", "int64::n"),
        ]
    ]
    assert device.timeouts == [12.0]


def test_a_record_holds_what_was_planned_and_what_was_reported(model: Artifact) -> None:
    record = launched(bench_on(FakeDevice(), allow=("bimodal",)), model)
    planned = (record.model, record.plan_id, record.attempt, record.launch, record.runs)
    assert planned == ("net", "the plan", 2, 1, 3)
    assert (record.launches_planned, record.warmup, record.allowed) == (2, 1, ("bimodal",))
    assert (record.artifact_file, record.artifact_sha256) == ("net.mnn", model.sha256)
    assert (record.device, record.device_facts) == ("fake", FACTS)
    assert (record.cpu, record.cpus, record.cpu_before, record.cpu_after) == (3, (3,), 3, 3)
    assert (record.runner, record.runner_version, record.engine_version) == ("fake", "7", "3")
    assert (record.samples_ns, record.init_ns, record.peak_memory_mb) == ((1000,) * 3, 5, 1.5)
    assert (record.wall_ns, record.off_core_ns) == (4500, 900)
    assert (record.waited_ns, record.steal_ns) == (30, 40)
    assert record.calibration is not None
    assert record.calibration.before_mac_per_s == 4e10
    assert record.calibration.after_mac_per_s == 3e10
    assert record.output_sha256 == "a" * 64
    assert record.error is None


def test_a_thread_is_never_on_its_core_for_longer_than_the_loop(model: Artifact) -> None:
    device = FakeDevice(samples={"cpu_ns": 10**7})  # clocks of different grain
    assert launched(bench_on(device), model).off_core_ns == 0


def test_a_file_is_checked_and_put_there_before_its_first_launch_alone(model: Artifact) -> None:
    device = FakeDevice()
    bench = bench_on(device)
    blank = launch.blank(bench, model, 0, 0)
    _, placed = launch.put_and_launch(bench, blank, model, None, None)
    assert placed == launch.Placed("/there/net.mnn", None)
    model.path.write_bytes(b"other weights")
    record, again = launch.put_and_launch(bench, blank, model, placed, None)
    assert (record.error, again) == (None, placed)
    assert device.put_files == [model.path]
    assert len(device.asked) == 2


def recorded(model: Artifact) -> Artifact:
    """The model with a recorded input beside it."""
    path = model.path.with_name("inputs.bin")
    path.write_bytes(b"values")
    return replace(
        model, inputs_file=path, inputs_sha256=hashlib.sha256(b"values").hexdigest(), api="session"
    )


def test_the_recorded_input_goes_along_and_is_asked_for(model: Artifact) -> None:
    device = FakeDevice()
    record = launched(bench_on(device), recorded(model))
    assert [path.name for path in device.put_files] == ["net.mnn", "inputs.bin"]
    assert device.asked[0][-2:] == ["--inputs-file", "/there/inputs.bin"]
    assert record.inputs_sha256 == hashlib.sha256(b"values").hexdigest()


@pytest.mark.parametrize("content", [b"others", None])
def test_a_recorded_input_that_has_changed_is_not_launched(
    model: Artifact, content: bytes | None
) -> None:
    device = FakeDevice()
    known = recorded(model)
    assert known.inputs_file is not None
    known.inputs_file.unlink()
    if content is not None:
        known.inputs_file.write_bytes(content)
    record = launched(bench_on(device), known)
    assert record.error is not None
    assert "inputs.bin" in record.error
    assert (device.put_files, device.asked) == ([], [])


def test_a_model_for_the_module_api_is_run_through_it(model: Artifact) -> None:
    device = FakeDevice(model={"api": "module"})
    known = replace(model, api="module", output_names=("y", "-z"))
    record = launched(bench_on(device), known)
    assert device.asked[0][-5:] == ["--api", "module", "--output", "y", "--output=-z"]
    assert (record.error, record.api) == (None, "module")


def test_a_runner_that_asked_for_another_back_end_is_refused(model: Artifact) -> None:
    other = {"asked": "opencl", "session": "opencl", "operators": {"opencl": 3}}
    record = launched(bench_on(FakeDevice(backends=other), backend="vulkan"), model)
    assert record.error is not None
    assert "another back end than asked: opencl, not vulkan" in record.error
    assert launched(bench_on(FakeDevice(), backend="vulkan"), model).error is None


@pytest.mark.parametrize(
    ("values", "found", "words"),
    [
        ([1.0, 2.0], (), None),
        ([float("nan")], ("output-mismatch",), "NaN in 1 of 1 value of output 'y'"),
        ([0.0, 0.0], ("output-mismatch",), "output 'y' is all zeros"),
    ],
    ids=["numbers", "NaN", "zeros"],
)
def test_on_another_back_end_what_a_driver_spoils_shows_without_a_reference(
    model: Artifact, values: list[float], found: tuple[str, ...], words: str | None
) -> None:
    sent = b64encode(np.array(values, "<f4").tobytes()).decode()
    device = FakeDevice(output={"values": {"y": sent}}, model={"precision": "untold"})
    bare = replace(model, reference=None)
    record = launched(bench_on(device, backend="vulkan"), bare)
    assert "--output-values" in device.asked[0]
    assert record.output_words == words
    assert set(record.flags) & {"output-mismatch", "fell-back"} == set(found)
    launched(bench_on(device), bare)
    assert "--output-values" not in device.asked[1]


@pytest.mark.parametrize(
    ("asked", "said", "why"),
    [
        ("module", None, "another interface of the engine than asked: session, not module"),
        ("session", "module", "another interface of the engine than asked: module, not session"),
    ],
)
def test_a_runner_that_used_the_other_api_is_refused(
    model: Artifact, asked: Any, said: str | None, why: str
) -> None:
    device = FakeDevice(model={"api": said})
    record = launched(bench_on(device), replace(model, api=asked, output_names=("y",)))
    assert record.error is not None
    assert why in record.error


def test_a_runner_that_does_not_know_an_argument_says_which_and_what_to_do(model: Artifact) -> None:
    lines = [
        {"type": "hello", "protocol": 1, "runner": "own", "runner_version": "1", "engine": "mnn"}
        | {"engine_version": "3", "abi": "none", "pid": 7},
        {"type": "error", "reason": "unrecognized arguments: --inputs-file /there/inputs.bin"},
    ]
    device = FakeDevice()
    said = "".join(json.dumps(line) + "\n" for line in lines).encode()
    device.run = lambda argv, timeout_s: Completed(said, b"", 3)  # type: ignore[method-assign, misc]
    record = launched(bench_on(device), recorded(model))
    assert record.error is not None
    assert "unrecognized arguments: --inputs-file" in record.error
    assert "asymm-deploy runner build" in record.error


def test_a_raised_tolerance_is_a_flag_that_leaves_the_row_valid(model: Artifact) -> None:
    record = launched(bench_on(FakeDevice()), replace(model, tolerance_raised=True))
    assert "tolerance-raised" in record.flags
    assert launched(bench_on(FakeDevice()), model).flags == tuple(
        flag for flag in record.flags if flag != "tolerance-raised"
    )


def test_a_file_that_has_changed_is_not_launched(model: Artifact) -> None:
    device = FakeDevice()
    bench = bench_on(device)
    model.path.write_bytes(b"other weights")
    blank = launch.blank(bench, model, 0, 0)
    record, placed = launch.put_and_launch(bench, blank, model, None, None)
    assert record.error is not None
    assert "SHA-256 differs" in record.error
    assert (record.flags, record.exit_code, placed) == (("failed",), ExitCode.HARNESS, None)
    assert device.put_files == []
    assert device.asked == []


def values_of(*numbers: float) -> dict[str, Any]:
    raw = b64encode(np.array(numbers, "<f4").tobytes()).decode()
    return {"output": {"values": {"y": raw}}}


def with_reference(model: Artifact) -> Artifact:
    return replace(model, reference={"y": np.array([1.0, 3.0], np.float32)})


def test_the_first_launch_sends_its_output_and_is_compared(model: Artifact) -> None:
    device = FakeDevice(**values_of(1.0, 3.5))
    record = launched(bench_on(device), with_reference(model))
    assert device.asked[0][-1] == "--output-values"
    assert record.output_error == pytest.approx(0.5)
    assert record.output_tolerance == 1e-4
    assert "output-mismatch" in record.flags
    assert (record.valid, record.exit_code) == (False, ExitCode.NUMERICS)


def test_a_later_launch_is_held_to_the_firsts_hash(model: Artifact) -> None:
    device = FakeDevice()
    known = with_reference(model)
    first = launched(bench_on(FakeDevice(**values_of(1.0, 3.0))), known)
    later = launched(bench_on(device), known, first)
    assert "--output-values" not in device.asked[0]
    assert later.output_error is None
    assert "output-mismatch" not in later.flags
    other = launched(bench_on(FakeDevice(output={"sha256": "b" * 64})), known, first)
    assert "output-mismatch" in other.flags


def test_without_a_reference_no_output_is_asked_for(model: Artifact) -> None:
    device = FakeDevice()
    record = launched(bench_on(device), model)
    assert "--output-values" not in device.asked[0]
    assert "unverified" in record.flags


def test_what_the_device_noticed_is_a_flag_too(model: Artifact) -> None:
    record = launched(bench_on(FakeDevice(flags=("hot",))), model)
    assert "hot" in record.flags
    assert (record.valid, record.exit_code) == (False, ExitCode.UNSTABLE)
    others = tuple(flag for flag in record.flags if flag != "hot")
    assert not launch.allowing(record, others).valid
    allowed = launch.allowing(record, record.flags)
    assert allowed.allowed == record.flags
    assert (allowed.valid, allowed.exit_code) == (True, ExitCode.OK)
    assert allowed.flags == record.flags
    assert launch.allowing(allowed, ()) == msgspec.structs.replace(record, allowed=())


def test_a_missing_model_has_a_blank_record_without_a_file() -> None:
    missing = Missing("net", "why", ExitCode.CONVERSION, "mbv3", "large", 0.75, (1, 3, 224, 224))
    record = launch.blank(bench_on(FakeDevice()), missing, 0, 0)
    assert (record.network, record.scale, record.multiplier) == ("mbv3", "large", 0.75)
    assert (record.artifact_file, record.artifact_sha256) == ("", "")
    assert record.input_shape == (1, 3, 224, 224)
    failed = launch.failed(record, "\x1b[2Jwhy\nindeed", ExitCode.CONVERSION)
    assert (failed.flags, failed.exit_code) == (("failed",), ExitCode.CONVERSION)
    assert failed.error is not None
    assert failed.error.isprintable()


def test_a_signal_without_a_name_is_told_by_its_number(model: Artifact) -> None:
    device = FakeDevice()
    device.run = lambda argv, timeout_s: Completed(b"", b"", -99)  # type: ignore[method-assign, misc]
    record = launched(bench_on(device), model)
    assert record.error is not None
    assert "signal 99" in record.error
    assert "(" not in record.error
