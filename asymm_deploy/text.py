"""Rows -> a table for people, or CSV or JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from asymm_deploy.safe import csv_cell, excerpt, no_command

ListRow = Mapping[str, str | int]
Format = Literal["table", "csv", "json"]


def formatted(rows: Sequence[ListRow], output_format: Format) -> str:
    """Return ``rows``, which share their keys, in the format asked for."""
    if output_format == "json":
        return json.dumps(list(rows), indent=2)
    if output_format == "csv":
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: csv_cell(cell) for key, cell in row.items()} for row in rows)
        return buffer.getvalue()
    from tabulate import tabulate

    if not rows:
        return ""
    numbers = [all(isinstance(row[key], int) for row in rows) for key in rows[0]]
    table = tabulate(
        [[_shown(cell) for cell in row.values()] for row in rows],
        headers=list(rows[0]),
        disable_numparse=True,
        colalign=["right" if number else "left" for number in numbers],
    )
    return "\n".join(map(no_command, table.splitlines()))


def counted(number: int, noun: str) -> str:
    """Return ``1 row``, ``2 rows``, ``3 classes``, ``4 people``."""
    plural = (
        "people" if noun == "person" else noun + ("es" if noun.endswith(("s", "x", "ch")) else "s")
    )
    return f"{number:,} {noun if number == 1 else plural}"


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers in order, those that follow one another as a range: ``0-5, 9``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(f"{span[0]}-{span[-1]}" if span[1:] else str(span[0]) for span in spans)


def _shown(cell: str | int) -> str:
    return f"{cell:,}" if isinstance(cell, int) else excerpt(cell, 10**6)
