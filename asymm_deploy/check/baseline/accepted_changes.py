"""A report, with the changes marked that the baseline accepts; pure."""

from __future__ import annotations

import msgspec

from asymm_deploy.check.baseline.baseline_file import Baseline
from asymm_deploy.check.findings import Change, GateReport


def with_accepted(report: GateReport, baseline: Baseline) -> GateReport:
    """Return ``report`` with the reason on each regression that was accepted at that size.

    A change that has an interval exceeds what was accepted only if its whole interval does: at the
    very size that was accepted, estimates lie on both sides.
    """
    allowed = {
        (found.model, found.metric): found
        for found in baseline.accepted
        if found.up_to_percent is not None
    }

    def judged(change: Change) -> Change:
        found = allowed.get((change.model, change.metric))
        least = change.change_percent if change.low_percent is None else change.low_percent
        if (
            found is None
            or found.up_to_percent is None
            or change.verdict != "regressed"
            or least is None
            or least > found.up_to_percent
        ):
            return change
        why = f"{found.reason} ({found.by}, {found.at[:10]}, up to {found.up_to_percent:g} %)"
        return msgspec.structs.replace(change, accepted=why)

    return msgspec.structs.replace(report, changes=tuple(map(judged, report.changes)))
