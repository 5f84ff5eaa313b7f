"""A report as JUnit XML, which GitLab, Jenkins and others show test by test.

It keeps to what the schemas of Apache Ant and of Jenkins' xUnit plugin both allow: no attributes
on ``testsuites``, ``properties`` first, one outcome per case, no text beside a case that passed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import operator_tables, terminal_table, words
from asymm_deploy.safe import one_line

_MS_PER_S = 1000


def rendered(report: GateReport, *, elapsed_s: float = 0.0) -> bytes:
    """Return the document; ``elapsed_s`` is how long the whole check took.

    A case is a model's metric. A regression is a failure, and what gave no result an error. What
    could not be decided is a failure if it fails the job, else skipped, as is what was not timed. A
    witness has no part in the verdict: what it says against a version is skipped, too. The time of
    a case is the candidate's if the metric is a time, so that a CI system's chart of durations is a
    chart of latencies; else 0.
    """
    root = ET.Element("testsuites")
    elements = [_element(change, report) for change in report.changes]
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": "asymm-deploy check",
            "package": "asymm-deploy",
            "id": "0",
            "timestamp": _without_zone(report.started_at),
            "hostname": _token(report.device),
            "tests": str(len(report.changes)),
            "failures": str(elements.count("failure")),
            "errors": str(elements.count("error")),
            "skipped": str(elements.count("skipped")),
            "time": f"{elapsed_s:.3f}",
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("verdict", report.verdict),
        ("mode", report.mode),
        ("baseline", report.baseline),
        ("candidate", report.candidate),
        *(("circumstances", line) for line in report.circumstances),
    ):
        ET.SubElement(properties, "property", {"name": name, "value": one_line(value)})
    for change, element in zip(report.changes, elements, strict=True):
        _add_case(suite, change, element)
    ET.SubElement(suite, "system-out").text = terminal_table.rendered(report)
    ET.SubElement(suite, "system-err")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add_case(suite: ET.Element, change: Change, element: str | None) -> None:
    is_time = change.unit == "ms" and change.candidate is not None
    seconds = (change.candidate or 0.0) / _MS_PER_S if is_time else 0.0
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _token(change.model),
            "name": words.METRICS[change.metric],
            "time": f"{seconds:.6f}",
        },
    )
    if element is None:
        return
    message = one_line(f"{words.change_text(change)} {words.why_text(change)}")
    kind = {} if element == "skipped" else {"type": change.verdict}
    found = ET.SubElement(case, element, {"message": message, **kind})
    lines = [
        f"baseline {words.amount(change.baseline, change.unit) or 'unknown'}, "
        f"candidate {words.amount(change.candidate, change.unit) or 'unknown'}",
        *map(one_line, operator_tables.operator_lines(change)),
    ]
    found.text = "\n".join(lines)


def _element(change: Change, report: GateReport) -> str | None:
    """Return the name of a case's element; None if it passed."""
    if change.accepted is not None or change.verdict in {"pass", "improved"}:
        return None
    if change.witness:
        return "skipped"
    if change.verdict == "failed":
        return "error"
    if change.verdict == "same":
        return "skipped"
    if change.verdict == "inconclusive" and not report.inconclusive_fails:
        return "skipped"
    return "failure"


def _token(text: str) -> str:
    """Return a name that is not empty, as the schemas want; without what XML can't hold."""
    return one_line(text) or "unnamed"


def _without_zone(started_at: str) -> str:
    """Return an ISO 8601 time in UTC, to the second and without a zone, as Ant's schema wants."""
    moment = datetime.fromisoformat(started_at).astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
