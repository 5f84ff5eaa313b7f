"""Counts beside a live comparison: made if the emulator is there, and never in its way."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.check.check_request import CheckRequest, chosen_pairs
from asymm_deploy.check.counted.counted_report import changes_of_pairs, counter_circumstances
from asymm_deploy.check.counted.model_counter import CountedCheck, ModelCounter
from asymm_deploy.check.counted.witness import with_witness
from asymm_deploy.check.findings import GateReport
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import DeployError, HarnessError


class Witness:
    """Counts what was timed. Without an emulator it says so, and counts nothing."""

    def __init__(self, counting: CountedCheck) -> None:
        """Look for the emulator now, so that people know before minutes of timing."""
        self._watcher = counting.watcher
        self._counter: ModelCounter | None = None
        self._missing = ""
        try:
            self._counter = counting.make_counter()
        except HarnessError as error:
            self._missing = _left_out(error)
            self._watcher.remark(self._missing)

    def heard(
        self,
        report: GateReport,
        request: CheckRequest,
        policy: GatePolicy,
        kept: Sequence[CostRecord],
    ) -> GateReport:
        """Return ``report`` with the counts of what was timed, or with why there are none."""
        if self._counter is None:
            return _with_note(report, self._missing)
        pairs = [
            pair for pair in chosen_pairs(request)[0] if request.same_file or not pair.is_same_file
        ]
        if not pairs:
            return report
        try:
            changes, notes = changes_of_pairs(
                pairs, kept, self._counter, policy, self._watcher, request.allow
            )
        except DeployError as error:
            return _with_note(report, _left_out(error))
        return with_witness(report, changes, notes, counter_circumstances(self._counter))


def _left_out(error: DeployError) -> str:
    return f"Without counts: {error.what} ({error.hint})"


def _with_note(report: GateReport, note: str) -> GateReport:
    return msgspec.structs.replace(report, notes=(*report.notes, note))
