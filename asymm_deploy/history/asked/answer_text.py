"""Answers as text without control characters: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from asymm_deploy.history.asked.sealed_sql import SqlAnswer
from asymm_deploy.safe import csv_cell, excerpt, no_command, no_command_in_json
from asymm_deploy.text import Format, counted

_MOST_IN_TABLE = 1000
"""Rows: the widths of a table's columns are only known once all of its rows are."""
_WIDEST = 120


def answer_text(answer: SqlAnswer, output_format: Format, remarks: list[str]) -> Iterator[str]:
    """Yield an answer's text piece by piece, as its rows are found; each ends with its line.

    A table stops after a thousand rows, and says so in ``remarks``; CSV and JSON hold all.
    """
    if output_format == "table":
        yield _table(answer, remarks)
    elif output_format == "csv":
        yield from _csv(answer)
    else:
        yield from _json(answer)


def _table(answer: SqlAnswer, remarks: list[str]) -> str:
    from tabulate import tabulate

    rows: list[tuple[Any, ...]] = []
    for part in answer.parts:
        rows += part
        if len(rows) > _MOST_IN_TABLE:
            remarks.append(
                f"these are the first {counted(_MOST_IN_TABLE, 'row')}; --format csv or json "
                "prints all"
            )
            break
    shown = rows[:_MOST_IN_TABLE]
    numbers = [
        any(row[place] is not None for row in shown)
        and all(
            isinstance(row[place], int | float | Decimal | None)
            and not isinstance(row[place], bool)
            for row in shown
        )
        for place in range(len(answer.columns))
    ]
    table = tabulate(
        [[excerpt(_plain(cell), _WIDEST) for cell in row] for row in shown],
        headers=[excerpt(name, _WIDEST) for name in answer.columns],
        disable_numparse=True,
        colalign=["right" if number else "left" for number in numbers] if shown else None,
    )
    return "".join(f"{no_command(line)}\n" for line in table.split("\n"))


def _csv(answer: SqlAnswer) -> Iterator[str]:
    def lines(rows: Sequence[Sequence[Any]]) -> str:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
        return buffer.getvalue()

    yield lines([answer.columns])
    for part in answer.parts:
        yield lines(part)


def _json(answer: SqlAnswer) -> Iterator[str]:
    before = "[\n"
    for part in answer.parts:
        for row in part:
            found = {name: _jsonable(cell) for name, cell in zip(answer.columns, row, strict=True)}
            written = no_command_in_json(json.dumps(found))  # ASCII alone: an escape stays one
            yield f"{before}  {written}"
            before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _csv_cell(cell: Any) -> str | int:
    if isinstance(cell, int | float | Decimal):
        return _plain(cell)
    return csv_cell(cell if isinstance(cell, str) else _plain(cell))


def _plain(value: Any) -> str:
    """Return a value as text: nothing for NULL, ``a b`` for a list of texts, JSON for the rest."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(value)
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(_jsonable(value))
    if value is None:
        return ""
    return value.hex() if isinstance(value, bytes) else str(value)


def _jsonable(value: Any) -> Any:
    """Return what JSON can hold; NaN and infinities are null there."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {_plain(key): _jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else _plain(value)
