"""A line of runs.jsonl says everything about a launch, and old lines are read by new programs."""

from __future__ import annotations

import json

import msgspec
import pytest

from asymm_deploy.bench.judge.rows import summarise
from asymm_deploy.bench.records import (
    CorePolicy,
    LaunchRecord,
    RowSummary,
)
from asymm_deploy.errors import ExitCode


def test_a_launch_comes_back_from_its_line(good: LaunchRecord) -> None:
    facts = msgspec.structs.replace(good.device_facts, policies=(CorePolicy((4, 5), 2_419_200),))
    record = msgspec.structs.replace(good, device_facts=facts, input_shape=(1, 3, 224, 224))
    assert msgspec.json.decode(msgspec.json.encode(record), type=LaunchRecord) == record


def test_a_line_begins_with_its_version_and_holds_what_programs_rely_on(
    good: LaunchRecord,
) -> None:
    line = msgspec.json.encode(good)
    assert line.startswith(b'{"schema_version":1,')  # programs that know no paired launches read it
    assert json.loads(line).keys() >= {
        *("model", "artifact_sha256", "device", "launch", "samples_ns", "valid", "flags"),
        *("started_at", "device_facts", "plan_id", "attempt", "cpu", "engine", "precision"),
    }


@pytest.mark.parametrize("name", ["input_shape", "conditions", "output_tolerance"])
def test_a_line_of_before_a_field_was_added_is_read(good: LaunchRecord, name: str) -> None:
    fields = json.loads(msgspec.json.encode(good))
    del fields[name]
    assert msgspec.json.decode(json.dumps(fields), type=LaunchRecord) == good


@pytest.mark.parametrize("name", ["model", "samples_ns", "cpus", "exit_code", "flags"])
def test_a_line_without_what_it_must_hold_is_none(good: LaunchRecord, name: str) -> None:
    fields = json.loads(msgspec.json.encode(good))
    del fields[name]
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.json.decode(json.dumps(fields), type=LaunchRecord)


def row(good: LaunchRecord, **fields: object) -> RowSummary:
    return msgspec.structs.replace(summarise([good]), **fields)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, ExitCode.OK),
        ({"flags": ("unpinned",)}, ExitCode.OK),
        ({"flags": ("bimodal",)}, ExitCode.UNSTABLE),
        ({"flags": ("bimodal",), "allowed": ("bimodal",)}, ExitCode.OK),
        ({"flags": ("output-mismatch", "bimodal")}, ExitCode.NUMERICS),
        ({"flags": ("failed",)}, ExitCode.HARNESS),
        ({"flags": ("failed",), "failure_code": 6}, ExitCode.CONVERSION),
        ({"flags": ("bimodal",), "failure_code": 6}, ExitCode.UNSTABLE),
    ],
)
def test_a_row_ends_a_bench_with_what_its_flags_ask_for(
    good: LaunchRecord, fields: dict[str, object], code: ExitCode
) -> None:
    assert row(good, **fields).exit_code is code


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"flags": ("bimodal", "hot")}, "bimodal hot"),
        ({"flags": ("failed",), "reason": "it died: 9"}, "failed: it died: 9"),
        ({"flags": ("failed", "hot"), "reason": "it died: 9"}, "failed hot: failed: it died: 9"),
        ({"flags": ("hot",), "words": (("hot", "45 degC"),)}, "hot: 45 degC"),
        (
            {
                "flags": ("failed", "busy", "hot"),
                "reason": "it died",
                "words": (("busy", "a game"), ("hot", "45 degC")),
            },
            "failed busy hot: failed: it died; busy: a game; hot: 45 degC",
        ),
    ],
)
def test_the_cell_of_flags_names_them_and_why_a_row_failed(
    good: LaunchRecord, fields: dict[str, object], text: str
) -> None:
    assert row(good, **fields).flags_text == text
