"""Many commits of many models: each has its verdict, and all share the false alarms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy import cli
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.history import creep
from asymm_deploy.errors import UsageError

Write = Callable[..., list[Path]]
Judged = Callable[..., GateReport]
Only = Callable[[GateReport], Change]


def commit(number: int) -> str:
    return f"abc{number:05x}"


def noise(count: int, seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, NOISE, count))


NOISE = 0.005
"""Of a commit's latency, relative; launches of a quiet core spread as much."""


def test_each_model_has_its_verdict_and_all_share_the_false_alarms(
    judged: Judged, write: Write
) -> None:
    steady, slower = 10 * noise(30, 7), 20 * noise(30, 8)
    slower[15:] *= 1.08
    write(steady, model="steady")
    report = judged(write(slower, model="slower"))
    assert {change.model: change.verdict for change in report.changes} == {
        "steady": "pass",
        "slower": "regressed",
    }


def test_many_models_need_more_commits_and_wait_longer_for_a_step(
    judged: Judged, write: Write
) -> None:
    for number in range(50):
        files = write([10.0] * 20, model=f"net{number}")
    few, more = judged(files[:15]), judged(files)
    assert few.verdict == "inconclusive"
    assert {change.verdict for change in few.changes} == {"inconclusive"}
    assert "16 commits are needed to tell, and it has 15" in few.changes[0].why
    assert more.verdict == "pass"
    assert "a step in the last 4 commits can't be told" in more.changes[0].why


def test_models_are_chosen_and_share_the_false_alarms_among_them(
    only: Only, judged: Judged, write: Write
) -> None:
    for name in ("left_out", "left_out_too", "kept"):
        files = write([10.0] * 10, model=name)
    assert [change.verdict for change in judged(files).changes] == ["inconclusive"] * 3
    report = judged(files, models=("kept",))
    assert only(report).model == "kept"
    assert report.verdict == "pass"
    with pytest.raises(UsageError, match=r"--models none\* matches no model") as refused:
        judged(files, models=("kept", "none*"))
    assert refused.value.hint == "there are: kept, left_out, left_out_too"


def test_more_files_than_can_be_judged_are_cut_and_it_is_said(
    judged: Judged, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creep, "MOST_POINTS", 12)
    report = judged(write([20.0] * 8 + [10.0] * 12))
    assert report.verdict == "pass"
    assert "Of 20 files the last 12 are used." in report.notes


@pytest.mark.parametrize(
    "option",
    [
        ("--device", "host"),
        ("--precision", "fp32"),
        ("--threads", "1"),
        ("--runner", "runner"),
        ("--sentinel", "net"),
        ("--ignore-missing",),
        ("--fresh",),
    ],
)
def test_options_that_mean_nothing_here_are_refused_by_name(
    write: Write, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    assert cli.run(["check", "--history", *map(str, write([10.0] * 12)), *option]) == 2
    assert f"{option[0]} is not for --history" in capsys.readouterr().err


def test_the_command_takes_models_flags_to_allow_and_a_threshold(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write([10.0] * 5, model="short")
    files = [str(path) for path in write([10.0] * 12 + [12.0] * 8, flags=("stolen-time",))]
    chosen = ["check", "--history", *files, "--models", "net", "--allow", "stolen-time"]
    assert cli.run(chosen) == 1
    assert "short" not in capsys.readouterr().out
    assert cli.run([*chosen, "--threshold", "30%"]) == 0
    assert cli.run(["check", "--history", *files, "--models", "net"]) == 2
    assert cli.run(["check", "--history", *files, "--models", "short"]) == 4
