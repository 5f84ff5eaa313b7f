"""A table with its caption, and how it is written as CSV, Markdown and HTML."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from tabulate import tabulate

Format = Literal["csv", "markdown", "html"]
Cell = str | int | float | bool | None

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in CSV, its heading for people, and digits behind the point in both."""

    name: str
    heading: str
    csv_digits: int = 4
    shown_digits: int = 2


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells in the order of ``columns``; None is unknown and is written as nothing."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: tuple[str, ...] = ()
    """What was measured where; a line each."""
    footnotes: tuple[str, ...] = ()


def render(table: Table, output_format: Format) -> str:
    """Return ``table`` as text, with a newline at its end."""
    if output_format == "csv":
        return to_csv(table)
    return to_markdown(table) if output_format == "markdown" else to_html(table)


def to_csv(table: Table) -> str:
    """Return CSV with the contract's column names; captions and footnotes are left out."""
    cells = [
        [_csv_cell(cell, col.csv_digits) for cell, col in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    frame = pd.DataFrame(cells, columns=[column.name for column in table.columns], dtype=str)
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """Return a Markdown section: title, caption, aligned table, footnotes."""
    cells = [[text.replace("|", "\\|") for text in row] for row in _shown(table)]
    body = tabulate(
        cells,
        headers=[column.heading for column in table.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if number else "left" for number in _numeric(table)] if cells else None,
    )
    parts = [f"## {table.title}", *_paragraph(table.caption), body]
    notes = "\n".join(f"- {note}" for note in table.footnotes)
    return "\n\n".join([*parts, *([notes] if notes else [])]) + "\n"


def to_html(table: Table) -> str:
    """Return a page of its own, without scripts or anything from elsewhere."""
    numbers = _numeric(table)
    head = "".join(
        f'<th scope="col">{html.escape(column.heading)}</th>' for column in table.columns
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if number else ''}>{html.escape(text)}</td>"
            for text, number in zip(row, numbers, strict=True)
        )
        + "</tr>"
        for row in _shown(table)
    )
    caption = "<br>".join(html.escape(line) for line in table.caption)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.footnotes)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{html.escape(table.title)}</title>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 2rem; }}
caption {{ text-align: left; padding-bottom: .6rem; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid #ccc; text-align: left; }}
.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
</style>
</head>
<body>
<h1>{html.escape(table.title)}</h1>
<table>
<caption>{caption}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
<ul>{notes}</ul>
</body>
</html>
"""


def _paragraph(lines: Sequence[str]) -> list[str]:
    return ["  \n".join(lines)] if lines else []


def _shown(table: Table) -> list[list[str]]:
    return [
        [_text(cell, col.shown_digits) for cell, col in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]


def _numeric(table: Table) -> list[bool]:
    """Tell which columns hold numbers: the paper's are texts that look like one."""
    return [
        all(_is_number(row[index]) for row in table.rows if row[index] not in (None, ""))
        and any(row[index] not in (None, "") for row in table.rows)
        for index in range(len(table.columns))
    ]


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, bool) or cell is None:
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _text(cell: Cell, digits: int) -> str:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return f"{cell:.{digits}f}"
    return " ".join("".join(c if c.isprintable() else " " for c in str(cell)).split())


def _csv_cell(cell: Cell, digits: int) -> str:
    text = _text(cell, digits)
    # A device's or file's name is anybody's text, and spreadsheets run cells that begin like this.
    if isinstance(cell, str) and text.startswith(_FORMULA_STARTS) and not _is_number(cell):
        return f"'{text}"
    return text
