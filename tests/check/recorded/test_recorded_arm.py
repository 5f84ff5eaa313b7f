"""Which launches of a results folder are compared, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import UsageError

Compared = Callable[..., RecordedComparison]
Latency = Callable[..., Change]


def test_invalid_launches_are_left_out_and_reported(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
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


def test_mixed_devices_are_said_and_one_can_be_chosen(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
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
    latency: Latency,
    compared: Compared,
    folder: Callable[..., Path],
    fields: dict[str, Any],
    choice: dict[str, Any],
) -> None:
    folder("old")
    mixed = folder("old", plan_id="other", **fields)
    with pytest.raises(UsageError, match="several kinds") as refused:
        compared(mixed, folder("new"))
    assert next(iter(choice)) in refused.value.hint
    assert latency(compared(mixed, folder("new"), **choice)).verdict == "pass"


def test_the_latest_bench_of_a_model_is_taken(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    folder("newer", slower=0.2)
    again = folder("newer", attempt=1)
    assert latency(compared(folder("old"), again)).verdict == "pass"


def test_launches_of_an_earlier_file_are_left_out_and_that_is_said(
    latency: Latency,
    compared: Compared,
    folder: Callable[..., Path],
) -> None:
    folder("old", slower=0.2, artifact_sha256="1" * 64)
    two = folder("old", attempt=1)
    found = compared(two, folder("new"))
    assert latency(found).verdict == "pass"
    (note,) = found.notes
    assert note.startswith("10 launches of net in")
    assert str(two) in note


def test_a_launch_that_bench_did_again_is_reported(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    def hot(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(
            record, flags=("hot",), started_at=f"2025-12-31T00:{record.launch:02}:00Z"
        )

    folder("new", launches=2, edit=hot)
    new = folder("new")
    found = compared(folder("old"), new)
    assert latency(found).verdict == "pass"
    assert [(d.block, d.reason) for d in found.discarded] == [
        (0, "candidate, launch 0: hot, done again"),
        (1, "candidate, launch 1: hot, done again"),
    ]
    first: list[LaunchRecord] = []

    def noted(record: LaunchRecord) -> LaunchRecord:
        first.append(hot(record))
        return first[-1]

    folder("judged", launches=11, edit=noted)
    judged = folder("judged", launches=11, edit=lambda r: first[10] if r.launch == 10 else r)
    assert [d.reason for d in compared(folder("old"), judged).discarded][-2:] == [
        "candidate, launch 9: hot, done again",
        "candidate, launch 10: hot",  # written anew when --allow changed, and measured once
    ]


def test_launches_of_another_plan_are_left_out_and_that_is_said(
    latency: Latency,
    compared: Compared,
    folder: Callable[..., Path],
) -> None:
    folder("old", slower=0.3, plan_id="another")
    found = compared(folder("old"), folder("new"))
    assert latency(found).verdict == "pass"
    assert any(note.startswith("10 launches of net in") for note in found.notes)


def test_what_bench_was_allowed_counts_here_too(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    allowed = {"flags": ("stolen-time",), "allowed": ("stolen-time",)}
    assert latency(compared(folder("old", **allowed), folder("new", **allowed))).verdict == "pass"


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
    compared: Compared, folder: Callable[..., Path], before: bytes, after: bytes, said: str
) -> None:
    old = folder("old")
    path = old / store.NAME
    path.write_bytes(path.read_bytes().replace(before, after, 1))
    with pytest.raises(UsageError, match=said):
        compared(old, folder("new"))


def test_an_empty_file_is_refused(compared: Compared, folder: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="has no launches"):
        compared(folder("old", launches=0), folder("new"))
