"""From runs.jsonl to text, whole: every table in every format, and torch only where it counts."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import UsageError
from asymm_deploy.models.names import Figure
from asymm_deploy.report import tables
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.report_table import TableFormat
from tests.bench.paired_lines import add_paired_launches

Launch = Callable[..., LaunchRecord]
Results = Callable[[Sequence[LaunchRecord]], Path]

ANY = RowFilter()


@pytest.mark.parametrize("number", [None, *tables.NUMBERS, Figure(1)])
@pytest.mark.parametrize("output_format", ["csv", "markdown", "html"])
def test_every_table_is_there_in_every_format(
    number: tables.Which,
    output_format: TableFormat,
    table5_launches: list[LaunchRecord],
    results: Results,
) -> None:
    rows = tables.rows_in(results(table5_launches))
    text = tables.report_text(number, rows, ANY, output_format)

    assert text.endswith("\n")
    assert not re.search(r"\b(nan|none|null|<na>)\b", text, re.IGNORECASE)
    if output_format == "csv":
        assert len({len(line) for line in csv.reader(io.StringIO(text))}) == 1
    if output_format == "markdown":
        assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1


def test_a_table_that_there_is_not_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(UsageError) as error:
        tables.report_text(2, [], ANY, "csv")
    assert error.value.hint == "tables: 1, 3, 4, 5, 6, 7, 8, 9, 10"
    with pytest.raises(UsageError, match="Figure 2"):
        tables.report_text(Figure(2), [], ANY, "csv")


@pytest.mark.parametrize("number", [5, 6])
def test_a_table_of_two_engines_needs_a_choice(
    number: int, launch: Launch, results: Results
) -> None:
    rows = tables.rows_in(results([launch(), launch(engine="onnxruntime", ms=20.0)]))

    with pytest.raises(UsageError, match="2 settings"):
        tables.report_text(number, rows, ANY, "csv")
    assert ",20.0," in tables.report_text(number, rows, RowFilter(engine="onnxruntime"), "csv")


def test_settings_of_models_that_are_not_in_the_table_are_no_matter(
    launch: Launch, results: Results
) -> None:
    rows = tables.rows_in(results([launch(), launch("mine", engine="onnxruntime")]))

    assert ",10.0," in tables.report_text(5, rows, ANY, "csv")


def test_the_latencies_of_two_engines_are_two_rows(launch: Launch, results: Results) -> None:
    rows = tables.rows_in(results([launch(), launch(engine="onnxruntime")]))

    formats: tuple[TableFormat, ...] = ("csv", "markdown")
    for output_format in formats:
        text = tables.report_text(None, rows, ANY, output_format)
        assert text.count("asymmnet_large_100") == 2
    chosen = tables.report_text(None, rows, RowFilter(engine="mnn"), "csv")
    assert chosen.count("asymmnet_large_100") == 1


def test_a_network_with_other_classes_is_a_row_of_its_own_and_none_of_the_papers(
    launch: Launch, results: Results
) -> None:
    rows = tables.rows_in(results([launch(ms=20.0, classes=10, params=1), launch()]))

    assert [row.classes for row in rows] == [10, None]
    text = tables.report_text(5, rows, ANY, "csv")
    assert ",10.0," in text
    assert ",20.0," not in text


def test_counts_come_from_the_results_where_they_have_them(
    launch: Launch, results: Results
) -> None:
    rows = tables.rows_in(results([launch(madds=123_000_000, params=4_560_000)]))
    ours = tables.report_text(5, rows, ANY, "csv").splitlines()[19]

    assert ours.startswith("1.0,Large,AsymmNet,,123.0,4.56,10.0,")


def test_counts_are_made_where_the_results_lack_them(launch: Launch, results: Results) -> None:
    rows = tables.rows_in(results([launch(madds=None, params=None)]))
    ours = tables.report_text(5, rows, ANY, "csv").splitlines()[19]

    assert ours.startswith("1.0,Large,AsymmNet,,216.918,6.07661,10.0,")


def test_a_whole_table_5_and_the_latencies_need_no_torch(
    table5_launches: list[LaunchRecord], results: Results
) -> None:
    script = """
import sys
from pathlib import Path
from asymm_deploy.report import tables
from asymm_deploy.report.comparable import RowFilter
rows = tables.rows_in(Path(sys.argv[1]))
for number in (None, 5):
    for output_format in ("csv", "markdown", "html"):
        tables.report_text(number, rows, RowFilter(), output_format)
print({"torch", "onnx", "MNN"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(results(table5_launches))],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "set()\n"


def test_latency_csv_appears_in_the_results_folder_and_says_what_report_says(
    launch: Launch, results: Results
) -> None:
    folder = results([launch("a"), launch("b", engine="onnxruntime")])
    target = tables.write_latency(folder, tables.rows_in(folder))

    assert target == folder / "latency.csv"
    assert target.read_text() == tables.report_text(None, tables.rows_in(folder), ANY, "csv")


def test_a_report_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "table5.csv"
    target.write_text("before")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left on device"):
        tables.write(target, "after")
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't write"):
        tables.write(tmp_path / "missing" / "t.csv", "text")


@pytest.mark.parametrize("which", [None, 5, Figure(1)])
@pytest.mark.parametrize("output_format", ["csv", "markdown", "html"])
def test_paired_launches_with_other_models_change_no_table(
    which: tables.Which,
    output_format: TableFormat,
    table5_launches: list[LaunchRecord],
    results: Results,
) -> None:
    folder = results(table5_launches)
    without = tables.report_text(which, tables.rows_in(folder), ANY, output_format)
    add_paired_launches(folder / store.NAME)
    rows = tables.rows_in(folder)
    assert len(rows) == 30
    assert all(row.paired for row in rows)
    assert tables.report_text(which, rows, ANY, output_format) == without
