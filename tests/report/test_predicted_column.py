"""Table 5's predicted_ms: where models were counted, after all columns, and called what it is."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.emulated.counts import COSTS_NAME, CostRecord, Counts
from asymm_deploy.bench.records import LaunchRecord
from tests.made_costs import KEY

Launch = Callable[..., LaunchRecord]
Results = Callable[[Sequence[LaunchRecord]], Path]
Reported = Callable[..., str]
Cells = Callable[..., list[dict[str, str]]]

FILE = "0" * 64
MODEL = "asymmnet_large_100"
ROW = 18
"""Its place in Table 5."""
PREDICTED = 50 * 0.183329 + 13 * 1.1243


def write_costs(folder: Path, **changes: object) -> None:
    """Write the costs.jsonl of 50 M multiply-adds and 13 M loads."""
    counts = Counts(
        insn=93_000_000,
        fma=50_000_000,
        vector=7_000_000,
        load=13_000_000,
        store=3_000_000,
        branch=6_000_000,
        integer=14_000_000,
        load_bytes=0,
        store_bytes=0,
    )
    record = CostRecord(
        model=MODEL,
        artifact_sha256=FILE,
        inputs_sha256=None,
        precision="fp32",
        key=KEY,
        counts=counts,
        operators=None,
        output_sha256=None,
        relative_error=None,
        flags=(),
        valid=True,
    )
    line = msgspec.json.encode(msgspec.structs.replace(record, **changes))
    (folder / COSTS_NAME).write_bytes(line + b"\n")


@pytest.fixture
def reported(capsys: pytest.CaptureFixture[str]) -> Reported:
    def report(*arguments: str | Path, code: int = 0) -> str:
        assert cli.run(["report", *map(str, arguments)]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return report


@pytest.fixture
def cells(reported: Reported) -> Cells:
    def read(*arguments: str | Path) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(reported("--table=5", "--format=csv", *arguments))))

    return read


def test_a_model_that_was_counted_and_timed_has_both(
    launch: Launch, results: Results, cells: Cells
) -> None:
    folder = results([launch(MODEL, ms=30.0)])
    before = cells(folder)[ROW]
    write_costs(folder)
    after = cells(folder)

    assert list(after[ROW]) == [*before, "predicted_ms"]
    assert float(after[ROW].pop("predicted_ms")) == pytest.approx(PREDICTED, rel=1e-4)
    assert after[ROW] == before
    assert {row["predicted_ms"] for row in after if row is not after[ROW]} == {""}


def test_without_counts_there_is_no_such_column(
    launch: Launch, results: Results, reported: Reported
) -> None:
    assert "predicted" not in reported("--table=5", results([launch()]))


@pytest.mark.parametrize(
    "changes", [{"artifact_sha256": "f" * 64}, {"precision": "fp16"}, {"classes": 10}]
)
def test_another_file_precision_or_number_of_classes_leaves_the_cell_empty(
    launch: Launch, results: Results, changes: dict[str, object], cells: Cells
) -> None:
    folder = results([launch()])
    write_costs(folder, **changes)
    assert cells(folder)[ROW]["predicted_ms"] == ""


def test_counts_alone_make_a_table(tmp_path: Path, cells: Cells) -> None:
    write_costs(tmp_path)
    row = cells(tmp_path)[ROW]
    assert float(row["predicted_ms"]) == pytest.approx(PREDICTED, rel=1e-4)
    assert (row["latency_ms"], row["valid"]) == ("", "")
    assert cells(tmp_path, "--precision=fp16")[ROW]["predicted_ms"] == ""


def test_of_other_tables_counts_alone_make_none(tmp_path: Path, reported: Reported) -> None:
    write_costs(tmp_path)
    for which in ((), ("--table=6",), ("--figure=1",)):
        reported(tmp_path, *which, code=2)


def test_a_note_says_that_it_is_a_prediction_and_how_far_off(
    launch: Launch, results: Results, reported: Reported
) -> None:
    folder = results([launch()])
    write_costs(folder)
    for output_format in ("markdown", "html"):
        text = reported("--table=5", f"--format={output_format}", folder)
        assert "a prediction, not measured" in text
        assert "Snapdragon 855" in text
        assert "5.4% on average" in text


def test_damaged_counts_are_an_error_where_they_are_needed(
    launch: Launch, results: Results, reported: Reported
) -> None:
    folder = results([launch()])
    (folder / COSTS_NAME).write_text("not ours\n")
    assert f"{COSTS_NAME} is damaged in line 1" in reported("--table=5", folder, code=2)
    reported("--table=6", folder)


def test_counts_that_are_no_file_are_an_error_and_not_waited_for(
    launch: Launch, results: Results, reported: Reported
) -> None:
    folder = results([launch()])
    os.mkfifo(folder / COSTS_NAME)
    printed = reported("--table=5", folder, code=2)
    assert "it is a pipe" in printed
    assert "--out" not in printed
