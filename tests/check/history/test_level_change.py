"""Creep and steps are found with their commit and size; noise is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.check.findings import Change, GateReport

Write = Callable[..., list[Path]]
Judged = Callable[..., GateReport]
Only = Callable[[GateReport], Change]


def commit(number: int) -> str:
    return f"abc{number:05x}"


def noise(count: int, seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, NOISE, count))


NOISE = 0.005
"""Of a commit's latency, relative; launches of a quiet core spread as much."""


def test_a_step_is_found_at_its_commit_and_by_its_size(
    only: Only, judged: Judged, write: Write
) -> None:
    latencies = 10 * noise(30, 1)
    latencies[18:] *= 1.05
    report = judged(write(latencies))
    change = only(report)
    assert report.verdict == "regressed"
    assert report.exit_code == 1
    assert f"from commit {commit(18)} on" in change.why
    assert "against the lowest before" not in change.why  # there is but one
    assert change.change_percent == pytest.approx(5.0, abs=1.0)
    assert change.low_percent is not None
    assert change.high_percent is not None
    assert 3.5 < change.low_percent < 5.0 < change.high_percent < 6.5
    assert change.baseline == pytest.approx(10, rel=0.01)
    assert change.blocks == 30


def test_creep_that_no_pair_of_commits_shows_is_found(
    only: Only, judged: Judged, write: Write
) -> None:
    latencies = 10 * noise(40, 2) * 1.0015 ** np.arange(40)  # 0.15 % a commit, 6 % in all
    report = judged(write(latencies))
    assert report.verdict == "regressed"
    assert "from commit abc" in only(report).why


def test_noise_alone_is_no_alarm(only: Only, judged: Judged, write: Write) -> None:
    report = judged(write(10 * noise(30, 3)))
    assert report.verdict == "pass"
    assert report.exit_code == 0
    assert only(report).change_percent is None


def test_one_slow_commit_that_the_next_one_mends_is_no_alarm(judged: Judged, write: Write) -> None:
    latencies = 10 * noise(30, 4)
    latencies[14] *= 1.2
    assert judged(write(latencies)).verdict == "pass"


def test_the_latest_commit_alone_is_no_level_yet(judged: Judged, write: Write) -> None:
    latencies = 10 * noise(60, 4)
    latencies[-1] *= 1.5
    assert judged(write(latencies)).verdict == "pass"


def test_a_step_within_the_threshold_passes_and_is_told(
    only: Only, judged: Judged, write: Write
) -> None:
    latencies = 10 * noise(40, 5)
    latencies[20:] *= 1.02
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert f"from commit {commit(20)} on" in change.why


def test_a_gain_is_an_improvement(judged: Judged, write: Write) -> None:
    latencies = 10 * noise(40, 6)
    latencies[20:] *= 0.9
    report = judged(write(latencies))
    assert report.verdict == "improved"
    assert "if that is intended" not in report.changes[0].why


def test_a_regression_that_was_mended_is_no_alarm(only: Only, judged: Judged, write: Write) -> None:
    latencies = 10 * noise(40, 6)
    latencies[10:25] *= 1.1
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert f"from commit {commit(10)} on" in change.why
    assert f"from commit {commit(25)} on" in change.why


def test_too_few_commits_are_inconclusive(only: Only, judged: Judged, write: Write) -> None:
    report = judged(write([10.0] * 5 + [11.0] * 4))
    assert report.verdict == "inconclusive"
    assert report.exit_code == 4
    assert "10 commits are needed to tell, and it has 9" in only(report).why


def test_latencies_that_never_change_pass(judged: Judged, write: Write) -> None:
    assert judged(write([10.0] * 20)).verdict == "pass"


def test_a_step_without_any_noise_is_found(only: Only, judged: Judged, write: Write) -> None:
    assert f"from commit {commit(10)} on" in only(judged(write([10.0] * 10 + [11.0] * 10))).why


def test_what_came_back_after_a_gain_alarms(only: Only, judged: Judged, write: Write) -> None:
    latencies = 10 * noise(45, 11)
    latencies[15:30] *= 0.8
    latencies[30:] *= 0.96
    files = write(latencies)
    report = judged(files)
    change = only(report)
    assert report.exit_code == 1
    assert change.change_percent == pytest.approx(20, abs=1)
    assert change.baseline == pytest.approx(8, rel=0.01)
    assert f" % from commit {commit(15)} on, +20.3 % from commit {commit(30)} on" in change.why
    assert f"against the lowest before, from commit {commit(15)} on" in change.why
    assert f"if that is intended, give the files from commit {commit(30)} on" in change.why
    assert judged(files[30:]).exit_code == 0


def test_a_gain_of_which_nearly_all_is_kept_passes(
    only: Only, judged: Judged, write: Write
) -> None:
    latencies = 10 * noise(60, 11)
    latencies[20:] *= 0.8
    latencies[40:] *= 1.015
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert change.change_percent == pytest.approx(1.5, abs=0.5)


def test_the_last_commits_in_which_no_step_can_be_seen_yet_are_named(
    only: Only, judged: Judged, write: Write
) -> None:
    latencies = 10 * noise(10, 12)
    latencies[-3:] *= 1.1
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert change.change_percent is None
    assert "a step in the last 3 commits can't be told from chance yet" in change.why


def test_so_they_are_within_the_latest_level(only: Only, judged: Judged, write: Write) -> None:
    change = only(judged(write([10.0] * 20 + [11.0] * 8)))
    assert change.verdict == "regressed"
    assert "a step in the last 7 commits can't be told from chance yet" in change.why


def test_a_model_that_is_gone_is_not_judged_by_what_it_was(judged: Judged, write: Write) -> None:
    write([10.0] * 20, model="stays")
    files = write([10.0] * 12, model="gone")
    report = judged([*files, *write([10.0] * 20, model="stays")[12:]])
    gone = next(change for change in report.changes if change.model == "gone")
    assert gone.verdict == report.verdict == "inconclusive"
    assert f"of commit {commit(11)}, and the last commit is {commit(19)}" in gone.why
    assert "--models" in gone.why


def test_a_new_model_is_undecided_says_since_when_it_is_there_and_hides_no_regression(
    judged: Judged,
    write: Write,
) -> None:
    files = write([10.0] * 10 + [12.0] * 10, model="old")
    for path in files[:16]:
        content = path.read_bytes()
        path.with_suffix(".kept").write_bytes(content)
    write([5.0] * 20, model="new")
    for path in files[:16]:
        path.with_suffix(".kept").rename(path)
    report = judged(files)
    new = next(change for change in report.changes if change.model == "new")
    assert new.verdict == "inconclusive"
    assert f"it has 4 since commit {commit(16)}" in new.why
    assert report.exit_code == 1
    assert judged(files, models=("new",)).exit_code == 4
    assert judged(files, models=("new",), inconclusive_fails=False).exit_code == 0


def test_a_model_of_which_nothing_counts_is_undecided(write: Write, judged: Judged) -> None:
    write([10.0] * 12, model="good")
    report = judged(write([10.0] * 12, model="bad", flags=("throttled",)))
    bad = next(change for change in report.changes if change.model == "bad")
    assert (bad.verdict, bad.why) == ("inconclusive", "None of its launches counts.")


def test_20_us_are_allowed_over_many_commits_too(judged: Judged, write: Write) -> None:
    tiny = {"floor_madds": 1000}
    write([0.100] * 10 + [0.130] * 10, model="other", **tiny)
    change, other = judged(write([0.100] * 10 + [0.106] * 10, **tiny)).changes[::-1]
    assert change.change_percent == pytest.approx(6, abs=0.2)
    assert change.verdict == "pass"
    assert change.threshold_percent == pytest.approx(20, abs=0.5)
    assert other.verdict == "regressed"
