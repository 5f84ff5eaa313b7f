"""What does not count is said, with its commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change, GateReport

Write = Callable[..., list[Path]]
Judged = Callable[..., GateReport]
Only = Callable[[GateReport], Change]
Replaced = Callable[..., None]


def commit(number: int) -> str:
    return f"abc{number:05x}"


def test_a_history_whose_last_commits_do_not_count_is_undecided_and_says_which(
    replaced: Replaced,
    only: Only,
    judged: Judged,
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


def test_a_commit_that_does_not_count_for_one_model_is_said_of_that_one(
    replaced: Replaced, judged: Judged, write: Write
) -> None:
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


def test_commits_without_launches_are_counted_in_the_sentence(
    only: Only, judged: Judged, write: Write
) -> None:
    files = write([10.0] * 20)
    files[7].write_bytes(b"")
    report = judged(files)
    assert "Over 19 of 20 commits: nothing stands out" in only(report).why
    assert f"Commit {commit(7)}: no launch counts." in report.notes


def test_files_out_of_order_are_noticed(judged: Judged, write: Write) -> None:
    files = write([10.0] * 12)
    later = msgspec.json.decode(files[0].read_bytes().splitlines()[0], type=LaunchRecord)
    later = msgspec.structs.replace(later, started_at="2026-02-01T00:00:00+00:00")
    files[0].write_bytes(msgspec.json.encode(later) + b"\n")
    assert any("not in the order" in note for note in judged(files).notes)


def test_launches_that_were_done_again_are_reported(judged: Judged, write: Write) -> None:
    files = write([10.0] * 12)
    first, *_ = files[4].read_bytes().splitlines()
    hot = msgspec.structs.replace(
        msgspec.json.decode(first, type=LaunchRecord),
        flags=("throttled",),
        started_at="2026-01-01T03:59:00Z",
        samples_ns=tuple(50_000_000 + step for step in range(5)),
    )
    hot = verdicts.judged_with(hot, hot.flags)
    files[4].write_bytes(msgspec.json.encode(hot) + b"\n" + files[4].read_bytes())
    report = judged(files)
    (found,) = report.discarded
    assert found.reason == f"commit {commit(4)}, launch 0: throttled"
    assert report.verdict == "pass"


def test_launches_of_other_files_are_left_out_and_that_is_said(
    only: Only, judged: Judged, write: Write
) -> None:
    files = write([12.0] * 12, artifact_sha256="e" * 64)
    write([10.0] * 12)
    report = judged(files)
    assert only(report).verdict == "pass"
    assert any("36 launches of other files or plans are left out" in note for note in report.notes)
