"""Launches of two benches: compared where they can be, refused where they were made differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import DeviceFacts, LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.policy import Policy
from asymm_deploy.check.recorded.arms import Choice
from asymm_deploy.check.recorded.compare import Recorded, compare
from asymm_deploy.errors import ExitCode, UsageError

Edit = Callable[[LaunchRecord], LaunchRecord]


@pytest.fixture
def folder(tmp_path: Path, good: LaunchRecord) -> Callable[..., Path]:
    """Write launches of 10 ms, varying by 1 %, as a bench would have left them."""

    def write(
        name: str,
        *,
        slower: float = 0.0,
        launches: int = 10,
        edit: Edit = lambda r: r,
        **fields: Any,
    ) -> Path:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        rng = np.random.default_rng([*name.encode()])
        with (path / store.NAME).open("ab") as file:
            for number in range(launches):
                ns = int(1e7 * (1 + slower) * (1 + 0.01 * rng.normal()))
                record = msgspec.structs.replace(
                    good, launch=number, runs=2, samples_ns=(ns, ns + 10), **fields
                )
                file.write(msgspec.json.encode(edit(record)) + b"\n")
        return path

    return write


def facts(**changes: Any) -> DeviceFacts:
    known = {"soc": "chip", "os": "Linux 6", **changes}
    return DeviceFacts(device="here", cpu_max_khz=3_000_000, cores=2, abi="x86_64", **known)


def compared(a: Path, b: Path, sentinel: str | None = None, **choice: Any) -> Recorded:
    return compare(a, b, Choice(**choice), Policy(), sentinel)


def latency(found: Recorded, model: str = "net") -> Change:
    (change,) = [c for c in found.changes if (c.model, c.metric) == (model, "latency")]
    return change


@pytest.mark.parametrize(
    ("slower", "verdict"),
    [(0.0, "pass"), (0.01, "pass"), (0.06, "regressed"), (0.2, "regressed"), (-0.06, "improved")],
)
def test_ten_launches_a_side_tell_6_percent(
    folder: Callable[..., Path], slower: float, verdict: str
) -> None:
    change = latency(compared(folder("old"), folder("newer", slower=slower)))
    assert change.verdict == verdict
    assert change.change_percent == pytest.approx(100 * slower, abs=1.2)
    assert change.baseline == pytest.approx(10, rel=0.01)
    assert change.blocks == 10
    assert "p = " in change.why


def test_noise_is_inconclusive_and_no_pass(folder: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)

    def noisy(record: LaunchRecord) -> LaunchRecord:
        ns = int(1e7 * (1 + 0.1 * rng.normal()))
        return msgspec.structs.replace(record, samples_ns=(ns, ns))

    change = latency(compared(folder("old", edit=noisy), folder("new", edit=noisy)))
    assert change.verdict == "inconclusive"

    def slower(record: LaunchRecord) -> LaunchRecord:
        samples = tuple(int(1.06 * ns) for ns in noisy(record).samples_ns)
        return msgspec.structs.replace(record, samples_ns=samples)

    change = latency(compared(folder("before", edit=noisy), folder("after", edit=slower)))
    assert change.change_percent is not None
    assert change.change_percent > 3
    assert change.verdict == "inconclusive"


def test_the_threshold_is_20_us_for_a_tiny_model(folder: Callable[..., Path]) -> None:
    def tiny(record: LaunchRecord) -> LaunchRecord:
        samples = tuple(ns // 100 for ns in record.samples_ns)
        return msgspec.structs.replace(record, samples_ns=samples)

    a, b = folder("old", edit=tiny), folder("newer", edit=tiny, slower=0.1)
    change = latency(compared(a, b))
    assert change.verdict == "pass"
    assert change.threshold_percent == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("device is here .* and there", {"device": "there"}),
        ("core is 1 .* and 0", {"cpus": (0,)}),
        ("precision is fp32 .* and fp16", {"precision": "fp16"}),
        ("number of threads is 1 .* and 2", {"threads": 2}),
        ("engine is mnn 3.6.1 .* and mnn 3.7.0", {"engine_version": "3.7.0"}),
        ("engine is mnn 3.6.1 .* and onnxruntime 3.6.1", {"engine": "onnxruntime"}),
        ("runner is python 0.1.0 .* and native 0.1.0", {"runner": "native"}),
        ("number of runs a launch is 2 .* and 3", {"runs": 3, "samples_ns": (1, 2, 3)}),
        ("number of runs to warm up is 20 .* and 5", {"warmup": 5}),
        ("chip is chip .* and other", {"device_facts": facts(soc="other")}),
        ("system is Linux 6 .* and Linux 7", {"device_facts": facts(os="Linux 7")}),
        ("input shape is unknown .* and 1x3x96x96", {"input_shape": (1, 3, 96, 96)}),
    ],
)
def test_other_circumstances_are_refused_and_named(
    folder: Callable[..., Path], said: str, fields: dict[str, Any]
) -> None:
    other = folder("new", edit=lambda record: msgspec.structs.replace(record, **fields))
    with pytest.raises(UsageError, match=f"net can't be compared: the {said}"):
        compared(folder("old"), other)


@pytest.mark.parametrize("launches", [1, 9])
def test_too_few_launches_are_refused(folder: Callable[..., Path], launches: int) -> None:
    few = folder("old", launches=launches)
    with pytest.raises(UsageError, match=f"net has {launches} launch(es)? in the baseline"):
        compared(few, folder("new"))


def test_invalid_launches_are_left_out_and_reported(folder: Callable[..., Path]) -> None:
    def spoilt(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, flags=("stolen-time",) if record.launch == 3 else ())

    enough = compared(folder("old"), folder("new", edit=spoilt, launches=11))
    (discarded,) = enough.discarded
    assert (discarded.block, discarded.reason) == (3, "candidate, launch 3: stolen-time")
    assert latency(enough).verdict == "pass"
    short = latency(compared(folder("old"), folder("short", edit=spoilt)))
    assert short.verdict == "unstable"
    assert "9 of the candidate's 10 launches count" in short.why
    allowed = compared(folder("old"), folder("short"), allow=("stolen-time",))
    assert latency(allowed).verdict == "pass"


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"error": "it hung", "flags": ("failed",), "exit_code": 3}, ExitCode.HARNESS, "it hung"),
        ({"flags": ("output-mismatch",)}, ExitCode.NUMERICS, "the output is not"),
    ],
)
def test_an_arm_that_failed_fails(
    folder: Callable[..., Path], fields: dict[str, Any], code: ExitCode, said: str
) -> None:
    def broken(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, **fields) if record.launch == 9 else record

    change = latency(compared(folder("old"), folder("new", edit=broken)))
    assert (change.verdict, change.exit_code) == ("failed", code)
    assert "The candidate failed" in change.why
    assert said in change.why


def test_launches_of_two_speeds_are_unstable(folder: Callable[..., Path]) -> None:
    def two(record: LaunchRecord) -> LaunchRecord:
        ns = int(1e7 * (1 + 0.1 * (record.launch % 2)) + record.launch)
        return msgspec.structs.replace(record, samples_ns=(ns, ns))

    change = latency(compared(folder("old"), folder("new", edit=two, launches=20)))
    assert change.verdict == "unstable"


def test_mixed_devices_are_said_and_one_can_be_chosen(folder: Callable[..., Path]) -> None:
    folder("old")
    mixed = folder("old", device="there", plan_id="other")
    with pytest.raises(UsageError, match="several kinds: here, there") as refused:
        compared(mixed, folder("new"))
    assert "--device here" in refused.value.hint
    assert latency(compared(mixed, folder("new"), device="here")).verdict == "pass"
    with pytest.raises(UsageError, match="no launches that were asked for"):
        compared(mixed, folder("new"), device="nowhere")


@pytest.mark.parametrize(
    ("fields", "choice"),
    [({"precision": "fp16"}, {"precision": "fp32"}), ({"threads": 2}, {"threads": 1})],
)
def test_mixed_settings_are_said_and_one_can_be_chosen(
    folder: Callable[..., Path], fields: dict[str, Any], choice: dict[str, Any]
) -> None:
    folder("old")
    mixed = folder("old", plan_id="other", **fields)
    with pytest.raises(UsageError, match="several kinds") as refused:
        compared(mixed, folder("new"))
    assert next(iter(choice)) in refused.value.hint
    assert latency(compared(mixed, folder("new"), **choice)).verdict == "pass"


def test_the_latest_bench_of_a_model_is_taken(folder: Callable[..., Path]) -> None:
    folder("newer", slower=0.2)
    again = folder("newer", attempt=1)
    assert latency(compared(folder("old"), again)).verdict == "pass"


def test_a_sentinel_takes_the_machines_own_change_away(folder: Callable[..., Path]) -> None:
    folder("old")
    old = folder("old", model="steady")
    folder("new", slower=0.1)
    new = folder("new", slower=0.1, model="steady")
    assert latency(compared(old, new)).verdict == "regressed"
    found = compared(old, new, sentinel="steady")
    assert latency(found).verdict == "pass"
    assert "that of steady, launch by launch; it was +" in found.notes[0]
    assert {change.model for change in found.changes} == {"net"}


def test_a_sentinel_must_be_the_same_file(folder: Callable[..., Path]) -> None:
    folder("old")
    old = folder("old", model="steady")
    folder("new")
    new = folder("new", model="steady", artifact_sha256="1" * 64)
    with pytest.raises(UsageError, match="--sentinel steady is another file in the candidate"):
        compared(old, new, sentinel="steady")


def test_a_sentinel_needs_launches_that_count_and_one_speed(folder: Callable[..., Path]) -> None:
    def spoilt(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, flags=("stolen-time",) if record.launch == 3 else ())

    def two(record: LaunchRecord) -> LaunchRecord:
        ns = int(1e7 * (1 + 0.1 * (record.launch % 2)) + record.launch)
        return msgspec.structs.replace(record, samples_ns=(ns, ns))

    folder("old")
    old = folder("old", model="steady")
    folder("new")
    few = folder("new", model="steady", edit=spoilt)
    with pytest.raises(UsageError, match="steady has 9 launches that count in the candidate"):
        compared(old, few, sentinel="steady")
    folder("other", launches=20)
    mixed = folder("other", launches=20, model="steady", edit=two)
    with pytest.raises(UsageError, match="two groups in the candidate"):
        compared(old, mixed, sentinel="steady")


def test_what_a_sentinel_lost_is_reported_and_its_partners_left_out(
    folder: Callable[..., Path],
) -> None:
    def spoilt(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, flags=("stolen-time",) if record.launch == 3 else ())

    folder("old")
    old = folder("old", model="steady")
    folder("new", launches=11)
    new = folder("new", model="steady", edit=spoilt, launches=11)
    found = compared(old, new, sentinel="steady")
    assert [(d.model, d.block) for d in found.discarded] == [("steady", 3)]
    assert latency(found).verdict == "pass"
    assert latency(found).blocks == 10
    folder("short")
    short = folder("short", model="steady", edit=spoilt, launches=11)
    change = latency(compared(old, short, sentinel="steady"))
    assert change.verdict == "unstable"
    assert "Only 9 of the candidate's 10 launches count beside one of steady" in change.why


def test_a_noisy_sentinel_raises_no_false_alarms(folder: Callable[..., Path]) -> None:
    """As sentinels should be: the machine is up to 10 % slower on the second day."""
    rng = np.random.default_rng(7)
    alarms = 0
    for number in range(150):
        day = rng.uniform(0, 0.1)
        sides = []
        for name, slower in ((f"old{number}", 0.0), (f"new{number}", day)):
            for model, spread in (("net", 0.005), ("steady", 0.03)):

                def noisy(
                    record: LaunchRecord, slower: float = slower, spread: float = spread
                ) -> LaunchRecord:
                    ns = int(1e7 * (1 + slower) * np.exp(spread * rng.normal()))
                    return msgspec.structs.replace(
                        record, samples_ns=(ns, ns), init_ns=None, peak_memory_mb=None
                    )

                sides.append(folder(name, model=model, edit=noisy))
        alarms += latency(compared(sides[0], sides[2], sentinel="steady")).verdict == "regressed"
    assert alarms <= 1


def test_several_input_shapes_of_a_model_are_refused_and_named(
    folder: Callable[..., Path],
) -> None:
    folder("old", input_shape=(1, 3, 96, 96), plan_id="small")
    mixed = folder("old", input_shape=(1, 3, 224, 224))
    folder("new", input_shape=(1, 3, 224, 224))
    new = folder("new", model="other")
    with pytest.raises(UsageError, match="net with several input shapes: 1x3x96x96, 1x3x224x224"):
        compared(mixed, new)
    folder("old", model="other")
    assert latency(compared(mixed, new, models=("other",)), "other").verdict == "pass"


def test_launches_of_an_earlier_file_are_left_out_and_that_is_said(
    folder: Callable[..., Path],
) -> None:
    folder("old", slower=0.2, artifact_sha256="1" * 64)
    two = folder("old", attempt=1)
    found = compared(two, folder("new"))
    assert latency(found).verdict == "pass"
    (note,) = found.notes
    assert note.startswith("10 launches of net in")
    assert str(two) in note


def test_a_launch_that_bench_did_again_is_reported(folder: Callable[..., Path]) -> None:
    def hot(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, flags=("hot",), started_at="2025-12-31")

    folder("new", launches=2, edit=hot)
    new = folder("new")
    found = compared(folder("old"), new)
    assert latency(found).verdict == "pass"
    assert [(d.block, d.reason) for d in found.discarded] == [
        (0, "candidate, launch 0: hot, done again"),
        (1, "candidate, launch 1: hot, done again"),
    ]
    folder("judged", launches=11, edit=hot)
    judged = folder("judged", launches=11, edit=lambda r: hot(r) if r.launch == 10 else r)
    assert [d.reason for d in compared(folder("old"), judged).discarded][-2:] == [
        "candidate, launch 9: hot, done again",
        "candidate, launch 10: hot",  # written anew when --allow changed, and measured once
    ]


def test_init_time_that_is_undecided_passes_and_says_so(folder: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)

    def noisy(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, init_ns=int(3e7 * np.exp(rng.normal())))

    found = compared(folder("old", edit=noisy), folder("new", edit=noisy))
    (init,) = [change for change in found.changes if change.metric == "init"]
    assert init.verdict == "pass"
    assert "Undecided, which is no alarm" in init.why


def test_a_sentinel_must_be_in_both(folder: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="--sentinel steady has no launches that count"):
        compared(folder("old"), folder("new"), sentinel="steady")


def test_models_in_one_only_are_named(folder: Callable[..., Path]) -> None:
    folder("old")
    old = folder("old", model="gone")
    folder("new")
    new = folder("new", model="added")
    found = compared(old, new)
    assert (found.only_baseline, found.only_candidate) == (("gone",), ("added",))
    assert compared(old, new, models=("net",)).only_candidate == ()


def test_counts_init_and_memory_are_compared_too(folder: Callable[..., Path]) -> None:
    def heavier(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(
            record, params=6_000_000, init_ns=90_000_000 + record.launch, peak_memory_mb=60.1
        )

    found = {c.metric: c for c in compared(folder("old"), folder("new", edit=heavier)).changes}
    assert {metric: change.verdict for metric, change in found.items()} == {
        "latency": "pass",
        "madds": "pass",
        "params": "regressed",
        "init": "regressed",
        "peak_memory": "pass",
    }
    assert found["init"].baseline == pytest.approx(30)
    assert found["params"].change_percent == pytest.approx(20)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b'"samples_ns":[', b'"samples_ns":[-', "line 1: net has a run of -"),
        (b'"samples_ns":[', b'"samples_ns":[NaN,', "damaged in line 1"),
        (b'"samples_ns":[', b'"samples_ns":[5,', "3 samples of 2 runs"),
        (b'"schema_version":1', b'"schema_version":9', "schema_version 9"),
        (b'"samples_ns":[', b'"samples_ns":[1' + b"0" * 400, "line 1: net has a run of 1000"),
        (b'"init_ns":', b'"init_ns":-', "an init_ns of -30000000"),
        (b'"peak_memory_mb":', b'"peak_memory_mb":-', "a peak_memory_mb of -60"),
        (b'"madds":', b'"madds":-', "a madds of -200000000"),
        (b'"params":5', b'"params":5' + b"0" * 400, "a params of 50000"),
        (b'"exit_code":0', b'"exit_code":77', "an exit_code of 77"),
    ],
)
def test_an_edited_or_newer_file_is_refused(
    folder: Callable[..., Path], before: bytes, after: bytes, said: str
) -> None:
    old = folder("old")
    path = old / store.NAME
    path.write_bytes(path.read_bytes().replace(before, after, 1))
    with pytest.raises(UsageError, match=said):
        compared(old, folder("new"))


def test_an_empty_file_is_refused(folder: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="has no launches"):
        compared(folder("old", launches=0), folder("new"))


@pytest.mark.parametrize("launches", [10, 12, 15, 20])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_two_speeds_are_unstable_at_any_number_of_launches(
    folder: Callable[..., Path], launches: int, share: float
) -> None:
    def two(record: LaunchRecord) -> LaunchRecord:
        slow = record.launch < share * launches
        ns = tuple(int(ns * (1.3 if slow else 1)) for ns in record.samples_ns)
        return msgspec.structs.replace(record, samples_ns=ns)

    old = folder("old", launches=launches)
    change = latency(compared(old, folder("new", launches=launches, edit=two)))
    assert change.verdict == "unstable"
    assert "two groups" in change.why


def test_what_bench_was_allowed_counts_here_too(folder: Callable[..., Path]) -> None:
    allowed = {"flags": ("stolen-time",), "allowed": ("stolen-time",)}
    assert latency(compared(folder("old", **allowed), folder("new", **allowed))).verdict == "pass"


def test_launches_of_another_plan_are_left_out_and_that_is_said(
    folder: Callable[..., Path],
) -> None:
    folder("old", slower=0.3, plan_id="another")
    found = compared(folder("old"), folder("new"))
    assert latency(found).verdict == "pass"
    assert any(note.startswith("10 launches of net in") for note in found.notes)


def test_a_pattern_that_means_nothing_is_refused(folder: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="--models nte means no model"):
        compared(folder("old"), folder("new"), models=("net", "nte"))
