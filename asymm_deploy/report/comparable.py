"""The rows that may stand in one column: measured on one device, in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which measurements to show; None leaves it open."""

    device: str | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class TimingSetting:
    """What rows must share for their latencies to be comparable."""

    device: str
    engine: str
    precision: str
    threads: int

    @property
    def threads_text(self) -> str:
        """The number of threads in words."""
        return "1 thread" if self.threads == 1 else f"{self.threads} threads"

    def __str__(self) -> str:
        return f"{self.device}, {self.engine}, {self.precision}, {self.threads_text}"


def settings(rows: Sequence[RowSummary]) -> list[TimingSetting]:
    """Return the settings of ``rows``, once each, in the order in which they appear."""
    return list(dict.fromkeys(_setting(row) for row in rows))


def fitting(rows: Sequence[RowSummary], wanted: RowFilter) -> list[RowSummary]:
    """Return the rows that ``wanted`` leaves; raise UsageError where there are rows but none fits.

    Of several settings, if ``wanted`` leaves them.
    """
    left = [row for row in rows if _fits(_setting(row), wanted)]
    if rows and not left:
        raise UsageError(
            "no result fits the choice of device, engine, precision and threads",
            f"there are: {_listed(settings(rows))}",
        )
    return left


def one_setting(rows: Sequence[RowSummary]) -> list[RowSummary]:
    """Return ``rows``; raise UsageError if they are of several settings, naming them all."""
    found = settings(rows)
    if len(found) > 1:
        raise UsageError(
            f"the results are of {len(found)} settings, which one column can't mix: "
            f"{_listed(found)}",
            "choose with --device, --engine, --precision or --threads",
        )
    return list(rows)


def _setting(row: RowSummary) -> TimingSetting:
    return TimingSetting(row.device, row.engine, row.precision, row.threads)


def _fits(setting: TimingSetting, wanted: RowFilter) -> bool:
    return (
        wanted.device in (None, setting.device)
        and wanted.engine in (None, setting.engine)
        and wanted.precision in (None, setting.precision)
        and wanted.threads in (None, setting.threads)
    )


def _listed(found: Sequence[TimingSetting]) -> str:
    return "; ".join(map(str, found))
