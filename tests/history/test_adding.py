"""What is added is added once, whole, by one command at a time; copies of a store merge."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.cold.cold_rows import cold_ns
from asymm_deploy.bench.records import LaunchRecord, PairedRuns
from asymm_deploy.bench.sustained.curves import lines_of_curves
from asymm_deploy.check.history.stored_points import StoredChoice, stored_points
from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.history import adding, history_schema
from asymm_deploy.history.asked.exporting import export_store
from asymm_deploy.history.found.result_rows import result_rows
from asymm_deploy.history.history_series import history_series
from asymm_deploy.history.history_store import HistoryStore, opened_store
from asymm_deploy.history.told.find_series import found_series
from tests.history.conftest import Add, Launches, facts_of
from tests.made_cold import cold_record, memory_record
from tests.made_curves import made_curve


def column(store: HistoryStore, table: str, name: str) -> list[object]:
    found: list[object] = store.table(table, [name]).column(0).to_pylist()  # type: ignore[arg-type]
    return found


def test_the_same_results_are_added_once(add: Add, launches: Launches, tmp_path: Path) -> None:
    assert add(launches()).new == {"launches": 3, "sizes": 1}
    before = sorted(path.name for path in (tmp_path / "store").iterdir())
    again = add(launches())
    assert (again.count, again.known) == (0, 4)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == before


def test_results_that_grew_add_what_is_new_and_count_no_launch_twice(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(count=3))
    assert add(launches(count=5)).new == {"launches": 2}
    (series,) = history_series(opened_store(tmp_path / "store"), "latency")
    (point,) = series.points
    assert len(point.values) == 5


def test_the_same_results_of_another_commit_are_another_entry_and_it_is_told(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(), 1)
    second = add(launches(), 2)
    assert second.new == {"launches": 3, "sizes": 1}
    assert second.shared_with == (f"{1:040x}",)
    assert len(column(opened_store(tmp_path / "store"), "entries", "entry_id")) == 2


def test_a_launch_that_was_repeated_counts_as_its_last_line_says(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    first = launches(count=2)
    failed = msgspec.structs.replace(
        first[1], error="hung", samples_ns=(), valid=False, flags=("failed",), exit_code=3
    )
    add([first[0], failed])
    again = msgspec.structs.replace(first[1], started_at="2026-02-02T00:30:00+00:00")
    assert add([first[0], failed, again]).new == {"launches": 1}
    store = opened_store(tmp_path / "store")
    found = store.table("launches", ["line", "in_use", "counts"]).to_pylist()
    assert sorted(found, key=lambda row: row["line"]) == [
        {"line": 1, "in_use": True, "counts": True},
        {"line": 2, "in_use": False, "counts": False},
        {"line": 3, "in_use": True, "counts": True},
    ]


def test_of_a_commit_what_was_measured_last_counts(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(ms=10))
    later = [
        msgspec.structs.replace(record, attempt=1, started_at=f"2026-03-01T00:0{n}:00+00:00")
        for n, record in enumerate(launches(ms=20, count=2))
    ]
    add(later)
    (series,) = history_series(opened_store(tmp_path / "store"), "latency")
    (point,) = series.points
    assert [round(value) for value in point.values] == [20, 20]
    assert point.left_out == 0, "an earlier attempt is no spoilt launch"


def test_a_plan_that_ran_again_replaces_its_launches_whichever_addition_brought_them(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(1, ms=10))
    add(launches(2, ms=20, count=2))  # of the same commit, later
    (series,) = history_series(opened_store(tmp_path / "store"), "latency")
    (point,) = series.points
    assert sorted(round(value) for value in point.values) == [10, 20, 20]


def test_a_commit_that_was_merged_as_it_is_is_of_both_branches(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(1), branch="fix")
    add(launches(1, count=5), branch="main")
    add(launches(2), 2, branch="main")
    every = opened_store(tmp_path / "store")
    for branch, counts in (("fix", [5]), ("main", [5, 3])):
        (series,) = found_series(every, "net", "latency", branch=branch)
        assert [(len(x.values), x.branch) for x in series.points] == [(n, branch) for n in counts]
        points = stored_points(every, StoredChoice(branch=branch), (), (), 500)
        assert [len(point.medians_ns) for point in points.points] == counts
        assert points.notes == ()


def test_the_same_results_added_as_of_another_branch_are_of_both(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(), branch=None)
    add(launches(2), 2, branch="main")
    assert (add(launches(), branch=None).count, add(launches(2), 2, branch="main").count) == (0, 0)
    for branch in ("fix", "main"):
        added = add(launches(), branch=branch)
        assert (added.new, added.known, added.is_of_another_branch) == ({}, 4, True)
        assert not add(launches(), branch=branch).is_of_another_branch
    every = opened_store(tmp_path / "store")
    for branch, count in (("fix", 1), ("main", 2)):
        (series,) = found_series(every, "net", "latency", branch=branch)
        assert [len(point.values) for point in series.points] == [3] * count
        points = stored_points(every, StoredChoice(branch=branch), (), (), 500)
        assert [len(point.medians_ns) for point in points.points] == [3] * count
    (note,) = stored_points(every, StoredChoice(), (), (), 500).notes
    assert "2 branches are one history here, in the order of their times: fix, main." in note


def test_cold_starts_and_launches_that_last_are_metrics_over_commits(
    good: LaunchRecord, tmp_path: Path
) -> None:
    for number, ms in ((1, 5), (2, 6)):
        folder = tmp_path / str(number)
        folder.mkdir()
        starts = [
            cold_record(
                msgspec.structs.replace(
                    good, launch=launch, started_at=f"2026-02-0{number}T00:0{launch}:00+00:00"
                )
            )
            for launch in range(3)
        ]
        for name, lines in (
            ("cold.jsonl", msgspec.json.Encoder().encode_lines([*starts, memory_record(good)])),
            ("sustained.jsonl", lines_of_curves([made_curve([ms] * 20, model="net")])),
        ):
            (folder / name).write_bytes(lines)
        for _ in range(2):  # the second time nothing is new
            rows = result_rows(folder, tmp_path).rows
            adding.add_rows(tmp_path / "store", rows, facts_of(1), "r", print)
    every = opened_store(tmp_path / "store")
    assert column(every, "cold", "counts").count(True) == 3, "of a commit each launch once"
    assert starts[0].stages is not None
    for metric, told in (
        ("cold", cold_ns(starts[0].stages) / 1e6),
        ("first", starts[0].stages.first_ns / 1e6),
        ("sustained", 6.0),
    ):
        (series,) = history_series(every, metric)  # type: ignore[arg-type]
        (point,) = series.points
        assert point.value == pytest.approx(told)
        assert len(point.values) == (1 if metric == "sustained" else 3)


def test_launches_that_are_invalid_made_up_or_in_turns_are_kept_and_never_count(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    good = launches(count=4)
    hot = msgspec.structs.replace(good[0], flags=("hot",), valid=False, exit_code=4)
    turns = PairedRuns(
        partner_sha256="1" * 64,
        partner="other",
        loaded_first=True,
        runs_first=True,
        cpu_ns=None,
        start_ns=(0,) * 5,
    )
    paired = msgspec.structs.replace(good[1], schema_version=2, paired=turns)
    flat = msgspec.structs.replace(good[2], model="flat", samples_ns=(10**7,) * 5)
    add([hot, paired, flat, good[3]])
    found = opened_store(tmp_path / "store").table("launches").to_pylist()
    assert {(row["launch"], row["counts"]) for row in found} == {
        (0, False),
        (1, False),
        (2, False),
        (3, True),
    }
    assert "no-variance" in next(row["flags"] for row in found if row["model"] == "flat")
    (point,) = history_series(opened_store(tmp_path / "store"), "latency", model="net")[0].points
    assert (len(point.values), point.left_out, point.flags) == (1, 1, ("hot",))


def test_launches_that_repeat_each_other_s_times_never_count(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    first, second, third = launches()
    copied = msgspec.structs.replace(second, samples_ns=first.samples_ns)
    add([first, copied, third])
    found = opened_store(tmp_path / "store").table("launches").to_pylist()
    assert {(row["counts"], *row["flags"]) for row in found} == {(False, "repeated-samples")}


def test_a_commit_is_of_one_time(add: Add, launches: Launches, tmp_path: Path) -> None:
    import datetime

    add(launches())
    with pytest.raises(UsageError, match="as made at 2026-01-01T01:00:00"):
        add(launches(count=4), commit_time=datetime.datetime(2026, 5, 1))
    add(launches(count=4), store="other", commit_time=datetime.datetime(2026, 5, 1))
    adding.merge_store(tmp_path / "store", tmp_path / "other", print)
    for month, count in ((1, 5), (5, 6)):  # it is there as of both, and either may be meant
        when = datetime.datetime(2026, month, 1, hour=1 if month == 1 else 0)
        assert add(launches(count=count), commit_time=when).new == {"launches": 1}


def test_copies_of_a_store_merge_by_copying_their_files(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(1), 1, "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    add(launches(2), 2, "one")
    add(launches(2), 2, "two")  # two jobs add the same, at different times
    add(launches(3), 3, "two")
    for path in (tmp_path / "two").glob("*.parquet"):
        shutil.copy(path, tmp_path / "one")
    store = opened_store(tmp_path / "one")
    ids = column(store, "launches", "row_id")
    assert len(ids) == len(set(ids)) == 9
    assert len(column(store, "entries", "entry_id")) == 3
    (series,) = history_series(store, "latency")
    assert [len(point.values) for point in series.points] == [3, 3, 3]


def test_a_store_is_merged_into_another_and_what_it_has_is_not_copied(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(1), 1, "one")
    add(launches(1), 1, "two")
    add(launches(2), 2, "two")
    assert adding.merge_store(tmp_path / "one", tmp_path / "two", print) == (1, 1)
    assert adding.merge_store(tmp_path / "one", tmp_path / "two", print) == (0, 2)
    assert len(column(opened_store(tmp_path / "one"), "launches", "row_id")) == 6


def test_many_small_files_become_one_with_the_same_rows(
    add: Add, launches: Launches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "_MOST_SMALL", 3)
    folder = tmp_path / "store"
    for number in (1, 2):
        add(launches(number), number)
    kept = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    add(launches(3), 3)
    assert len(list(folder.glob("*.parquet"))) == 1
    once = sorted(opened_store(folder).table("launches").to_pylist(), key=lambda r: r["row_id"])
    for name, content in kept.items():  # as if the command had been killed before it removed them
        (folder / name).write_bytes(content)
    again = sorted(opened_store(folder).table("launches").to_pylist(), key=lambda r: r["row_id"])
    assert again == once
    assert len(once) == 9


def test_a_file_of_a_newer_program_is_put_together_with_none(
    add: Add,
    launches: Launches,
    written: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "store"
    with monkeypatch.context() as newer:
        column = {**history_schema.HISTORY_TABLES["sizes"], "peak": "int"}
        newer.setitem(history_schema.HISTORY_TABLES, "sizes", column)
        found = result_rows(written(launches(1)), tmp_path)
        for row in found.rows:
            if row.table == "sizes":
                row.values["peak"] = 7
        adding.add_rows(folder, found.rows, facts_of(1), "r", print)
    (of_newer,) = folder.glob("*.parquet")
    monkeypatch.setattr(adding, "_MOST_SMALL", 2)
    for number in (2, 3):
        add(launches(number), number)
    assert of_newer.exists(), "what this program doesn't know would have been lost"
    assert len(list(folder.glob("*.parquet"))) == 2
    with pytest.raises(UsageError, match="is of a newer asymm-deploy"):
        export_store(opened_store(folder), tmp_path / "one", "store")


def test_two_commands_that_add_at_once_wait_for_each_other(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    records = {number: launches(number) for number in range(1, 5)}
    failures: list[BaseException] = []

    def work(number: int) -> None:
        from asymm_deploy.history.found.launch_rows import launch_rows

        try:
            rows = list(launch_rows(records[number], Path("runs.jsonl")))
            adding.add_rows(tmp_path / "store", rows, facts_of(number), "r", lambda _: None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    commits = Counter(column(opened_store(tmp_path / "store"), "launches", "commit"))
    assert set(commits.values()) == {3}
    assert len(commits) == 4


def test_who_waits_too_long_is_told(
    add: Add, launches: Launches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asymm_deploy.locks import held_alone

    add(launches())
    monkeypatch.setattr(adding, "_WAIT_S", 0.2)
    with (
        held_alone(tmp_path / "store" / ".history.lock", "-"),
        pytest.raises(HarnessError, match="another command has been adding"),
    ):
        add(launches(2), 2)


def test_a_full_disk_leaves_the_store_as_it_was(
    add: Add, launches: Launches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(launches())
    before = sorted(path.name for path in (tmp_path / "store").iterdir())

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeployError, match="No space left") as told:
        add(launches(2), 2)
    assert told.value.exit_code == 3
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == before


def test_a_folder_that_is_in_the_way_is_named(add: Add, launches: Launches, tmp_path: Path) -> None:
    (tmp_path / "store" / ".new" / "in it").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"/\.new, which it is .* is no file") as told:
        add(launches())
    assert told.value.hint == "move that away; nothing was changed"


ADDING = """
import sys
from pathlib import Path
from asymm_deploy.history import store_files
from asymm_deploy import files
before = files.os.fsync
def slow(number):
    print("writing", flush=True)
    import time
    time.sleep(60)
files.os.fsync = slow
from asymm_deploy.cli import run
sys.exit(run(sys.argv[1:]))
"""


def test_who_is_killed_in_the_middle_leaves_nothing_that_counts(
    add: Add, launches: Launches, written: Callable[..., Path], tmp_path: Path
) -> None:
    add(launches())
    folder = tmp_path / "store"
    before = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    results = written(launches(2), "later")
    words = ["history", "add", str(results), "--store", str(folder)]
    of = ["--commit", f"{2:040x}", "--time", "2026-01-01T02:00:00Z"]
    command = [sys.executable, "-c", ADDING, *words, *of]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert {path.name: path.read_bytes() for path in folder.glob("*.parquet")} == before
    assert len(opened_store(folder).files) == 1
    assert add(launches(2), 2).new["launches"] == 3
    began = time.monotonic()
    assert time.monotonic() - began < 5, "its lock died with it"
    assert list(folder.glob(".*.part")) == []


def test_edited_numbers_that_no_column_can_hold_are_refused(add: Add, good: LaunchRecord) -> None:
    with pytest.raises(UsageError, match="too large"):
        add([msgspec.structs.replace(good, threads=10**30)])


def test_launches_on_another_back_end_are_a_series_of_their_own(
    add: Add, launches: Launches, tmp_path: Path
) -> None:
    add(launches(1))
    there = {"vulkan": 5}  # operators
    add(launches(2, schema_version=3, backend="vulkan", backends_in_force=there))
    found = history_series(opened_store(tmp_path / "store"), "latency")
    assert sorted((str(each.engine), len(each.points[0].values)) for each in found) == [
        ("mnn", 3),
        ("mnn on vulkan", 3),
    ]
