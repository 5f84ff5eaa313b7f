"""Results are read as they are: whole launches count, and not a byte is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import UsageError
from asymm_deploy.report.read import rows_in

Launch = Callable[..., LaunchRecord]
Results = Callable[[Sequence[LaunchRecord]], Path]


def test_a_folder_and_its_file_are_the_same_results(launch: Launch, results: Results) -> None:
    folder = results([launch("a"), launch("b")])

    assert [row.model for row in rows_in(folder, pytest.fail)] == ["a", "b"]
    assert rows_in(folder / store.NAME) == rows_in(folder)


def test_reading_leaves_nothing_behind(launch: Launch, results: Results) -> None:
    folder = results([launch()])
    rows_in(folder)

    assert [path.name for path in folder.iterdir()] == [store.NAME]


def test_results_can_be_read_while_a_bench_holds_them(launch: Launch, tmp_path: Path) -> None:
    with store.opened(tmp_path, pytest.fail, "bench") as runs:
        runs.append(launch("a"))
        assert [row.model for row in rows_in(tmp_path, pytest.fail)] == ["a"]


def test_the_launches_of_a_check_are_no_rows(launch: Launch, results: Results) -> None:
    folder = results([launch("a"), launch("a", written_by="check")])
    with pytest.raises(UsageError, match="holds the launches of a check"):
        rows_in(folder)


def test_a_torn_line_is_left_out_and_told_and_stays(launch: Launch, results: Results) -> None:
    folder = results([launch("a"), launch("b")])
    torn = (folder / store.NAME).read_bytes()[:-7]
    (folder / store.NAME).write_bytes(torn)
    told: list[str] = []

    assert [row.model for row in rows_in(folder, told.append)] == ["a"]
    assert len(told) == 1
    assert "left out" in told[0]
    assert (folder / store.NAME).read_bytes() == torn


@pytest.mark.parametrize("content", [b"", b'{"schema_version":1,"mo'], ids=["empty", "torn only"])
def test_a_file_without_a_whole_launch_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / store.NAME).write_bytes(content)

    with pytest.raises(UsageError, match="no complete launch") as error:
        rows_in(tmp_path)
    assert "asymm-deploy bench" in error.value.hint


def test_a_damaged_file_is_an_error_that_names_the_line(launch: Launch, results: Results) -> None:
    folder = results([launch()])
    with (folder / store.NAME).open("ab") as file:
        file.write(b"\x00\xff\n")

    with pytest.raises(UsageError, match="line 2"):
        rows_in(folder)


@pytest.mark.parametrize("name", ["missing", "missing/runs.jsonl", "x" * 300])
def test_results_that_are_not_there_are_an_error_with_a_next_step(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError) as error:
        rows_in(tmp_path / name)
    assert "asymm-deploy bench" in error.value.hint


def test_another_file_is_not_taken_for_the_results_beside_it(
    launch: Launch, results: Results
) -> None:
    other = results([launch()]) / "latency.csv"
    other.write_text("model\n")

    with pytest.raises(UsageError, match=r"is not a runs\.jsonl"):
        rows_in(other)
