"""A report as JSON: all of it, and the array that github-action-benchmark reads."""

from __future__ import annotations

import math

import msgspec

from asymm_deploy import __version__
from asymm_deploy.check.findings import (
    Change,
    DiscardedBlock,
    GateReport,
    Mode,
    OperatorChange,
    Verdict,
)
from asymm_deploy.check.outputs import words


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` writes; docs/check-schema.json is its JSON Schema."""

    schema_version: int
    """1; incremented when a program written for the previous version would misread it."""
    program: str
    """``asymm-deploy`` and its version."""
    verdict: Verdict
    """The gravest of all changes; an accepted one counts as passed."""
    exit_code: int
    """What ``check`` exits with."""
    mode: Mode
    """``live``: both timed in turns. ``recorded``: earlier results compared, the weaker test.

    ``counted``: what both execute in an emulator, without a clock.
    """
    device: str
    circumstances: tuple[str, ...]
    baseline: str
    candidate: str
    changes: tuple[Change, ...]
    discarded: tuple[DiscardedBlock, ...]
    notes: tuple[str, ...]
    started_at: str
    """ISO 8601, UTC."""
    inconclusive_fails: bool


class BenchmarkEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One benchmark, as github-action-benchmark's ``customSmallerIsBetter`` reads it."""

    name: str
    unit: str
    value: float
    range: str | None = None
    extra: str | None = None


def rendered(report: GateReport) -> bytes:
    """Return the document. Numbers that are not finite are null, which JSON can hold."""
    document = Document(
        schema_version=report.schema_version,
        program=f"asymm-deploy {__version__}",
        verdict=report.verdict,
        exit_code=int(report.exit_code),
        mode=report.mode,
        device=_text(report.device),
        circumstances=tuple(_text(line) for line in report.circumstances),
        baseline=_text(report.baseline),
        candidate=_text(report.candidate),
        changes=tuple(_with_text(change, report) for change in report.changes),
        discarded=tuple(
            msgspec.structs.replace(
                found,
                model=_text(found.model),
                reason=_text(found.reason),
                side=_text(found.side),
                cause=_text(found.cause),
            )
            for found in report.discarded
        ),
        notes=tuple(_text(note) for note in report.notes),
        started_at=report.started_at,
        inconclusive_fails=report.inconclusive_fails,
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def benchmark_entries(report: GateReport) -> bytes:
    """Return the array for ``tool: customSmallerIsBetter``: the candidate's values.

    Names don't include the device, so that a chart goes on if a runner is replaced; give the action
    a ``name`` for each device. The action refuses an empty array.
    """
    entries = [
        BenchmarkEntry(
            name=_text(f"{change.model} {words.METRICS[change.metric]}"),
            unit=change.unit,
            value=change.candidate,
            range=_range(change),
            extra=_text(
                f"{words.verdict_text(change)}: {words.change_text(change)}\n{report.device}"
            ),
        )
        for change in report.changes
        if change.candidate is not None and math.isfinite(change.candidate)
    ]
    return msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n"


def report_schema() -> bytes:
    """Return the JSON Schema of the document, as docs/check-schema.json has it."""
    described = msgspec.json.schema(Document)
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    described["title"] = "The report of asymm-deploy check"
    described["$defs"]["Change"]["properties"]["exit_code"] = {
        "type": "integer",
        "description": "What check would exit with if this were the only change.",
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


def _range(change: Change) -> str | None:
    """Return half the change's interval in the metric's unit: the action reads ``± NUMBER``."""
    if change.baseline is None or change.low_percent is None or change.high_percent is None:
        return None
    half = (change.high_percent - change.low_percent) / 200 * change.baseline
    return f"± {half:.4f}" if math.isfinite(half) else None


def _with_text(change: Change, report: GateReport) -> Change:
    """Return a change with its own exit code, and text that UTF-8 can hold."""
    return msgspec.structs.replace(
        change,
        exit_code=int(report.exit_code_of(change)),
        model=_text(change.model),
        why=_text(change.why),
        accepted=None if change.accepted is None else _text(change.accepted),
        operators=tuple(map(_operator_with_text, change.operators)),
    )


def _operator_with_text(of: OperatorChange) -> OperatorChange:
    return msgspec.structs.replace(
        of,
        name=_text(of.name),
        type=_text(of.type),
        module=None if of.module is None else _text(of.module),
        former_name=None if of.former_name is None else _text(of.former_name),
    )


def _text(text: str) -> str:
    """Return text that UTF-8 can hold: a file's name may be any bytes."""
    return text.encode("utf-8", "replace").decode("utf-8")
