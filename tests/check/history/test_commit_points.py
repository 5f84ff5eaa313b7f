"""Files become points by their commits; launches count once, and edited ones not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.history.commit_points import CommitPoint, commit_of, points_in
from asymm_deploy.errors import UsageError
from tests.bench.paired_lines import add_paired_launches

Write = Callable[..., list[Path]]
Judged = Callable[..., GateReport]
Only = Callable[[GateReport], Change]
Replaced = Callable[..., None]


def commit(number: int) -> str:
    return f"abc{number:05x}"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (b"[FIRST,", b"[-5,", "has a run of -5 ns"),
        (b"[FIRST,", b"[", "has 4 samples of 5 runs"),
        (b"[FIRST,", b"[1" + b"0" * 400 + b",", "has a run of 10+"),
        (b'"exit_code":0', b'"exit_code":77', "has an exit_code of 77"),
        (b'"flags":[]', b'"flags":["unheard-of"]', "has the flag 'unheard-of'"),
    ],
)
def test_launches_that_no_bench_writes_are_refused_with_file_and_line(
    judged: Judged, write: Write, was: bytes, becomes: bytes, said: str
) -> None:
    files = write([10.0] * 12)
    lines = files[3].read_bytes()
    first = str(msgspec.json.decode(lines.splitlines()[0], type=LaunchRecord).samples_ns[0])
    files[3].write_bytes(lines.replace(was.replace(b"FIRST", first.encode()), becomes, 1))
    with pytest.raises(UsageError, match=said) as caught:
        judged(files)
    assert str(files[3]) in caught.value.what
    assert "line 1" in caught.value.what


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
    assert commit_of(Path(path)) == commit


def test_a_folder_stands_for_its_runs(
    only: Only, judged: Judged, tmp_path: Path, write: Write
) -> None:
    folders = []
    for number, path in enumerate(write([10.0] * 10 + [12.0] * 10)):
        folder = tmp_path / f"{number:03}-{commit(number)}"
        folder.mkdir()
        path.rename(folder / "runs.jsonl")
        folders.append(folder)
    assert f"from commit {commit(10)} on" in only(judged(folders)).why


def test_a_commit_twice_is_refused(judged: Judged, write: Write) -> None:
    files = write([10.0] * 12)
    with pytest.raises(UsageError, match=f"several files are of commit {commit(0)}"):
        judged([*files, files[0]])


def test_unusable_files_are_refused(judged: Judged, tmp_path: Path, write: Write) -> None:
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


def test_a_line_that_was_cut_short_is_left_out(judged: Judged, write: Write) -> None:
    files = write([10.0] * 12)
    with files[3].open("ab") as file:
        file.write(b'{"schema_version":1,"mod')
    assert judged(files).verdict == "pass"


def test_launches_that_several_files_have_count_once(judged: Judged, write: Write) -> None:
    # A folder that was copied for each commit and then benched further.
    files = write([10.0] * 14)
    all_before = b""
    for path in files:
        all_before += path.read_bytes()
        path.write_bytes(all_before)
    report = judged(files)
    assert report.verdict == "pass"
    (note,) = [note for note in report.notes if "repeat launches of earlier ones" in note]
    assert f"only there: {commit(1)}, " in note
    assert "and 8 more" in note


def test_flags_that_are_allowed_spoil_no_launch(
    replaced: Replaced, judged: Judged, write: Write
) -> None:
    files = write([10.0] * 12 + [12.0] * 8)
    for path in files[12:]:
        replaced(path, flags=("stolen-time",))
    report = judged(files, allow=("stolen-time",))
    assert report.verdict == "regressed"
    assert report.discarded == ()
    assert report.notes == ()


def test_invalid_and_failed_launches_do_not_count(judged: Judged, write: Write) -> None:
    write([10.0] * 20)
    files = write([99.0] * 20, flags=("stolen-time",))  # later, and so the latest of the same row
    with pytest.raises(UsageError, match="no valid launch"):
        judged(files)


def test_a_points_latency_is_the_median_of_its_launches_medians(good: LaunchRecord) -> None:
    launches = tuple(
        msgspec.structs.replace(good, launch=launch, runs=3, samples_ns=(ns, ns, 90 * ns))
        for launch, ns in enumerate((2_000_000, 9_000_000, 3_000_000))
    )
    assert CommitPoint("abc", launches, ()).latency_ms == 3


def test_a_point_began_with_its_first_launch(good: LaunchRecord) -> None:
    early, late = (
        msgspec.structs.replace(good, started_at=f"2026-01-0{day}T00:00:00Z") for day in (1, 2)
    )
    assert CommitPoint("abc", (late, early), ()).started_at == early.started_at
    assert CommitPoint("abc", (late,), (early,)).started_at == late.started_at


def test_a_point_whose_launches_do_not_count_is_still_of_a_model(good: LaunchRecord) -> None:
    spoilt = msgspec.structs.replace(good, model="other")
    assert CommitPoint("abc", (good,), (spoilt,)).record is good
    assert CommitPoint("abc", (), (spoilt,)).record is spoilt


@pytest.mark.parametrize(("copies", "more"), [(5, ""), (6, " and 1 more")])
def test_five_commits_that_repeat_launches_are_named(
    judged: Judged, write: Write, copies: int, more: str
) -> None:
    files = write([10.0] * 20)
    for path in files[1 : copies + 1]:
        path.write_bytes(files[0].read_bytes() + path.read_bytes())
    (note,) = [note for note in judged(files).notes if "repeat launches of earlier ones" in note]
    assert f"{commit(5)}{more}. Bench" in note


def test_paired_launches_are_no_part_of_a_history(write: Write) -> None:
    (path,) = write([10.0])
    without = points_in([("c", path)], ())
    add_paired_launches(path)
    assert points_in([("c", path)], ()) == without
