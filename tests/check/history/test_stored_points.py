"""A history in a store is judged as its files are, and what was accepted is no news."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy import cli
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.history.creep import check_history
from asymm_deploy.check.history.stored_points import StoredChoice
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError
from asymm_deploy.history.adding import add_rows
from asymm_deploy.history.found.commit_facts import CommitFacts
from asymm_deploy.history.found.result_rows import result_rows
from asymm_deploy.history.history_store import opened_store
from tests.made_history import (
    commit_hash,
    day,
    decision,
    launches,
    made_store,
    noisy,
    told_commit,
)

Write = Callable[..., list[Path]]
Judged = Callable[..., GateReport]
Only = Callable[[GateReport], Change]
Replaced = Callable[..., None]

STEP = noisy({0: 10, 12: 11}, 20, seed=1)


def of_store(store: Path, *, files: tuple[Path, ...] = (), **more: Any) -> GateReport:
    choice = StoredChoice(
        **{name: more.pop(name) for name in ("device", "branch", "since") if name in more}
    )
    return check_history(files, GatePolicy(), store=opened_store(store), choice=choice, **more)


def rows_of(values: list[float], **more: Any) -> list[dict[str, Any]]:
    return [row for number, ms in enumerate(values) for row in launches(number, ms, **more)]


def added(files: list[Path], store: Path) -> Path:
    """Add the files of the fixture ``write``, each as its own commit."""
    for number, path in enumerate(files):
        facts = CommitFacts(
            commit=f"abc{number:05x}{'0' * 32}",
            branch="main",
            commit_time=datetime.datetime(2026, 1, 1 + number, tzinfo=datetime.UTC).replace(
                tzinfo=None
            ),
            dirty=False,
        )
        rows = result_rows(path, path.parent / "none").rows
        add_rows(store, rows, facts, path.name, lambda _: None)
    return store


def test_a_store_gives_what_its_files_give(
    judged: Judged, write: Write, replaced: Replaced, tmp_path: Path
) -> None:
    write(noisy({0: 5}, 13, seed=3), model="steady")
    files = write(noisy({0: 10, 7: 11}, 13, seed=1))
    replaced(files[3], flags=("stolen-time",))
    from_files = judged(files)
    from_store = of_store(added(files, tmp_path / "store"))
    names = [(change.model, change.verdict) for change in from_store.changes]
    assert names == [(change.model, change.verdict) for change in from_files.changes]
    for one, other in zip(from_store.changes, from_files.changes, strict=True):
        told, rest = one.why.split("; ")[0], other.why.split("; ")[0]
        assert told == rest
        assert one.change_percent == pytest.approx(other.change_percent)
        assert one.low_percent == pytest.approx(other.low_percent)
        assert one.baseline == pytest.approx(other.baseline)
    assert from_store.circumstances == from_files.circumstances
    assert from_store.discarded == from_files.discarded
    assert from_store.notes == from_files.notes
    assert from_store.exit_code == from_files.exit_code == 1


def test_a_step_is_found_and_what_to_do_is_said_in_a_stores_words(
    only: Only, tmp_path: Path
) -> None:
    change = only(of_store(made_store(tmp_path / "store", {"launches": rows_of(STEP)})))
    assert change.verdict == "regressed"
    assert f"if that is intended, give --since {told_commit(12)}" in change.why


@pytest.mark.parametrize(
    ("up_to", "verdict"), [(12.0, "pass"), (5.0, "regressed")], ids=["accepted", "too little"]
)
def test_a_step_that_was_accepted_is_no_finding_again(
    only: Only, tmp_path: Path, up_to: float, verdict: str
) -> None:
    rows = {"launches": rows_of(STEP), "accepted": [decision(12, up_to_percent=up_to)]}
    change = only(of_store(made_store(tmp_path / "store", rows)))
    assert change.verdict == verdict
    assert ("accepted: it sees better (Ada, 2026-01-13)" in change.why) == (verdict == "pass")


def test_what_comes_after_an_accepted_step_is_judged_from_there(only: Only, tmp_path: Path) -> None:
    values = noisy({0: 10, 12: 11, 24: 11.7}, 36, seed=2)
    rows = {"launches": rows_of(values), "accepted": [decision(12)]}
    change = only(of_store(made_store(tmp_path / "store", rows)))
    assert change.verdict == "regressed"
    assert change.baseline == pytest.approx(11, rel=0.01)
    assert change.change_percent == pytest.approx(6.4, abs=1)


def test_a_history_begins_where_it_is_said(only: Only, tmp_path: Path) -> None:
    store = made_store(tmp_path / "store", {"launches": rows_of(noisy({0: 9, 9: 10}, 20, seed=1))})
    report = of_store(store, since=commit_hash(9)[:9])
    assert only(report).verdict == "pass"
    assert report.baseline == told_commit(9)
    for since, said in (("", "no commit"), ("zz", "no commit")):
        with pytest.raises(UsageError, match=said):
            of_store(store, since=since)


def test_other_circumstances_are_refused_with_where_to_begin(tmp_path: Path) -> None:
    rows = rows_of(STEP)
    for row in rows:
        if row["commit_time"] >= day(9):
            row["engine_version"] = "4.0.0"
    store = made_store(tmp_path / "store", {"launches": rows})
    with pytest.raises(UsageError, match=r"its engine was 3\.6\.1 at .* and is 4\.0\.0") as caught:
        of_store(store)
    assert caught.value.hint == f"give --since {told_commit(9)}"
    assert of_store(store, since=told_commit(9)).exit_code in {0, 1}


def test_devices_and_branches_are_chosen(only: Only, tmp_path: Path) -> None:
    rows = rows_of(STEP) + rows_of([7.0] * 20, device="phone", branch="try")
    store = made_store(tmp_path / "store", {"launches": rows})
    both = of_store(store)
    assert {change.model for change in both.changes} == {"net (host)", "net (phone)"}
    assert any("2 branches are one history here" in note for note in both.notes)
    assert only(of_store(store, device="host")).verdict == "regressed"
    assert only(of_store(store, branch="try", device="phone")).verdict == "pass"
    assert len(of_store(store, branch="try").changes) == 2, "its commits are of main as well"
    with pytest.raises(UsageError, match="--device hos") as caught:
        of_store(store, device="hos")
    assert caught.value.hint == "did you mean host? there is: host, phone"


def test_launches_of_another_commit_count_only_there(only: Only, tmp_path: Path) -> None:
    rows = rows_of(STEP)
    rows += [
        row | {key: values[key] for key in ("entry_id", "commit", "commit_time", "added_at")}
        for row in rows[-3:]
        for values in launches(20, 1.0, count=1)
    ]
    report = of_store(made_store(tmp_path / "store", {"launches": rows}))
    assert only(report).verdict == "inconclusive"  # the last commit has nothing of its own
    assert report.exit_code == 4
    assert len(report.discarded) == 3
    assert any(
        f"Commit {told_commit(20)} has launches of commit {told_commit(19)}" in note
        for note in report.notes
    )


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"flags": ["wrong-core"], "valid": False}, 3),
        ({"flags": ["output-mismatch"], "valid": False}, 5),
        ({"flags": ["failed"], "valid": False, "error": "it fell", "exit_code": 3}, 3),
    ],
)
def test_a_last_commit_that_failed_has_its_own_exit_code(
    only: Only, tmp_path: Path, more: dict[str, Any], code: int
) -> None:
    rows = rows_of(STEP[:19]) + launches(19, 10.0, **more)
    report = of_store(made_store(tmp_path / "store", {"launches": rows}))
    assert only(report).verdict == "failed"
    assert report.exit_code == code


def test_flags_that_are_allowed_spoil_no_launch_and_unknown_ones_do(tmp_path: Path) -> None:
    spoilt = rows_of(STEP, flags=["stolen-time"], valid=False, counts=False)
    store = made_store(tmp_path / "store", {"launches": spoilt})
    assert of_store(store, allow=("stolen-time",)).exit_code == 1
    with pytest.raises(UsageError, match="no valid launch in this history"):
        of_store(store)
    forged = made_store(tmp_path / "forged", {"launches": rows_of(STEP, min_ns=float("nan"))})
    with pytest.raises(UsageError, match="no valid launch in this history"):
        of_store(forged)
    newer = made_store(tmp_path / "newer", {"launches": rows_of(STEP, flags=["of-tomorrow"])})
    with pytest.raises(UsageError, match="no valid launch in this history"):
        of_store(newer)


def test_files_are_commits_after_those_of_the_store(
    only: Only, write: Write, tmp_path: Path
) -> None:
    files = write(STEP)
    store = added(files[:15], tmp_path / "store")
    report = of_store(store, files=tuple(files[15:]))
    assert only(report).verdict == "regressed"
    assert "Over 20 commits" in only(report).why
    with pytest.raises(UsageError, match=r"is in the history in .*, and given as a file"):
        of_store(store, files=tuple(files[14:]))
    copied = tmp_path / "abcfffff.jsonl"
    copied.write_bytes(files[14].read_bytes())
    assert of_store(store, files=(copied,)).verdict == "inconclusive"


def test_the_command_takes_a_store_by_name_or_among_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(made_store(tmp_path / "store", {"launches": rows_of(STEP)}))
    junit = tmp_path / "junit.xml"
    options = ["--junit", str(junit), "--markdown", str(tmp_path / "verdict.md")]
    assert cli.run(["check", "--history", "--store", store, *options]) == 1
    assert "regressed" in junit.read_text()
    assert cli.run(["check", "--history", store, "--device", "host", "--threshold", "20%"]) == 0
    for wrong, said in (
        (["--history", store, "--store", store], "two histories"),
        (["--history", "--since", "abc"], "--since chooses in a store"),
        (["--store", store], "--store is for --history alone"),
        (["--history", "--store", str(tmp_path / "none")], "there is no history"),
        (["--history", "--store", store, "--precision", "fp32"], "--precision is not for"),
    ):
        assert cli.run(["check", *wrong]) == 2
        assert said in capsys.readouterr().err
