"""Many commits: creep and steps are found with their commit, noise is not, and mixtures refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import history
from asymm_deploy.check.records import Change, Report
from asymm_deploy.errors import UsageError

Write = Callable[..., list[Path]]
NOISE = 0.005
"""Of a commit's latency, relative; launches of a quiet core spread as much."""


@pytest.fixture
def write(tmp_path: Path, good: LaunchRecord) -> Write:
    """Write a file for each latency, in ms: three launches of it; ``more`` changes the records."""

    def written(latencies_ms: Sequence[float], model: str = "net", **more: object) -> list[Path]:
        paths = []
        for number, latency_ms in enumerate(latencies_ms):
            path = tmp_path / f"2026-01-01-{number:03}-{commit(number)}.jsonl"
            with path.open("ab") as file:
                for launch in range(3):
                    ns = round(latency_ms * 1e6) + launch * 100
                    record = msgspec.structs.replace(
                        good, model=model, launch=launch, runs=5, samples_ns=(ns,) * 5
                    )
                    file.write(msgspec.json.encode(msgspec.structs.replace(record, **more)) + b"\n")
            paths.append(path)
        return paths

    return written


def commit(number: int) -> str:
    return f"abc{number:05x}"


def noise(count: int, seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, NOISE, count))


def judged(files: Sequence[Path], threshold_percent: float = 3.0) -> Report:
    return history.judged(files, threshold_percent=threshold_percent)


def only(report: Report) -> Change:
    (change,) = report.changes
    return change


def test_a_step_is_found_at_its_commit_and_by_its_size(write: Write) -> None:
    latencies = 10 * noise(30, 1)
    latencies[18:] *= 1.05
    report = judged(write(latencies))
    change = only(report)
    assert report.verdict == "regressed"
    assert report.exit_code == 1
    assert f"from commit {commit(18)} on" in change.why
    assert change.change_percent == pytest.approx(5.0, abs=1.0)
    assert change.low_percent is not None
    assert change.high_percent is not None
    assert 3.5 < change.low_percent < 5.0 < change.high_percent < 6.5
    assert change.baseline == pytest.approx(10, rel=0.01)
    assert change.blocks == 30


def test_creep_that_no_pair_of_commits_shows_is_found(write: Write) -> None:
    latencies = 10 * noise(40, 2) * 1.0015 ** np.arange(40)  # 0.15 % a commit, 6 % in all
    report = judged(write(latencies))
    assert report.verdict == "regressed"
    assert "from commit abc" in only(report).why


def test_noise_alone_is_no_alarm(write: Write) -> None:
    # of 200 histories two may be, by design; a test on pairs of commits would alarm in all
    alarms = [history.levels(np.log(noise(30, seed)), 0.01) for seed in range(200)]
    assert sum(map(bool, alarms)) <= 6
    report = judged(write(10 * noise(30, 3)))
    assert report.verdict == "pass"
    assert report.exit_code == 0
    assert only(report).change_percent == 0


def test_one_slow_commit_that_the_next_one_mends_is_no_alarm(write: Write) -> None:
    latencies = 10 * noise(30, 4)
    latencies[14] *= 1.2
    assert judged(write(latencies)).verdict == "pass"


def test_the_latest_commit_alone_is_no_level_yet(write: Write) -> None:
    latencies = 10 * noise(60, 4)
    latencies[-1] *= 1.5
    assert judged(write(latencies)).verdict == "pass"


def test_a_step_within_the_threshold_passes_and_is_told(write: Write) -> None:
    latencies = 10 * noise(40, 5)
    latencies[20:] *= 1.02
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert f"from commit {commit(20)} on" in change.why


def test_a_gain_is_an_improvement(write: Write) -> None:
    latencies = 10 * noise(40, 6)
    latencies[20:] *= 0.9
    assert judged(write(latencies)).verdict == "improved"


def test_a_regression_that_was_mended_is_no_alarm(write: Write) -> None:
    latencies = 10 * noise(40, 6)
    latencies[10:25] *= 1.1
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert f"from commit {commit(10)} on" in change.why
    assert f"from commit {commit(25)} on" in change.why


def test_too_few_commits_are_inconclusive(write: Write) -> None:
    report = judged(write([10.0] * 5 + [11.0] * 4))
    assert report.verdict == "inconclusive"
    assert report.exit_code == 4
    assert "9 commits are too few" in only(report).why


def test_latencies_that_never_change_pass(write: Write) -> None:
    assert judged(write([10.0] * 20)).verdict == "pass"


def test_a_step_without_any_noise_is_found(write: Write) -> None:
    assert f"from commit {commit(10)} on" in only(judged(write([10.0] * 10 + [11.0] * 10))).why


def test_each_model_has_its_verdict_and_all_share_the_false_alarms(write: Write) -> None:
    steady, slower = 10 * noise(30, 7), 20 * noise(30, 8)
    slower[15:] *= 1.08
    write(steady, model="steady")
    report = judged(write(slower, model="slower"))
    assert {change.model: change.verdict for change in report.changes} == {
        "steady": "pass",
        "slower": "regressed",
    }


def test_invalid_and_failed_launches_do_not_count(write: Write) -> None:
    write([10.0] * 20)
    files = write([99.0] * 20, flags=("stolen-time",))  # later, and so the latest of the same row
    with pytest.raises(UsageError, match="no valid launch"):
        judged(files)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("runner", {"runner_version": "9"}),
        ("engine", {"engine_version": "4.0.0"}),
        ("core", {"cpus": (3,)}),
        ("device", {"device": "elsewhere"}),
        ("warm-up", {"warmup": 5}),
    ],
)
def test_other_circumstances_are_refused_and_named(
    write: Write, name: str, changed: dict[str, object]
) -> None:
    before = write([10.0] * 6)
    kept = [path.read_bytes() for path in before]
    files = write([10.0] * 12, **changed)
    for path, content in zip(before, kept, strict=True):
        path.write_bytes(content)
    with pytest.raises(UsageError, match=f"its {name} was .* at {commit(0)} and is .*") as caught:
        judged(files)
    assert f"from {commit(6)} on" in caught.value.hint


def test_two_phones_timed_for_each_commit_are_two_histories(write: Write) -> None:
    slower = 10 * noise(30, 9)
    slower[15:] *= 1.1
    write(10 * noise(30, 10), device="phone A")
    report = judged(write(slower, device="phone B"))
    assert {change.model: change.verdict for change in report.changes} == {
        "net on phone A": "pass",
        "net on phone B": "regressed",
    }


@pytest.mark.parametrize(
    ("path", "commit"),
    [
        ("results/2026-11-23-1a2b3c4.jsonl", "1a2b3c4"),
        ("results/0007_" + "ab" * 20 + ".jsonl", "ab" * 20),
        ("results/2026-11-23.jsonl", "2026-11-23"),
        ("results/1a2b3c4.jsonl", "1a2b3c4"),
        ("results/2026-11-23-1a2b3c4/runs.jsonl", "1a2b3c4"),
        ("results/some\x1bthing.jsonl", "some thing"),
    ],
)
def test_a_commit_is_read_from_the_files_name(path: str, commit: str) -> None:
    assert history.commit_of(Path(path)) == commit


def test_a_folder_stands_for_its_runs(tmp_path: Path, write: Write) -> None:
    folders = []
    for number, path in enumerate(write([10.0] * 10 + [12.0] * 10)):
        folder = tmp_path / f"{number:03}-{commit(number)}"
        folder.mkdir()
        path.rename(folder / "runs.jsonl")
        folders.append(folder)
    assert f"from commit {commit(10)} on" in only(judged(folders)).why


def test_a_commit_twice_is_refused(write: Write) -> None:
    files = write([10.0] * 12)
    with pytest.raises(UsageError, match=f"several files are of commit {commit(0)}"):
        judged([*files, files[0]])


def test_files_out_of_order_are_noticed(write: Write) -> None:
    files = write([10.0] * 12)
    later = msgspec.json.decode(files[0].read_bytes().splitlines()[0], type=LaunchRecord)
    later = msgspec.structs.replace(later, started_at="2027-01-01T00:00:00+00:00")
    files[0].write_bytes(msgspec.json.encode(later) + b"\n")
    assert any("not in the order" in note for note in judged(files).notes)


def test_more_files_than_can_be_judged_are_cut_and_it_is_said(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_POINTS", 12)
    report = judged(write([20.0] * 8 + [10.0] * 12))
    assert report.verdict == "pass"
    assert "Of 20 files the last 12 are used." in report.notes


def test_unusable_files_are_refused(tmp_path: Path, write: Write) -> None:
    with pytest.raises(UsageError, match="no file"):
        judged([])
    with pytest.raises(UsageError, match="can't read"):
        judged([tmp_path / "missing.jsonl"])
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\n")
    with pytest.raises(UsageError, match="damaged in line 1"):
        judged([bad])
    (newer,) = write([10.0], schema_version=99)
    with pytest.raises(UsageError, match="schema_version 99"):
        judged([newer])


def test_a_line_that_was_cut_short_is_left_out(write: Write) -> None:
    files = write([10.0] * 12)
    with files[3].open("ab") as file:
        file.write(b'{"schema_version":1,"mod')
    assert judged(files).verdict == "pass"
