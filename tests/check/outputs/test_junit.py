"""The JUnit file is valid for both schemas in use, and each verdict is the outcome it should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
import xmlschema

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import junit

# What Apache Ant's schema and that of Jenkins' xUnit plugin both allow, in our words.
SCHEMA = Path(__file__).parents[2] / "data" / "junit.xsd"


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(str(SCHEMA))


def outcomes(document: bytes) -> dict[tuple[str, str], str | None]:
    return {
        (case.get("classname", ""), case.get("name", "")): case[0].tag if len(case) else None
        for case in ET.fromstring(document).iter("testcase")
    }


def test_it_is_valid(report: GateReport, schema: xmlschema.XMLSchema10) -> None:
    schema.validate(junit.rendered(report, elapsed_s=12.5).decode())


def test_the_schema_refuses_what_is_none(report: GateReport, schema: xmlschema.XMLSchema10) -> None:
    text = junit.rendered(report).decode().replace(' hostname="Pixel 4"', "")
    assert not schema.is_valid(text)


def test_each_verdict_has_its_outcome(report: GateReport) -> None:
    assert outcomes(junit.rendered(report)) == {
        ("steady", "latency"): None,
        ("steady", "MAdds"): None,
        ("slow", "latency"): "failure",
        ("quick", "latency"): None,
        ("unclear", "latency"): "failure",
        ("jumpy", "latency"): "failure",
        ("lost", "latency"): "error",
        ("wanted", "file size"): None,
    }


def test_inconclusive_is_skipped_where_it_passes(
    report: GateReport, schema: xmlschema.XMLSchema10
) -> None:
    lenient = msgspec.structs.replace(report, inconclusive_fails=False)
    schema.validate(junit.rendered(lenient).decode())
    assert outcomes(junit.rendered(lenient))["unclear", "latency"] == "skipped"
    assert outcomes(junit.rendered(lenient))["jumpy", "latency"] == "failure"


def test_the_suite_counts_its_cases_and_says_how_long_it_took(report: GateReport) -> None:
    suite = ET.fromstring(junit.rendered(report, elapsed_s=12.5))[0]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "8", "failures": "3", "errors": "1", "skipped": "0"}
    assert suite.get("time") == "12.500"
    assert suite.get("timestamp") == "2026-11-23T07:00:00", "in UTC, without a zone"


def test_the_time_of_a_latency_is_the_candidates_in_seconds(report: GateReport) -> None:
    cases = {
        (case.get("classname"), case.get("name")): case.get("time")
        for case in ET.fromstring(junit.rendered(report)).iter("testcase")
    }
    assert cases["slow", "latency"] == "0.010800"
    assert cases["steady", "MAdds"] == "0.000000"


def test_a_failure_says_by_how_much_and_why(report: GateReport) -> None:
    failure = next(ET.fromstring(junit.rendered(report)).iter("failure"))
    assert failure.get("message") == "+8.0 % [+7.5, +8.5] It says so."
    assert failure.text == "baseline 10.000 ms, candidate 10.800 ms"


def test_names_that_xml_cant_hold_are_held(
    report: GateReport,
    change: Callable[..., Change],
    hostile: str,
    schema: xmlschema.XMLSchema10,
) -> None:
    evil = msgspec.structs.replace(
        report,
        changes=(
            change(hostile + "\x00\x0b\ufffe]]>", verdict="regressed", why=hostile),
            change("\x00", verdict="failed"),
        ),
        device="\x00",
        notes=(hostile,),
    )
    text = junit.rendered(evil).decode()
    schema.validate(text)
    assert ET.fromstring(text)[0].get("hostname") == "unnamed"
