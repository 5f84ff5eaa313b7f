"""Every kind of result becomes rows: launches, counts, accuracies, sizes, verdicts, acceptances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.cold.cold_rows import cold_ns
from asymm_deploy.bench.emulated.counts import COSTS_NAME, CostRecord, Counts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curves import lines_of_curves
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy_rows import ACCURACIES
from asymm_deploy.evaluate.tasks.task_rows import TASKS
from asymm_deploy.history.found.found_rows import FoundRow
from asymm_deploy.history.found.result_rows import result_rows
from tests.history.conftest import Launches
from tests.made_cold import cold_record, memory_record
from tests.made_costs import KEY
from tests.made_curves import made_curve

COUNTED = CostRecord(
    model="net@int8",
    artifact_sha256="a" * 64,
    inputs_sha256=None,
    precision="fp32",
    key=KEY,
    counts=Counts(
        insn=600, fma=100, vector=100, load=100, store=100, branch=100, integer=100,
        load_bytes=4, store_bytes=8,
    ),
    operators=(),
    output_sha256=None,
    relative_error=None,
    flags=(),
    valid=True,
)  # fmt: skip


def rows_of(folder: Path, table: str, artifacts: Path = Path("nowhere")) -> list[FoundRow]:
    return [row for row in result_rows(folder, artifacts).rows if row.table == table]


def test_counts_of_two_input_shapes_are_two_rows_of_a_history(tmp_path: Path) -> None:
    counted = [
        msgspec.structs.replace(COUNTED, artifact_sha256=each * 64, input_shape=(1, 3, side, side))
        for each, side in (("a", 32), ("b", 64))
    ]
    (tmp_path / COSTS_NAME).write_bytes(msgspec.json.Encoder().encode_lines(counted))
    rows = rows_of(tmp_path, "costs")
    assert [row.values["input_shape"] for row in rows] == ["1,3,32,32", "1,3,64,64"]
    assert all(row.values["counts"] for row in rows)


def csv_of(columns: tuple[str, ...], **cells: str) -> str:
    return ",".join(columns) + "\n" + ",".join(cells.get(name, "") for name in columns) + "\n"


def test_a_launch_is_summarised_as_numpy_does(
    written: Callable[..., Path], good: LaunchRecord
) -> None:
    (row,) = rows_of(written([good]), "launches")
    samples = np.array(good.samples_ns, dtype=np.float64)
    figures = {name: row.values[name] for name in ("mean_ns", "median_ns", "p90_ns", "p99_ns")}
    expected = (samples.mean(), *np.percentile(samples, [50, 90, 99]))
    assert figures == pytest.approx(dict(zip(figures, expected, strict=True)))
    assert (row.values["min_ns"], row.values["max_ns"]) == (samples.min(), samples.max())
    assert row.values["std_ns"] == pytest.approx(samples.std(ddof=1))
    assert row.values["runs"] == len(samples)


def test_what_is_wrong_with_a_row_stands_at_its_launches(
    written: Callable[..., Path], launches: Launches
) -> None:
    apart = [*launches(count=1, ms=10), *launches(count=2, ms=15)[1:]]
    for row in rows_of(written(apart), "launches"):
        assert row.values["counts"]
        assert (row.values["flags"], row.values["row_flags"]) == ([], ["launch-spread"])


def test_launches_of_a_check_are_left_out_and_it_is_told(
    written: Callable[..., Path], launches: Launches
) -> None:
    folder = written([*launches(count=1), *launches(count=2, written_by="check")])
    found = result_rows(folder, Path("nowhere"))
    assert [row.table for row in found.rows] == ["launches", "sizes"]
    assert "2 launches of a check are left out" in found.remarks[0]


def test_a_torn_last_line_is_left_out_and_stays(
    written: Callable[..., Path], launches: Launches
) -> None:
    folder = written(launches())
    with (folder / "runs.jsonl").open("ab") as file:
        file.write(b'{"schema_version":1,"mod')
    before = (folder / "runs.jsonl").read_bytes()
    found = result_rows(folder, Path("nowhere"))
    assert "ends in the middle of a line" in found.remarks[0]
    assert (folder / "runs.jsonl").read_bytes() == before


def test_of_two_files_of_one_model_the_size_of_the_last_counts(
    written: Callable[..., Path], launches: Launches
) -> None:
    first, again = launches(count=1), launches(count=1, artifact_sha256="b" * 64)
    found = result_rows(written([*first, *again, *launches(2, count=1)]), Path("nowhere"))
    sizes = {row.values["artifact_sha256"][0]: row.values for row in found.rows[3:]}
    assert {name: (row["in_use"], row["counts"]) for name, row in sizes.items()} == {
        first[0].artifact_sha256[0]: (True, True),
        "b": (False, False),
    }
    assert "of net there are several files: the last one's size counts" in found.remarks
    other = launches(count=1, artifact_sha256="b" * 64, input_shape=(1, 3, 32, 32))
    assert all(row.values["counts"] for row in rows_of(written([*first, *other]), "sizes"))


@pytest.mark.parametrize("name", ["runs.jsonl", "cold.jsonl", "sustained.jsonl", "tasks.csv"])
def test_a_link_to_nothing_is_not_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=f"{name} is a link to nothing"):
        result_rows(tmp_path, Path("nowhere"))


def test_cold_starts_are_a_row_a_launch_and_the_last_of_each_counts(
    tmp_path: Path, good: LaunchRecord
) -> None:
    first = cold_record(good)
    warm = cold_record(msgspec.structs.replace(good, launch=1), resident=50)
    lines = [first, warm, memory_record(good), first]  # the last line for a launch counts
    (tmp_path / "cold.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(lines))
    rows = [row.values for row in rows_of(tmp_path, "cold")]
    told = [(row["pass"], row["launch"], row["in_use"], row["counts"]) for row in rows]
    assert told == [
        ("times", 0, False, False),
        ("times", 1, True, True),
        ("memory", 0, True, False),
        ("times", 0, True, True),
    ]
    assert first.stages is not None
    assert rows[3]["cold_ns"] == cold_ns(first.stages)
    assert (rows[1]["cold_ns"], rows[1]["first_ns"]) == (None, first.stages.first_ns)
    assert rows[2]["memory_mb"] == 14.0
    assert len(rows_of(tmp_path, "sizes")) == 1


def test_of_launches_that_last_the_last_that_reached_its_end_counts(tmp_path: Path) -> None:
    cut = made_curve([12.0] * 5, for_s=20.0, is_whole=False)
    curves = [made_curve([10.0] * 20), made_curve([11.0] * 20), cut]
    for number, curve in enumerate(curves):
        curve.name = f"curve{number}"
    (tmp_path / "sustained.jsonl").write_bytes(lines_of_curves(curves))
    rows = [row.values for row in rows_of(tmp_path, "sustained")]
    assert [row["counts"] for row in rows] == [False, True, False]
    assert rows[1]["sustained_ns"] == pytest.approx(11e6)
    assert rows[2]["error"]


def test_what_a_history_takes_no_rows_of_is_named(
    written: Callable[..., Path], launches: Launches
) -> None:
    folder = written(launches())
    (folder / "explained.jsonl").touch()
    assert "explained.jsonl: a history takes no" in result_rows(folder, Path("x")).remarks[0]


def test_a_launch_that_doesn_t_say_when_is_refused(
    written: Callable[..., Path], launches: Launches
) -> None:
    for text in ("soon", "2026-01-01T00:00:00", ""):
        with pytest.raises(UsageError, match=r"line 1: .* is no time with a zone"):
            result_rows(written(launches(count=1, started_at=text)), Path("nowhere"))


def test_counts_of_a_model_are_its_last_line_s(tmp_path: Path) -> None:
    assert COUNTED.counts is not None
    more = msgspec.structs.replace(COUNTED.counts, insn=700)
    later = msgspec.structs.replace(COUNTED, counts=more)
    failed = msgspec.structs.replace(COUNTED, model="bad", counts=None, valid=False, error="x")
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in (COUNTED, later, failed))
    (tmp_path / "costs.jsonl").write_bytes(lines)
    found = [row.values for row in rows_of(tmp_path, "costs")]
    assert [(row["counts"], row.get("insn")) for row in found] == [
        (False, 600),
        (True, 700),
        (False, None),
    ]
    assert (found[1]["variant"], found[1]["device"], found[1]["cost_key"]) == (
        "int8",
        "a76",
        KEY.text(),
    )


def test_accuracies_are_a_row_a_figure(tmp_path: Path) -> None:
    cells = {
        "model": "net", "variant": "w8", "engine": "mnn", "device": "here", "precision": "fp32",
        "images": "100", "unreadable": "0", "top1_percent": "70.0", "top1_low_percent": "60.0",
        "top1_high_percent": "80.0", "weights": "trained", "classes": "10", "preprocess": "p",
        "key": "k", "input_shape": '"1,3,32,32"',
    }  # fmt: skip
    (tmp_path / "accuracy.csv").write_text(csv_of(ACCURACIES.columns, **cells))
    cells |= {"variant": "fp32", "task": "face", "samples": "6000", "metric": "accuracy",
              "percent": "99.0", "data": "LFW"}  # fmt: skip
    (tmp_path / "tasks.csv").write_text(csv_of(TASKS.columns[:-1], **cells))  # of before
    found = [row.values for row in rows_of(tmp_path, "accuracies")]
    told = [(r["model"], r["task"], r["metric"], r["percent"], r["counts"]) for r in found]
    assert told == [
        ("net@w8", "classification", "top1", 70.0, True),
        ("net@w8", "classification", "top5", None, False),
        ("net", "face", "accuracy", 99.0, True),
    ]
    assert (found[0]["low_percent"], found[0]["high_percent"]) == (60.0, 80.0)
    assert [row["input_shape"] for row in found] == ["1,3,32,32", "1,3,32,32", None]


@pytest.mark.parametrize("value", ["nan", "101", "-1", "much", "inf"])
def test_accuracies_that_are_none_are_refused(tmp_path: Path, value: str) -> None:
    cells: dict[str, Any] = {
        "model": "net",
        "variant": "fp32",
        "images": "1",
        "top1_percent": value,
    }
    (tmp_path / "accuracy.csv").write_text(csv_of(ACCURACIES.columns, **cells))
    with pytest.raises(UsageError, match=r"accuracy.csv is damaged"):
        result_rows(tmp_path, Path("nowhere"))
