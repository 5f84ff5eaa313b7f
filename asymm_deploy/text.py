"""Rows -> a table for people, or CSV or JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Literal

Row = Mapping[str, str | int]
Format = Literal["table", "csv", "json"]


def formatted(rows: Sequence[Row], output_format: Format) -> str:
    """Return ``rows``, which share their keys, in the format asked for."""
    if output_format == "json":
        return json.dumps(list(rows), indent=2)
    if output_format == "csv":
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return buffer.getvalue()
    from tabulate import tabulate

    return tabulate(list(rows), headers="keys", tablefmt="simple", intfmt=",")
