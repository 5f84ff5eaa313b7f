"""Every output tells of counts: what grew, which operators, and what a witness says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
import xmlschema

from asymm_deploy.check.findings import Change, GateReport, OperatorChange
from asymm_deploy.check.outputs import github, json_file, junit, markdown, terminal_table, words

DATA = Path(__file__).parents[2] / "data"
SCHEMA = Path(__file__).parents[3] / "docs" / "check-schema.json"
LINE = "+300 Convolution conv in features.3: 600 to 900"


@pytest.fixture
def grown(change: Callable[..., Change]) -> Change:
    conv = OperatorChange(
        name="conv", type="Convolution", module="features.3", baseline=600, candidate=900
    )
    return change(
        metric="instructions",
        verdict="regressed",
        percent=30.0,
        baseline=1_000.0,
        candidate=1_300.0,
        operators=(conv,),
        notice=True,
    )


@pytest.fixture
def counted(report: GateReport, change: Callable[..., Change], grown: Change) -> GateReport:
    """One that grew, a notice, one that passed, and misses that did."""
    told = change("near", "instructions", percent=0.123, notice=True)
    quiet = change("alike", "instructions", percent=0.0)
    misses = change("alike", "l2_misses", percent=0.0)
    return msgspec.structs.replace(
        report, mode="counted", device="a76", changes=(quiet, misses, told, grown), discarded=()
    )


def test_the_table_has_every_model_and_the_operators_of_what_changed(counted: GateReport) -> None:
    text = terminal_table.rendered(counted)
    rows = [change.model for change in words.rows_to_show(counted)]
    assert rows == ["net", "alike", "near"]
    assert "+0.12 %" in text
    assert f"net, instructions, by operator:\n  {LINE}" in text
    assert "1 more passed: L2 misses." in text
    assert "device a76, counted comparison" in text


def test_markdown_folds_the_operators_away(counted: GateReport) -> None:
    text = markdown.rendered(counted)
    assert "<summary>net, instructions, by operator</summary>" in text
    assert "Convolution conv in features.3" in text
    assert text.count("<details>") == 2


def test_junit_is_valid_and_a_growth_is_a_failure_with_its_operators(counted: GateReport) -> None:
    document = junit.rendered(counted)
    xmlschema.XMLSchema10(str(DATA / "junit.xsd")).validate(document.decode())
    (failure,) = ET.fromstring(document).iter("failure")
    assert failure.text == f"baseline 1,000, candidate 1,300\n{LINE}"


def test_the_json_file_has_every_operator_and_fits_its_schema(counted: GateReport) -> None:
    document = json.loads(json_file.rendered(counted))
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert document["mode"] == "counted"
    (operator,) = document["changes"][3]["operators"]
    assert (operator["module"], operator["baseline"], operator["candidate"]) == (
        "features.3",
        600,
        900,
    )


def test_github_shows_growths_as_errors_and_small_ones_as_notices(counted: GateReport) -> None:
    lines = github.annotation_lines(counted, {"GITHUB_ACTIONS": "true"})
    assert [line.split("::")[1] for line in lines] == [
        "error title=net%2C instructions%3A regressed",
        "notice title=near%2C instructions%3A pass",
    ]
    assert LINE in lines[0]


def test_operators_have_no_names_that_command_anybody(
    counted: GateReport, grown: Change, hostile: str
) -> None:
    (conv,) = grown.operators
    evil = msgspec.structs.replace(conv, name=hostile, type=hostile, module=hostile)
    report = msgspec.structs.replace(
        counted, changes=(msgspec.structs.replace(grown, operators=(evil,)),)
    )
    (line,) = github.annotation_lines(report, {"GITHUB_ACTIONS": "true"})
    assert line.isprintable()
    text = terminal_table.rendered(report)
    assert not any(each.lstrip().startswith(("::", "##[")) for each in text.splitlines())
    assert "\x1b" not in text
    assert "<img" not in markdown.rendered(report)
    assert "@all" not in markdown.rendered(report)
    xmlschema.XMLSchema10(str(DATA / "junit.xsd")).validate(junit.rendered(report).decode())
    json.loads(json_file.rendered(report))


@pytest.mark.parametrize("verdict", ["regressed", "failed"])
def test_a_witness_is_told_and_fails_nothing(
    report: GateReport, change: Callable[..., Change], grown: Change, verdict: str
) -> None:
    notice = verdict != "failed"
    witness = msgspec.structs.replace(grown, witness=True, verdict=verdict, notice=notice)
    both = msgspec.structs.replace(report, changes=(change("net"), witness), discarded=())
    assert words.headline(both) == "pass (1 pass)"
    assert f"witness: {verdict}" in terminal_table.rendered(both)
    assert f"**witness: {verdict}**" not in markdown.rendered(both)
    document = junit.rendered(both)
    xmlschema.XMLSchema10(str(DATA / "junit.xsd")).validate(document.decode())
    suite = ET.fromstring(document)[0]
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "0", "1")
    (line,) = github.annotation_lines(both, {"GITHUB_ACTIONS": "true"})
    assert line.startswith("::notice ")
    read = json.loads(json_file.rendered(both))
    assert (read["verdict"], read["exit_code"], read["changes"][1]["exit_code"]) == ("pass", 0, 0)
