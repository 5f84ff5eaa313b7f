"""What is written reads back, and no text from a device can be more than text."""

from __future__ import annotations

import csv
import html
import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.report.report_table import Column, ReportTable, to_csv, to_html, to_markdown

COLUMNS = (
    Column("name", "name", "text", is_key=True),
    Column("count", "count"),
    Column("time_ms", "time (ms)", digits=3),
    Column("valid", "valid", "text"),
)
rows = st.lists(
    st.tuples(
        st.none() | st.text(),
        st.none() | st.integers(0, 10**12),
        st.none() | st.floats(1e-4, 1e6),
        st.none() | st.booleans(),
    ),
    max_size=5,
)


def table(*cells: tuple[str | int | float | bool | None, ...]) -> ReportTable:
    return ReportTable("Numbers", COLUMNS, cells)


def csv_rows(table: ReportTable) -> list[list[str]]:
    return list(csv.reader(io.StringIO(to_csv(table))))


@given(rows)
def test_csv_reads_back_as_the_same_numbers(
    cells: list[tuple[str | int | float | bool | None, ...]],
) -> None:
    header, *lines = csv_rows(table(*cells))

    assert header == ["name", "count", "time_ms", "valid"]
    assert len(lines) == len(cells)
    for (_, count, time_ms, valid), read in zip(cells, lines, strict=True):
        assert (int(read[1]) if read[1] else None) == count
        if time_ms is None:
            assert not read[2]
        else:
            assert float(read[2]) == pytest.approx(time_ms, rel=5e-6)
        assert {"true": True, "false": False, "": None}[read[3]] == valid


@given(rows)
def test_markdown_lines_are_of_one_width(
    cells: list[tuple[str | int | float | bool | None, ...]],
) -> None:
    lines = [line for line in to_markdown(table(*cells)).splitlines() if line.startswith("|")]

    assert len(lines) == max(1, len(cells)) + 2
    assert len({len(line) for line in lines}) == 1
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {len(COLUMNS) + 1}


@given(rows)
def test_html_has_a_cell_for_each_cell_and_nothing_of_its_text_is_a_tag(
    cells: list[tuple[str | int | float | bool | None, ...]],
) -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.opened: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.opened.append(tag)

    parser = Tags()
    parser.feed(to_html(table(*cells)))

    assert parser.opened.count("td") == (len(COLUMNS) - 1) * len(cells)
    assert parser.opened.count("th") == len(COLUMNS) + len(cells)
    ours = "html head meta title style body h1 div table caption thead tbody tr th td"
    assert set(parser.opened) <= {*ours.split()}


@pytest.mark.parametrize("write", [to_csv, to_markdown, to_html])
def test_unknown_is_empty_and_never_nan(write: object) -> None:
    assert callable(write)
    nothing = write(table((None, None, None, None), (None, None, float("nan"), float("inf"))))

    assert not re.search(r"\b(nan|none|null|inf)\b", nothing, re.IGNORECASE)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (1.0, "1.0"),
        (27.123456789, "27.1235"),
        (0.00012345678, "0.000123457"),
        (0.1 + 0.2, "0.3"),
        (123456.0, "123456.0"),
        (1000, "1000"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_csv_has_no_noise_and_no_exponents(cell: float, written: str) -> None:
    assert csv_rows(table(("a", 1, cell, None)))[1][2] == written


def test_people_see_thousands_and_as_many_digits_as_the_column_asks_for() -> None:
    line = to_markdown(table(("a", 1234567, 2.0, True))).splitlines()[-1]

    assert line.replace(" ", "") == "|a|1,234,567|2.000|yes|"


def test_only_numbers_are_aligned_to_the_right_known_or_not() -> None:
    rule = to_markdown(table(("7", None, None, None))).splitlines()[-2]

    assert [part[-1] for part in rule.strip("|").split("|")] == ["-", ":", ":", "-"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "  ="])
def test_a_name_that_begins_like_a_formula_is_no_formula_in_csv(start: str) -> None:
    ((name, *_),) = csv_rows(table((f'{start}HYPERLINK("x")', 1, 1.0, True)))[1:]

    assert name.startswith("'")
    assert name.endswith('HYPERLINK("x")')


def test_a_negative_number_is_a_number_and_not_a_formula() -> None:
    assert csv_rows(table(("a", -1, -2.5, None)))[1][1:3] == ["-1", "-2.5"]


def test_a_name_with_line_ends_and_escapes_stays_in_its_line() -> None:
    name = "a\nb\r\x1b[31m\x00c\u2028d"

    assert csv_rows(table((name, 1, 1.0, True)))[1][0] == "a b [31m c d"
    assert len(to_csv(table((name, 1, 1.0, True))).splitlines()) == 2


@pytest.mark.parametrize("text", ["<script>", "a|b", "*b*", "[x](y)", "`c`", "__init__", "a&lt;"])
def test_markdown_shows_names_captions_and_footnotes_as_they_are(text: str) -> None:
    written = to_markdown(
        ReportTable("T", COLUMNS, ((text, 1, 1.0, True),), caption=(text,), footnotes=(text,))
    )

    assert text not in written
    assert html.unescape(written).count(text) == 3


def test_underscores_within_names_are_left_alone() -> None:
    assert "asymmnet_large_100_r2" in to_markdown(table(("asymmnet_large_100_r2", 1, 1.0, True)))


def test_captions_and_footnotes_from_devices_are_one_line_each() -> None:
    written = ReportTable("T", COLUMNS, (), caption=("a\n\n# b",), footnotes=("c\n- d",))

    assert "\na # b\n" in to_markdown(written)
    assert "\n- c - d\n" in to_markdown(written)
    assert "<caption>a # b</caption>" in to_html(written)


def test_html_marks_invalid_rows_by_more_than_colour_and_heads_its_rows() -> None:
    page = to_html(table(("good", 1, 1.0, True), ("bad", 1, 1.0, False)))

    assert page.count('<tr class="invalid"><th scope="row">bad</th>') == 1
    assert page.count('<tr class="invalid">') == 1
    assert "<td>NO</td>" in page
    assert '<html lang="en">' in page
    assert "<caption>Numbers</caption>" in page


@pytest.mark.parametrize("text", ["<script>x</script>", '"><b>', "&lt;", "</table>"])
def test_html_shows_names_captions_and_footnotes_as_they_are(text: str) -> None:
    page = to_html(
        ReportTable("T", COLUMNS, ((text, 1, 1.0, True),), caption=(text,), footnotes=(text,))
    )

    assert page.count(html.escape(text)) == 3
    assert "<script" not in page
    assert page.count("</table>") == 1


def test_html_needs_nothing_from_elsewhere() -> None:
    assert not re.search(r"<script|<link|src=|href=|url\(|https?:", to_html(table()))


def test_a_column_for_people_alone_is_not_in_csv() -> None:
    columns = (*COLUMNS, Column("flags", "flags", "text", in_csv=False))
    both = ReportTable("T", columns, (("a", 1, 1.0, True, "hot"),))

    assert csv_rows(both) == csv_rows(table(("a", 1, 1.0, True)))
    assert "hot" in to_markdown(both)


def test_pandas_reads_the_types_back() -> None:
    frame = pd.read_csv(io.StringIO(to_csv(table(("a", 1, 1.5, True), ("b", 2, 2.0, False)))))

    assert [str(kind) for kind in frame.dtypes][1:] == ["int64", "float64", "bool"]
