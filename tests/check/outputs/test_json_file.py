"""The JSON file fits its schema, and github-action-benchmark can read its array."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import json_file

SCHEMA = Path(__file__).parents[3] / "docs" / "check-schema.json"


def test_the_documented_schema_is_the_programs_own() -> None:
    assert SCHEMA.read_bytes() == json_file.report_schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


def test_a_report_fits_the_schema(report: GateReport) -> None:
    document = json.loads(json_file.rendered(report))
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert document["verdict"] == "failed"
    assert document["exit_code"] == 3
    assert document["changes"][2]["change_percent"] == pytest.approx(8.0)
    assert document["changes"][6]["change_percent"] is None
    assert [change["exit_code"] for change in document["changes"]] == [0, 0, 1, 0, 4, 4, 3, 0]


def test_the_schema_refuses_what_is_no_report(report: GateReport) -> None:
    document = json.loads(json_file.rendered(report))
    document["verdict"] = "great"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_numbers_and_names_that_json_cant_hold_are_replaced(
    report: GateReport, change: Callable[..., Change], hostile: str
) -> None:
    odd = change(hostile, percent=float("inf"), candidate=float("nan"))
    text = json_file.rendered(msgspec.structs.replace(report, changes=(odd,), device=hostile))
    document = json.loads(text, parse_constant=pytest.fail)
    assert document["changes"][0]["change_percent"] is None
    assert json_file.benchmark_entries(msgspec.structs.replace(report, changes=(odd,))) == b"[]\n"


def test_the_benchmark_array_has_what_the_action_reads(report: GateReport) -> None:
    # its extractCustomBenchmarkResult takes name, value, unit, range and extra of each entry
    entries = json.loads(json_file.benchmark_entries(report))
    assert entries[2] == {
        "name": "slow latency",
        "unit": "ms",
        "value": pytest.approx(10.8),
        "range": "± 0.0500",
        "extra": "regressed: +8.0 % [+7.5, +8.5]\nPixel 4",
    }
    assert [entry["name"] for entry in entries].count("lost latency") == 0
    assert len({entry["name"] for entry in entries}) == len(entries)
