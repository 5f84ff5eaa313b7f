"""The witness is heard if it is there, and never stands in the way of what was timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.check.check_request import CheckRequest
from asymm_deploy.check.counted.model_counter import CountedCheck
from asymm_deploy.check.counted.second_witness import Witness
from asymm_deploy.check.findings import GateReport, latency_without_figures
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import HarnessError

Export = Callable[..., Path]
Record = Callable[..., CostRecord]


@pytest.fixture
def timed() -> GateReport:
    return GateReport(
        mode="live",
        device="here",
        circumstances=(),
        baseline="a",
        candidate="b",
        changes=(latency_without_figures("net", "pass", "So it is."),),
        started_at="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def request_of_both(export: Export, tmp_path: Path) -> CheckRequest:
    export("net", b"1", "old")
    export("net", b"2", "new")
    return CheckRequest(baseline=tmp_path / "old", candidate=tmp_path / "new")


def test_counts_stand_behind_the_latency(
    timed: GateReport, request_of_both: CheckRequest, counter: Any, notes: Any, record: Record
) -> None:
    made = counter({"old/net": record(), "new/net": record(2_000_000)})
    witness = Witness(CountedCheck(False, lambda: made, notes))
    report = witness.heard(timed, request_of_both, GatePolicy(), ())
    assert (report.verdict, report.exit_code, report.mode) == ("pass", 0, "live")
    assert [(change.metric, change.witness) for change in report.changes] == [
        ("latency", False),
        ("instructions", True),
        ("l2_misses", True),
        ("l3_misses", True),
    ]
    assert report.changes[1].verdict == "regressed"
    assert "emulated cortex-a76" in report.circumstances[0]


def test_without_an_emulator_that_is_said_before_the_timing_and_after_it(
    timed: GateReport, request_of_both: CheckRequest, notes: Any
) -> None:
    def missing() -> Any:
        raise HarnessError("there is no emulator", "run `asymm-deploy emulator setup`")

    witness = Witness(CountedCheck(False, missing, notes))
    (said,) = notes.remarks
    assert "there is no emulator" in said
    assert "run `asymm-deploy emulator setup`" in said
    report = witness.heard(timed, request_of_both, GatePolicy(), ())
    assert report.changes == timed.changes
    assert report.notes == (said,)


def test_an_emulator_that_fails_takes_no_verdict_away(
    timed: GateReport, request_of_both: CheckRequest, counter: Any, notes: Any
) -> None:
    made = counter({}, failure=HarnessError("it was killed", "try again"))
    witness = Witness(CountedCheck(False, lambda: made, notes))
    report = witness.heard(timed, request_of_both, GatePolicy(), ())
    assert (report.changes, report.exit_code) == (timed.changes, 0)
    assert "it was killed" in report.notes[0]


def test_what_was_not_timed_since_it_is_the_same_file_is_not_counted(
    timed: GateReport, export: Export, tmp_path: Path, counter: Any, notes: Any
) -> None:
    export("net", b"1", "old")
    export("net", b"1", "new")
    request = CheckRequest(baseline=tmp_path / "old", candidate=tmp_path / "new")
    witness = Witness(CountedCheck(False, lambda: counter({}), notes))
    assert witness.heard(timed, request, GatePolicy(), ()) == timed
