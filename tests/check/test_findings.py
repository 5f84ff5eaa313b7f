"""The verdict over all is the gravest; verdicts and exit codes are ordered alike."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import msgspec
import pytest

from asymm_deploy.check.findings import GRAVEST_FIRST, Change, GateReport, Verdict
from asymm_deploy.errors import ExitCode, worst


def change(verdict: Verdict = "pass", **more: Any) -> Change:
    made = Change(
        model="net",
        metric="latency",
        unit="ms",
        baseline=None,
        candidate=None,
        change_percent=None,
        low_percent=None,
        high_percent=None,
        threshold_percent=None,
        verdict=verdict,
        why="",
    )
    return msgspec.structs.replace(made, **more)


def report(*changes: Change, inconclusive_fails: bool = True) -> GateReport:
    return GateReport(
        mode="live",
        device="here",
        circumstances=(),
        baseline="a",
        candidate="b",
        changes=changes,
        started_at="2026-11-23T09:00:00+00:00",
        inconclusive_fails=inconclusive_fails,
    )


def test_every_verdict_has_its_place() -> None:
    assert sorted(GRAVEST_FIRST) == sorted(get_args(Verdict))


@pytest.mark.parametrize("pair", [*itertools.combinations(GRAVEST_FIRST, 2)], ids=str)
def test_the_graver_of_two_is_the_verdict_and_gives_the_exit_code(
    pair: tuple[Verdict, Verdict],
) -> None:
    graver, other = map(change, pair)
    for both in (report(graver, other), report(other, graver)):
        assert both.verdict == pair[0]
        assert both.exit_code == both.exit_code_of(graver)


@pytest.mark.parametrize(
    ("verdict", "code", "lenient"),
    [
        ("failed", 3, 3),
        ("regressed", 1, 1),
        ("unstable", 4, 4),
        ("inconclusive", 4, 0),
        ("improved", 0, 0),
        ("pass", 0, 0),
    ],
)
def test_each_verdict_has_its_exit_code(verdict: Verdict, code: int, lenient: int) -> None:
    assert report(change(verdict)).exit_code == code
    assert report(change(verdict), inconclusive_fails=False).exit_code == lenient


def test_of_failures_the_worst_gives_the_exit_code() -> None:
    wrong = change("failed", exit_code=ExitCode.NUMERICS)
    lost = change("failed", exit_code=ExitCode.HARNESS)
    assert report(lost, wrong, change("regressed")).exit_code == ExitCode.NUMERICS
    assert report(change("regressed"), lost).exit_code == ExitCode.HARNESS


def test_what_was_accepted_counts_as_passed() -> None:
    accepted = change("regressed", accepted="wanted")
    assert not accepted.alarms
    assert change("regressed").alarms
    assert not change("failed").alarms
    assert report(accepted).verdict == "pass"
    assert report(accepted).exit_code == 0
    assert report(accepted, change("unstable")).verdict == "unstable"


def test_a_report_says_its_version() -> None:
    assert report().schema_version == 1


def test_nothing_compared_is_a_pass() -> None:
    assert (report().verdict, report().exit_code) == ("pass", 0)


def test_exit_codes_are_ordered_as_verdicts_are() -> None:
    by_gravity = [ExitCode.HARNESS, ExitCode.REGRESSION, ExitCode.UNSTABLE, ExitCode.OK]
    for graver, other in itertools.combinations(by_gravity, 2):
        assert worst([other, graver]) == worst([graver, other]) == graver
