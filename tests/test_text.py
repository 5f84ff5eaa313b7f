"""Lists for people are aligned tables; for programs they parse as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.safe import csv_cell
from asymm_deploy.text import formatted

cells = st.one_of(st.integers(), st.text(st.characters(codec="utf-8", exclude_characters="\r\0")))
rows_of_two = st.lists(
    st.builds(lambda name, count: {"name": name, "count": count}, cells, cells), min_size=1
)


@given(rows_of_two)
def test_csv_reads_back_what_was_written(rows: list[dict[str, str | int]]) -> None:
    read = list(csv.DictReader(io.StringIO(formatted(rows, "csv"), newline="")))
    assert [list(row) for row in read] == [["name", "count"]] * len(rows)
    for row, found in zip(rows, read, strict=True):
        for key, cell in row.items():
            assert found[key] == str(csv_cell(cell))


@given(rows_of_two)
def test_json_reads_back_what_was_written(rows: list[dict[str, str | int]]) -> None:
    assert json.loads(formatted(rows, "json")) == rows


def test_numbers_are_aligned_to_the_right_with_thousands() -> None:
    lines = formatted([{"name": "a", "count": 1234567}, {"name": "bb", "count": 1}], "table")
    assert lines.splitlines()[2:] == ["a       1,234,567", "bb              1"]


def test_a_name_in_a_table_is_a_cell_and_no_escape_sequence_or_command() -> None:
    rows = [{"name": "::error::a\x1b[2J\n::error::b"}]
    assert formatted(rows, "table").splitlines()[2:] == [": :error::a\ufffd[2J ::error::b"]


def test_nothing_is_an_empty_table_and_an_empty_list() -> None:
    assert formatted([], "table") == ""
    assert json.loads(formatted([], "json")) == []
    assert formatted([], "csv").strip() == ""


def test_a_formula_stays_text_in_csv() -> None:
    assert formatted([{"name": "=1+1", "count": -1}], "csv") == "name,count\n'=1+1,-1\n"
