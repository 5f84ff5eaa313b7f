"""The report of a recorded comparison calls it the weaker one, and says what it is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.check.check_request import CheckRequest
from asymm_deploy.check.findings import GateReport
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.check.recorded.recorded_report import compare_recorded
from asymm_deploy.errors import UsageError

Folder = Callable[..., Path]


def report(baseline: Path, candidate: Path, **more: Any) -> GateReport:
    request = CheckRequest(baseline=baseline, candidate=candidate, **more)
    return compare_recorded(request, GatePolicy())


def test_it_says_what_was_compared_and_that_it_is_the_weaker_comparison(folder: Folder) -> None:
    old, new = folder("old"), folder("new", slower=0.2)
    found = report(old, new)
    assert (found.mode, found.verdict, found.device) == ("recorded", "regressed", "here")
    assert (found.baseline, found.candidate) == (str(old), str(new))
    assert found.circumstances == (
        "core 1, fp32, 1 thread",
        "mnn 3.6.1, runner python 0.1.0",
        "2 runs per launch, after 20 to warm up",
        "3 % slower is allowed, and at least 20 us",
    )
    assert "the weaker comparison" in found.notes[0]
    assert ".mnn file is not compared" in found.notes[1]
    assert found.inconclusive_fails


def test_remarks_and_ignored_models_are_notes(folder: Folder) -> None:
    old = folder("old")
    folder("new")
    new = folder("new", model="added")
    with pytest.raises(UsageError, match="not every model is in both folders: added only in"):
        report(old, new)
    found = report(old, new, ignore_missing=True, inconclusive_fails=False)
    assert found.notes[-1] == f"Ignored: added only in {new}."
    assert not found.inconclusive_fails


def test_nothing_in_common_is_refused(folder: Folder) -> None:
    old, new = folder("old", model="gone"), folder("new")
    with pytest.raises(UsageError, match="have no model in common"):
        report(old, new, ignore_missing=True)


def test_the_choice_of_device_precision_threads_and_flags_is_passed_on(folder: Folder) -> None:
    choice = {"device": "there", "precision": "fp16", "threads": 2}
    in_force = {"precision_in_force": "fp16"}
    for name in ("old", "new"):
        for change in ({}, {"device": "there"}, {**choice, **in_force}):
            folder(name, plan_id=str(change), flags=("hot",), **change)
    found = report(folder("old", launches=0), folder("new", launches=0), allow=("hot",), **choice)
    assert found.verdict == "pass"
    assert (found.device, found.circumstances[0]) == ("there", "core 1, fp16, 2 threads")


@pytest.mark.parametrize("option", ["--runs", "--seed"])
def test_options_for_timing_are_refused(folder: Folder, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is for live comparisons"):
        report(folder("old"), folder("new"), timing_options=(option,))
