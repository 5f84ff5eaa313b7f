"""Counts beside a comparison of times: a second witness, who has no part in the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from asymm_deploy.check.findings import Change, GateReport, Verdict


def with_witness(
    report: GateReport,
    counts: Mapping[str, Sequence[Change]],
    notes: Sequence[str],
    circumstances: Sequence[str],
) -> GateReport:
    """Return ``report`` with each model's counts behind its other changes, and what they say.

    Verdict and exit code stay what they are.
    """
    latencies = {
        change.model: change.verdict for change in report.changes if change.metric == "latency"
    }
    changes = list(report.changes)
    for model, found in counts.items():
        says = _says(latencies.get(model), found)
        places = (place for place, change in enumerate(changes) if change.model == model)
        last = max(places, default=len(changes) - 1)
        changes[last + 1 : last + 1] = [
            msgspec.structs.replace(
                change,
                witness=True,
                why=f"{change.why} {says}".strip()
                if change.metric == "instructions"
                else change.why,
            )
            for change in found
        ]
    return msgspec.structs.replace(
        report,
        changes=tuple(changes),
        notes=(*report.notes, *notes),
        circumstances=(*report.circumstances, *circumstances),
    )


def _says(latency: Verdict | None, counts: Sequence[Change]) -> str:
    """Return whether the counts bear out what the clock says, in a sentence; empty if unknown."""
    if any(change.verdict == "failed" for change in counts):
        return ""
    growths = [
        (change.candidate or 0) - (change.baseline or 0) for change in counts if change.notice
    ]
    says: dict[Verdict, tuple[bool, str, str]] = {
        "regressed": (
            any(growth > 0 for growth in growths),
            "So the counts bear out that it is slower.",
            "So nothing in the counts explains that it is slower.",
        ),
        "improved": (
            any(growth < 0 for growth in growths),
            "So the counts bear out that it is faster.",
            "So nothing in the counts explains that it is faster.",
        ),
        "pass": (
            any(change.verdict == "regressed" for change in counts),
            "The clock shows no such growth.",
            "",
        ),
    }
    if latency in ("inconclusive", "unstable"):
        return "This is certain, though the latency is not."
    if latency not in says:
        return ""
    shown, yes, no = says[latency]
    return yes if shown else no
