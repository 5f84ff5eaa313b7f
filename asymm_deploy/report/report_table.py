"""A table with caption and footnotes, and how it is written as CSV, Markdown and HTML."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pandas as pd
from tabulate import tabulate

from asymm_deploy.safe import csv_cell, markdown, one_line

TableFormat = Literal["csv", "markdown", "html"]
Cell = str | int | float | bool | None

# A mean over 1000 runs is known to three or four digits; the rest serves further arithmetic.
CSV_SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in CSV, its heading for people, and how its cells are shown."""

    name: str
    heading: str
    kind: Literal["text", "number"] = "number"
    """Numbers are aligned to the right."""
    digits: int = 2
    """Decimals of a float, for people."""
    is_key: bool = False
    """Whether it identifies the row: in HTML its cells are row headings, for screen readers."""
    in_csv: bool = True
    """Whether CSV has it; some tables have fixed CSV columns and more for people."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows of cells in the order of ``columns``.

    None and floats that are not finite are unknown and written as empty cells. Numbers of the paper
    are the texts printed there.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: tuple[str, ...] = ()
    """Lines above the table: what was measured where."""
    footnotes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        title: str,
        columns: Sequence[Column],
        frame: pd.DataFrame,
        caption: Sequence[str] = (),
        footnotes: Sequence[str] = (),
    ) -> Self:
        """Return a table of the frame's columns that ``columns`` name, in their order."""
        cells = frame[[column.name for column in columns]]
        rows = tuple(cells.itertuples(index=False, name=None))
        return cls(title, tuple(columns), rows, tuple(caption), tuple(footnotes))


def render(table: ReportTable, output_format: TableFormat) -> str:
    """Return ``table`` as text that ends in a newline."""
    if output_format == "csv":
        return to_csv(table)
    return to_markdown(table) if output_format == "markdown" else to_html(table)


def to_csv(table: ReportTable) -> str:
    """Return CSV with the column names of the contract, without caption and footnotes.

    Floats have a decimal point and at most ``CSV_SIGNIFICANT_DIGITS`` digits; integers are written
    in full; booleans are ``true`` and ``false``. Text that a spreadsheet would run as a formula
    gets a ``'`` in front.
    """
    kept = [index for index, column in enumerate(table.columns) if column.in_csv]
    frame = pd.DataFrame(
        [[_csv_text(row[index], table.columns[index]) for index in kept] for row in table.rows],
        columns=[table.columns[index].name for index in kept],
        dtype=str,
    )
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def to_markdown(table: ReportTable) -> str:
    """Return a Markdown section: title, caption, aligned table, footnotes.

    Texts are escaped, so that a device's or file's name can't mark anything up.
    """
    cells = [
        [
            shown_cell(cell, column)
            if column.kind == "number"
            else markdown(shown_cell(cell, column))
            for cell, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    headings = [column.heading for column in table.columns]
    body = tabulate(
        # Without a row, tabulate would draw no lines either.
        cells or [[""] * len(headings)],
        headers=headings,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if column.kind == "number" else "left" for column in table.columns],
    )
    parts = [f"## {markdown(table.title)}"]
    if table.caption:
        parts.append("  \n".join(markdown(one_line(line)) for line in table.caption))
    parts.append(body)
    if table.footnotes:
        parts.append("\n".join(f"- {markdown(one_line(note))}" for note in table.footnotes))
    return "\n\n".join(parts) + "\n"


def to_html(table: ReportTable) -> str:
    """Return a complete page, without scripts or anything loaded from elsewhere."""
    head = "".join(
        f'<th scope="col"{_css_class(column)}>{html.escape(column.heading)}</th>'
        for column in table.columns
    )
    body = "\n".join(_html_row(row, table.columns) for row in table.rows)
    caption = "<br>".join(html.escape(one_line(line)) for line in table.caption)
    items = "".join(f"<li>{html.escape(one_line(note))}</li>" for note in table.footnotes)
    notes = f"<ul>{items}</ul>\n" if items else ""
    title = html.escape(table.title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px system-ui, sans-serif; margin: 2rem; }}
.wide {{ overflow-x: auto; }}
caption {{ text-align: left; padding-bottom: .6rem; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid #888; text-align: left; }}
tbody th {{ font-weight: normal; }}
th.n, td.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.invalid {{ font-style: italic; background: #d224; }}
</style>
</head>
<body>
<h1>{title}</h1>
<div class="wide" tabindex="0" role="region" aria-label="{title}">
<table>
<caption>{caption or title}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
{notes}</body>
</html>
"""


def _html_row(row: Sequence[Cell], columns: Sequence[Column]) -> str:
    cells = []
    css_class = ""
    for cell, column in zip(row, columns, strict=True):
        if column.name == "valid" and cell is False:
            css_class = ' class="invalid"'
        start, end = ('th scope="row"', "th") if column.is_key else ("td", "td")
        text = html.escape(shown_cell(cell, column))
        cells.append(f"<{start}{_css_class(column)}>{text}</{end}>")
    return f"<tr{css_class}>{''.join(cells)}</tr>"


def _css_class(column: Column) -> str:
    return ' class="n"' if column.kind == "number" else ""


def shown_cell(cell: Cell, column: Column) -> str:
    """Return a cell's text for people."""
    if isinstance(cell, bool):
        return "yes" if cell else "NO"
    if isinstance(cell, float) and math.isfinite(cell):
        return f"{cell:.{column.digits}f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return _plain(cell)


def _csv_text(cell: Cell, column: Column) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and math.isfinite(cell):
        return np.format_float_positional(
            cell, precision=CSV_SIGNIFICANT_DIGITS, unique=False, fractional=False, trim="0"
        )
    text = _plain(cell)
    return text if column.kind == "number" else str(csv_cell(text))


def _plain(cell: Cell) -> str:
    return "" if cell is None or isinstance(cell, float) else one_line(str(cell))
