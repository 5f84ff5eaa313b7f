"""What a page is made from: which files, what is damaged, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostRecord, OperatorCounts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import UsageError
from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.report.page.page_sources import sources_in

Launch = Callable[..., LaunchRecord]
Folder = Callable[..., Path]


def test_every_file_that_a_page_shows_is_read_and_no_other(
    launch: Launch,
    explanation: Callable[..., Explanation],
    cost: Callable[..., CostRecord],
    folder: Folder,
) -> None:
    results = folder([launch()], [explanation()], [cost(operators=())])
    (results / "latency.csv").write_text("not read")
    found = sources_in(results, None)
    assert sorted(found.contents) == ["costs.jsonl", "explained.jsonl", "runs.jsonl"]
    assert (len(found.launches), len(found.explained), len(found.costs)) == (1, 1, 1)
    for name, content in found.contents.items():
        assert content == (results / name).read_bytes()
    assert sources_in(results / "runs.jsonl", None).contents == found.contents


def test_counts_by_operator_which_no_page_shows_are_left_out(
    cost: Callable[..., CostRecord], folder: Folder
) -> None:
    made = cost()
    assert made.counts is not None
    operator = OperatorCounts(name="conv", type="Convolution", module=None, counts=made.counts)
    results = folder(costs=[cost(operators=(operator,) * 100)])
    assert b"Convolution" in (results / "costs.jsonl").read_bytes()
    found = sources_in(results, None).contents["costs.jsonl"]
    assert b"Convolution" not in found
    assert b"93000000" in found


@pytest.mark.parametrize("name", ["runs.jsonl", "explained.jsonl", "costs.jsonl", "check.json"])
def test_a_damaged_file_is_named(launch: Launch, folder: Folder, name: str) -> None:
    results = folder([launch()])
    (results / name).write_bytes(b'{"schema_version":1,"model":3}\n')
    with pytest.raises(UsageError, match=name):
        sources_in(results, None)


@pytest.mark.parametrize("name", ["runs.jsonl", "explained.jsonl", "costs.jsonl"])
def test_a_last_line_that_is_cut_short_is_left_out_and_told(
    launch: Launch, folder: Folder, name: str
) -> None:
    results = folder([launch()])
    with (results / name).open("ab") as file:
        file.write(b'{"schema_version":1,"mod')
    found = sources_in(results, None)
    assert len(found.launches) == 1
    assert [name in remark for remark in found.remarks] == [True]


def test_a_folder_without_results_says_what_to_do(tmp_path: Path, folder: Folder) -> None:
    with pytest.raises(UsageError, match="no results in"):
        sources_in(tmp_path, None)
    with pytest.raises(UsageError, match="no results"):
        sources_in(tmp_path / "page.html", None)
    empty = folder()
    (empty / "runs.jsonl").write_bytes(b"")
    with pytest.raises(UsageError, match="no complete launch"):
        sources_in(empty, None)


def test_something_that_is_no_file_is_refused(launch: Launch, folder: Folder) -> None:
    results = folder([launch()])
    (results / "explained.jsonl").mkdir()
    with pytest.raises(UsageError, match="it is a folder, not a file"):
        sources_in(results, None)


def test_the_launches_of_a_check_are_no_bench(launch: Launch, folder: Folder) -> None:
    with pytest.raises(UsageError, match="the launches of a check"):
        sources_in(folder([launch(written_by="check")]), None)


def test_of_a_check_that_left_its_verdict_that_is_shown(
    launch: Launch, folder: Folder, verdict: bytes
) -> None:
    results = folder([launch(written_by="check")])
    (results / "check.json").write_bytes(verdict)
    found = sources_in(results, None)
    assert found.launches == ()
    assert found.verdicts is not None
    assert found.verdicts.verdict == "regressed"


def test_of_a_check_with_its_blocks_both_versions_launches_are_shown(
    launch: Launch, folder: Folder, verdict: bytes
) -> None:
    made = [launch(ms=ms, written_by="check", launch=i) for i, ms in enumerate((9.0, 10.0, 8.0))]
    name = made[0].model
    twice = [made[0], made[1], made[1], made[0]]
    results = folder([*twice, made[2]])
    (results / "check.json").write_bytes(verdict)
    block = {
        "schema_version": 1,
        "comparison": "x",
        "attempt": 0,
        "model": name,
        "order": "ABBA",
        "series": 0,
    }
    lines = [
        block | {"launches": (0, 1, 2, 3), "attempt": 1},
        block | {"launches": (4, 1), "order": "AB"},  # two short ones, whose loading is compared
        block | {"launches": (0, 9), "attempt": 2},  # lines that runs.jsonl doesn't have
        block | {"launches": (0,), "model": "another"},
    ]
    (results / "blocks.jsonl").write_bytes(b"".join(map(msgspec.json.encode, lines[:1])) + b"\n")
    with (results / "blocks.jsonl").open("ab") as file:
        file.writelines(msgspec.json.encode(line) + b"\n" for line in lines[1:])
    found = sources_in(results, None)
    assert found.launches == ()
    assert list(found.checked) == [name]
    assert found.checked[name].baseline == (twice[0], twice[3])
    assert found.checked[name].candidate == (twice[1], twice[2])
    other = sources_in(folder([launch()], name="now"), results)
    assert len(other.launches) == 1
    assert other.checked == found.checked
    (results / "blocks.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match=r"blocks\.jsonl"):
        sources_in(results, None)


def test_the_verdict_of_the_other_folder_comes_before_one_that_has_to_be_made(
    launch: Launch, folder: Folder, verdict: bytes
) -> None:
    now, before = folder([launch()]), folder([launch(ms=9.0)], name="before")
    made = sources_in(now, before, lambda: msgspec.json.encode({}) and None)
    assert made.verdicts is None
    assert len(made.other_launches) == 1
    (before / "check.json").write_bytes(verdict)

    def never() -> bytes:
        raise AssertionError

    assert sources_in(now, before, never).verdicts is not None
