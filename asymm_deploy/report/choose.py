"""The rows that may stand in one column: measured on one device, in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Choice:
    """Which measurements to show; None leaves it open."""

    device: str | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None


def one_setting(rows: Sequence[RowSummary], choice: Choice) -> list[RowSummary]:
    """Return the rows that ``choice`` leaves, all of one device, engine, precision and threads.

    Raises UsageError where they are of several, or where nothing is left.
    """
    left = [row for row in rows if _fits(row, choice)]
    settings = dict.fromkeys(_setting(row) for row in left)
    if rows and not left:
        raise UsageError(
            "no result fits the choice of device, engine, precision and threads",
            f"there are: {'; '.join(dict.fromkeys(_told(row) for row in rows))}",
        )
    if len(settings) > 1:
        raise UsageError(
            f"the results are of {len(settings)} settings, which one column can't mix: "
            + "; ".join(dict.fromkeys(_told(row) for row in left)),
            "choose with --device, --engine, --precision or --threads",
        )
    return left


def _fits(row: RowSummary, choice: Choice) -> bool:
    return all(
        wanted is None or wanted == found
        for wanted, found in (
            (choice.device, row.device),
            (choice.engine, row.engine),
            (choice.precision, row.precision),
            (choice.threads, row.threads),
        )
    )


def _setting(row: RowSummary) -> tuple[object, ...]:
    return row.device, row.engine, row.precision, row.threads


def _told(row: RowSummary) -> str:
    threads = "1 thread" if row.threads == 1 else f"{row.threads} threads"
    return f"{row.device}, {row.engine}, {row.precision}, {threads}"
