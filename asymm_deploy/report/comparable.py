"""Which rows may share a column: those measured on one device in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError
from asymm_deploy.text import counted


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows to show. A field that is None accepts any value."""

    device: str | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    backend: str | None = None


@dataclass(frozen=True, slots=True)
class TimingSetting:
    """What rows must have in common for their latencies to be comparable."""

    device: str
    engine: str
    precision: str
    threads: int
    build: str = ""
    """Which build of the engine it was, where its version says more than a number."""
    backend: str = "cpu"

    @property
    def threads_text(self) -> str:
        """``1 thread``, ``2 threads``, ..."""
        return counted(self.threads, "thread")

    def __str__(self) -> str:
        engine = f"{self.engine} {self.build}".rstrip()
        on = "" if self.backend == "cpu" else f" on {self.backend}"
        return f"{self.device}, {engine}{on}, {self.precision}, {self.threads_text}"


def settings(rows: Sequence[RowSummary]) -> list[TimingSetting]:
    """Return each setting of ``rows`` once, in order of appearance."""
    return list(dict.fromkeys(setting_of(row) for row in rows))


def fitting(rows: Sequence[RowSummary], wanted: RowFilter) -> list[RowSummary]:
    """Return the rows that pass ``wanted``; they may still have several settings.

    Raises UsageError if there are rows but none passes.
    """
    left = [row for row in rows if meets(setting_of(row), wanted)]
    if rows and not left:
        raise UsageError(
            "no result has the device, engine, precision, threads and back end asked for",
            f"the results have: {_listed(settings(rows))}",
        )
    return left


def one_setting(rows: Sequence[RowSummary]) -> list[RowSummary]:
    """Return ``rows``; raise UsageError, naming the settings, if they have more than one."""
    found = settings(rows)
    if len(found) > 1:
        alike = len({replace(each, build="") for each in found}) == 1
        raise UsageError(
            f"the results have {len(found)} settings, and one column can't mix them: "
            f"{_listed(found)}",
            "bench with each build of the runner into a folder of its own"
            if alike
            else "choose with --device, --engine, --precision or --threads",
        )
    return list(rows)


class HasSetting(Protocol):
    """A row of whatever kind that was measured in a setting."""

    @property
    def device(self) -> str: ...  # noqa: D102  as in RowSummary
    @property
    def engine(self) -> str: ...  # noqa: D102
    @property
    def engine_version(self) -> str | None: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def threads(self) -> int: ...  # noqa: D102


def setting_of(row: HasSetting) -> TimingSetting:
    """Return how a row was measured."""
    build = (row.engine_version or "").partition(" ")[2]
    backend = row.backend if isinstance(row, RowSummary) else "cpu"  # others know no other
    return TimingSetting(row.device, row.engine, row.precision, row.threads, build, backend)


def meets(setting: TimingSetting, wanted: RowFilter) -> bool:
    """Whether a setting passes ``wanted``."""
    return (
        wanted.device in (None, setting.device)
        and wanted.engine in (None, setting.engine)
        and wanted.precision in (None, setting.precision)
        and wanted.threads in (None, setting.threads)
        and wanted.backend in (None, setting.backend)
    )


def _listed(found: Sequence[TimingSetting]) -> str:
    return "; ".join(map(str, found))
