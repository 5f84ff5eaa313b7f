"""Histories that somebody edited: refused, or failed by what was measured; never quiet verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.errors import UsageError

Write = Callable[..., list[Path]]
Judged = Callable[..., GateReport]
Only = Callable[[GateReport], Change]
Forge = Callable[[list[LaunchRecord]], Sequence[LaunchRecord]]


def commit(number: int) -> str:
    return f"abc{number:05x}"


def edited(record: LaunchRecord, **changes: Any) -> LaunchRecord:
    return msgspec.structs.replace(record, **changes)


def read(path: Path) -> list[LaunchRecord]:
    return [msgspec.json.decode(line, type=LaunchRecord) for line in path.read_bytes().splitlines()]


def save(path: Path, records: Sequence[LaunchRecord]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))


@pytest.fixture
def benched(write: Write) -> list[Path]:
    """Twelve commits, with 30 runs a launch."""
    files = write([10.0] * 12)
    rng = np.random.default_rng(3)
    for path in files:
        many = [
            edited(r, runs=30, samples_ns=tuple(map(int, 1e7 + 3e4 * rng.normal(size=30))))
            for r in read(path)
        ]
        save(path, many)
    return files


def test_honest_launches_pass(judged: Judged, benched: list[Path]) -> None:
    assert judged(benched).verdict == "pass"


def restamped(samples: Sequence[int]) -> Sequence[int]:
    return samples


def scaled(samples: Sequence[int]) -> Sequence[int]:
    return [int(1.1 * ns) for ns in samples]


def moved(samples: Sequence[int]) -> Sequence[int]:
    return [ns + 400_000 for ns in samples]


def permuted(samples: Sequence[int]) -> Sequence[int]:
    return samples[::-1]


def all_of_it(samples: Sequence[int]) -> Sequence[int]:
    return [round(0.9 * ns) + 1_000_000 for ns in sorted(samples)]


def in_part(samples: Sequence[int]) -> Sequence[int]:
    return [*samples[:15], *(ns + 777 * i for i, ns in enumerate(samples[15:], 1))]


@pytest.mark.parametrize("change", [restamped, scaled, moved, permuted, all_of_it, in_part])
@pytest.mark.parametrize(("source", "copy"), [(2, 2), (0, 11), (11, 3)])
def test_a_launch_copied_within_or_between_commits_is_refused_and_both_are_named(
    judged: Judged,
    benched: list[Path],
    change: Callable[[Sequence[int]], Sequence[int]],
    source: int,
    copy: int,
) -> None:
    one = read(benched[source])[0].samples_ns
    records = read(benched[copy])
    records[2] = edited(records[2], samples_ns=tuple(change(one)), wall_ns=None)
    save(benched[copy], records)
    with pytest.raises(UsageError, match="one is a copy of the other") as refused:
        judged(benched)
    assert f"{benched[source].name}, line 1)" in refused.value.what
    assert f"{benched[copy].name}, line 3)" in refused.value.what


def test_copies_of_models_that_were_not_asked_for_are_refused_if_they_are_exact(
    judged: Judged, write: Write
) -> None:
    for name in ("net", "other"):
        files = write([10.0] * 12, model=name)
    records = read(files[4])
    records[3] = edited(records[3], samples_ns=records[0].samples_ns, wall_ns=None)
    save(files[4], records)
    with pytest.raises(UsageError, match=r"launch 0 of net .* and launch 0 of other .* copy"):
        judged(files, models=("net",))


def test_a_launch_in_use_at_two_commits_is_refused(judged: Judged, write: Write) -> None:
    kept = [path.read_bytes() for path in write([10.0] * 12, model="kept")]
    files = write([10.0] * 12)
    files[7].write_bytes(files[7].read_bytes().replace(kept[7], kept[6]))
    said = (
        rf"launch 0 of kept .* in commit {commit(6)} is launch 0 of kept .* in commit {commit(7)}"
    )
    with pytest.raises(UsageError, match=said) as refused:
        judged(files)
    assert "--out" in refused.value.hint
    assert judged(files, models=("net",)).verdict == "pass"


def renumbered(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, launch=2 - r.launch) for r in records]


def backwards(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return records[::-1]


def in_the_future(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, started_at=r.started_at.replace("2026", "2099")) for r in records]


def all_at_once(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, started_at=records[0].started_at) for r in records]


def never_valid(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, valid=False) for r in records]


def of_a_check(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, written_by="check") for r in records]


@pytest.mark.parametrize("at", [0, 11])
@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (renumbered, "bench takes them by number"),
        (backwards, "times run backwards"),
        (in_the_future, "yet to come"),
        (all_at_once, "they overlap"),
        (never_valid, "no flags, which go with valid true"),
        (of_a_check, "holds the launches of a check"),
    ],
)
def test_a_file_that_no_bench_wrote_is_refused(
    judged: Judged, benched: list[Path], at: int, forge: Forge, said: str
) -> None:
    save(benched[at], forge(read(benched[at])))
    with pytest.raises(UsageError, match=said) as refused:
        judged(benched)
    assert str(benched[at]) in refused.value.what


BAD = [
    ({"precision_in_force": "fp16"}, 3, "different precision"),
    ({"cpu_after": 0}, 3, "different core"),
    ({"output_sha256": "e" * 64, "output_error": None}, 5, "output differs"),
    ({"floor_madds": 10**12}, 3, "faster than the core can multiply"),
]


@pytest.mark.parametrize(("changes", "code", "said"), BAD, ids=lambda value: str(value)[:30])
def test_emptied_flags_of_the_last_commit_hide_nothing_that_the_record_shows(
    judged: Judged,
    only: Only,
    benched: list[Path],
    changes: dict[str, Any],
    code: int,
    said: str,
) -> None:
    records = read(benched[-1])
    save(benched[-1], [*records[:2], edited(records[2], **changes)])
    report = judged(benched, inconclusive_fails=False)
    assert (report.verdict, report.exit_code) == ("failed", code)
    assert only(report).why.startswith(f"Commit {commit(11)} failed: ")
    assert said in only(report).why


@pytest.mark.parametrize(("changes", "code", "said"), BAD, ids=lambda value: str(value)[:30])
def test_what_failed_at_an_earlier_commit_does_not_count_and_is_told(
    judged: Judged, benched: list[Path], changes: dict[str, Any], code: int, said: str
) -> None:
    records = read(benched[4])
    save(benched[4], [*records[:2], edited(records[2], **changes)])
    report = judged(benched)
    assert report.verdict == "pass"
    (lost,) = report.discarded
    assert lost.reason.startswith(f"commit {commit(4)}, launch 2: ")


def test_a_failure_that_bench_or_check_allows_is_none(judged: Judged, benched: list[Path]) -> None:
    records = [edited(r, cpu_after=0) for r in read(benched[-1])]
    save(benched[-1], records)
    assert judged(benched, allow=("wrong-core",)).verdict == "pass"
    allowed = [edited(r, allowed=("wrong-core",)) for r in records]
    save(benched[-1], [verdicts.judged_with(r, r.flags) for r in allowed])
    assert judged(benched).verdict == "pass"


@pytest.mark.parametrize(
    ("commits", "runs", "who"),
    [([11], 30, f"Commit {commit(11)}"), (range(12), 1, "All commits")],
)
def test_runs_that_all_took_the_same_time_are_made_up(
    judged: Judged, only: Only, benched: list[Path], commits: Sequence[int], runs: int, who: str
) -> None:
    for number in commits:
        equal = {"runs": runs, "samples_ns": (10_500_000,) * runs}
        save(benched[number], [edited(r, **equal) for r in read(benched[number])])
    report = judged(benched)
    assert (report.verdict, report.exit_code) == ("failed", 3)
    assert only(report).why.startswith(f"{who} failed: all its runs took")


def test_launches_of_one_run_that_all_took_the_same_time_are_made_up(
    judged: Judged, benched: list[Path]
) -> None:
    for number, path in enumerate(benched):
        (first, *_) = read(path)
        day, ns = first.started_at[:14], 10_500_000
        singles = [
            edited(
                first,
                runs=1,
                launch=n,
                launches_planned=5,
                samples_ns=(ns if number == 5 else ns + 999 * n + number,),
                started_at=f"{day}{n:02}:00Z",
            )
            for n in range(5)
        ]
        save(path, singles)
    report = judged(benched)
    assert report.verdict == "pass"
    assert f"Commit {commit(5)}: no launch counts." in report.notes
    assert {lost.cause for lost in report.discarded} == {"no-variance"}
    assert judged(benched[:6]).changes[0].verdict == "failed"


def test_the_command_refuses_a_copy_with_2_and_fails_a_forged_commit_with_5(
    benched: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", "--history", *map(str, benched)]
    records = read(benched[-1])
    save(benched[-1], [edited(r, output_sha256="e" * 64, output_error=0.5) for r in records])
    assert cli.run(command) == 5
    assert "failed" in capsys.readouterr().out
    save(benched[-1], [edited(r, samples_ns=read(benched[0])[0].samples_ns) for r in records])
    assert cli.run(command) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "one is a copy of the other" in printed.err
    assert "hint: " in printed.err
