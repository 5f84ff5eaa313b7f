"""Many commits: creep and steps are found with their commit, noise is not, and mixtures refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change, Report
from asymm_deploy.check.history import creep
from asymm_deploy.check.policy import Policy
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
                        good,
                        model=model,
                        launch=launch,
                        runs=5,
                        samples_ns=(ns,) * 5,
                        started_at=f"2026-01-{number // 24 + 1:02}T{number % 24:02}:00:0{launch}Z",
                    )
                    file.write(msgspec.json.encode(msgspec.structs.replace(record, **more)) + b"\n")
            paths.append(path)
        return paths

    return written


def commit(number: int) -> str:
    return f"abc{number:05x}"


def noise(count: int, seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, NOISE, count))


def judged(files: Sequence[Path], **more: Any) -> Report:
    return creep.judged(files, Policy(), **more)


def replaced(path: Path, **more: object) -> None:
    """Change all launches in a file."""
    records = [
        msgspec.json.decode(line, type=LaunchRecord) for line in path.read_bytes().splitlines()
    ]
    lines = [msgspec.json.encode(msgspec.structs.replace(record, **more)) for record in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


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
    report = judged(write(10 * noise(30, 3)))
    assert report.verdict == "pass"
    assert report.exit_code == 0
    assert only(report).change_percent is None


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
    assert "10 commits are needed to tell, and it has 9" in only(report).why


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


def test_what_came_back_after_a_gain_alarms(write: Write) -> None:
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
    assert f"where that is wanted, give the files from commit {commit(30)} on" in change.why
    assert judged(files[30:]).exit_code == 0


def test_a_gain_of_which_nearly_all_is_kept_passes(write: Write) -> None:
    latencies = 10 * noise(60, 11)
    latencies[20:] *= 0.8
    latencies[40:] *= 1.015
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert change.change_percent == pytest.approx(1.5, abs=0.5)


def test_the_last_commits_in_which_no_step_can_be_seen_yet_are_named(write: Write) -> None:
    latencies = 10 * noise(10, 12)
    latencies[-3:] *= 1.1
    change = only(judged(write(latencies)))
    assert change.verdict == "pass"
    assert change.change_percent is None
    assert "a step in the last 3 commits can't be told from chance yet" in change.why


def test_so_they_are_within_the_latest_level(write: Write) -> None:
    change = only(judged(write([10.0] * 20 + [11.0] * 8)))
    assert change.verdict == "regressed"
    assert "a step in the last 7 commits can't be told from chance yet" in change.why


def test_many_models_need_more_commits_and_wait_longer_for_a_step(write: Write) -> None:
    for number in range(50):
        files = write([10.0] * 20, model=f"net{number}")
    few, more = judged(files[:15]), judged(files)
    assert few.verdict == "inconclusive"
    assert {change.verdict for change in few.changes} == {"inconclusive"}
    assert "16 commits are needed to tell, and it has 15" in few.changes[0].why
    assert more.verdict == "pass"
    assert "a step in the last 4 commits can't be told" in more.changes[0].why


def test_a_history_whose_last_commits_do_not_count_is_undecided_and_says_which(
    write: Write,
) -> None:
    files = write([10.0] * 12 + [12.0] * 8)
    for path in files[12:]:
        replaced(path, flags=("stolen-time",))
    report = judged(files)
    change = only(report)
    assert report.exit_code == 4
    assert change.candidate is None
    assert f"launches that count are of commit {commit(11)}" in change.why
    assert f"the last commit is {commit(19)}" in change.why
    assert [note for note in report.notes if "counts" in note] == [
        f"Commit {commit(number)}: no launch counts." for number in range(12, 20)
    ]
    assert len(report.discarded) == 8 * 3
    assert report.discarded[1].model == "net"
    assert report.discarded[1].reason == f"commit {commit(12)}, launch 1: stolen-time"


def test_flags_that_are_allowed_spoil_no_launch(write: Write) -> None:
    files = write([10.0] * 12 + [12.0] * 8)
    for path in files[12:]:
        replaced(path, flags=("stolen-time",))
    report = judged(files, allow=("stolen-time",))
    assert report.verdict == "regressed"
    assert report.discarded == ()
    assert report.notes == ()


def test_a_commit_that_does_not_count_for_one_model_is_said_of_that_one(write: Write) -> None:
    files = write([10.0] * 20, model="good")
    replaced(files[4], flags=("failed",), error="no result", samples_ns=(), model="bad")
    write([10.0] * 20, model="good")
    for path in write([10.0] * 20, model="never", flags=("throttled",)):
        assert path in files
    report = judged(files)
    assert {change.model: change.verdict for change in report.changes} == {
        "good": "pass",
        "bad": "inconclusive",
        "never": "inconclusive",
    }
    assert f"Commit {commit(4)}: no launch of never, bad counts." in report.notes
    assert f"commit {commit(4)}, launch 2: failed" in [lost.reason for lost in report.discarded]


def test_commits_without_launches_are_counted_in_the_sentence(write: Write) -> None:
    files = write([10.0] * 20)
    files[7].write_bytes(b"")
    report = judged(files)
    assert "Over 19 of 20 commits: nothing stands out" in only(report).why
    assert f"Commit {commit(7)}: no launch counts." in report.notes


def test_a_model_that_is_gone_is_not_judged_by_what_it_was(write: Write) -> None:
    write([10.0] * 20, model="stays")
    files = write([10.0] * 12, model="gone")
    report = judged([*files, *write([10.0] * 20, model="stays")[12:]])
    gone = next(change for change in report.changes if change.model == "gone")
    assert gone.verdict == report.verdict == "inconclusive"
    assert f"of commit {commit(11)}, and the last commit is {commit(19)}" in gone.why
    assert "--models" in gone.why


def test_a_new_model_is_undecided_says_since_when_it_is_there_and_hides_no_regression(
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


def test_models_are_chosen_and_share_the_false_alarms_among_them(write: Write) -> None:
    for name in ("left_out", "left_out_too", "kept"):
        files = write([10.0] * 10, model=name)
    assert [change.verdict for change in judged(files).changes] == ["inconclusive"] * 3
    report = judged(files, models=("kept",))
    assert only(report).model == "kept"
    assert report.verdict == "pass"
    with pytest.raises(UsageError, match=r"--models none\* means no model") as refused:
        judged(files, models=("kept", "none*"))
    assert refused.value.hint == "there are: kept, left_out, left_out_too"


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"input_shape": (1, 3, 192, 192)}, ("net (1x3x224x224)", "net (1x3x192x192)")),
        ({"input_shape": None}, ("net (1x3x224x224)", "net (unknown shape)")),
        ({"precision": "fp16"}, ("net (fp32)", "net (fp16)")),
        ({"threads": 2}, ("net (1 thread)", "net (2 threads)")),
        ({"engine": "onnxruntime", "threads": 2}, ("net (mnn, 1 thread)", "net (onnxruntime, 2 t")),
    ],
)
def test_histories_of_one_model_are_told_apart(
    write: Write, changed: dict[str, object], names: tuple[str, str]
) -> None:
    shape = {"input_shape": (1, 3, 224, 224)}
    write([10.0] * 20, model="other")
    write([10.0] * 20, **shape)
    report = judged(write([10.0] * 20, **shape | changed))
    assert report.changes[0].model == "other"
    for change, name in zip(report.changes[1:], names, strict=True):
        assert change.model.startswith(name)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (b"[10000000,", b"[-5,", "has a run of -5 ns"),
        (b"[10000000,", b"[", "has 4 samples of 5 runs"),
        (b"[10000000,", b"[1" + b"0" * 400 + b",", "has a run of 10+"),
        (b'"exit_code":0', b'"exit_code":77', "has an exit_code of 77"),
        (b'"flags":[]', b'"flags":["unheard-of"]', "has the flag 'unheard-of'"),
    ],
)
def test_launches_that_no_bench_writes_are_refused_with_file_and_line(
    write: Write, was: bytes, becomes: bytes, said: str
) -> None:
    files = write([10.0] * 12)
    files[3].write_bytes(files[3].read_bytes().replace(was, becomes, 1))
    with pytest.raises(UsageError, match=said) as caught:
        judged(files)
    assert str(files[3]) in caught.value.what
    assert "line 1" in caught.value.what


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
        "net (phone A)": "pass",
        "net (phone B)": "regressed",
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
    assert creep.commit_of(Path(path)) == commit


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
    monkeypatch.setattr(creep, "MOST_POINTS", 12)
    report = judged(write([20.0] * 8 + [10.0] * 12))
    assert report.verdict == "pass"
    assert "Of 20 files the last 12 are used." in report.notes


def test_unusable_files_are_refused(tmp_path: Path, write: Write) -> None:
    with pytest.raises(UsageError, match="no file"):
        judged([])
    with pytest.raises(UsageError, match="there is no"):
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


def test_launches_that_several_files_have_count_once(write: Write) -> None:
    # One bench before and one after, and a folder that was copied for each commit.
    files = write([10.0, *[10.5] * 13])
    before, after = files[0].read_bytes(), files[7].read_bytes()
    for path in files[:7]:
        path.write_bytes(before)
    for path in files[7:]:
        path.write_bytes(before + after)
    report = judged(files)
    assert report.verdict == "inconclusive"
    (note,) = [note for note in report.notes if "very launches" in note]
    assert f"also in {commit(1)}, " in note
    assert "and 8 more" in note


def test_20_us_are_allowed_over_many_commits_too(write: Write) -> None:
    write([0.100] * 10 + [0.130] * 10, model="other")
    change, other = judged(write([0.100] * 10 + [0.106] * 10)).changes[::-1]
    assert change.change_percent == pytest.approx(6, abs=0.2)
    assert change.verdict == "pass"
    assert change.threshold_percent == pytest.approx(20, abs=0.5)
    assert other.verdict == "regressed"


def test_launches_that_were_done_again_are_reported(write: Write) -> None:
    files = write([10.0] * 12)
    first, *_ = files[4].read_bytes().splitlines()
    hot = msgspec.structs.replace(
        msgspec.json.decode(first, type=LaunchRecord),
        flags=("throttled",),
        started_at="2025-12-31T00:00:00Z",
        samples_ns=(50_000_000,) * 5,
    )
    files[4].write_bytes(msgspec.json.encode(hot) + b"\n" + files[4].read_bytes())
    report = judged(files)
    (found,) = report.discarded
    assert found.reason == f"commit {commit(4)}, launch 0: throttled"
    assert report.verdict == "pass"


def test_launches_of_other_files_are_left_out_and_that_is_said(write: Write) -> None:
    files = write([12.0] * 12, artifact_sha256="e" * 64)
    write([10.0] * 12)
    report = judged(files)
    assert only(report).verdict == "pass"
    assert any("36 launches of other files or plans are left out" in note for note in report.notes)
