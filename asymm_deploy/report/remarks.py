"""The flags column, and the notes below a table: what is missing, what failed, what flags mean."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.flags import FLAGS, gravest_first
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report.report_table import Column

FLAGS_COLUMN = Column("flags", "flags", "text", in_csv=False)
"""For people only: the CSV columns of these tables are a contract without it."""


def flags_cell(row: RowSummary) -> str:
    """Return the names of the row's flags; those accepted with ``--allow`` are marked."""
    return ", ".join(f"{name} (allowed)" if name in row.allowed else name for name in row.flags)


def untimed(measured: Sequence[RowSummary], models: int) -> list[str]:
    """Return a note of how many of a table's ``models`` have no row; none if all have one."""
    missing = models - len(measured)
    return [f"{missing} of {models} models have not been timed."] if missing else []


def in_order(rows: Sequence[RowSummary], models: Sequence[str]) -> list[RowSummary]:
    """Return the rows of ``models`` in that order; of two rows of one model, the later one."""
    by_model = {row.model: row for row in rows}
    return [by_model[model] for model in models if model in by_model]


def footnotes(rows: Sequence[RowSummary]) -> list[str]:
    """Return why rows failed, then the meaning of each flag in ``rows``, the gravest first."""
    reasons = [f"{row.model} failed: {row.reason}" for row in rows if row.reason]
    reasons += [f"{row.model}, {flag}: {words}." for row in rows for flag, words in row.words]
    found = gravest_first(name for row in rows for name in row.flags)
    return [*reasons, *(f"{name}: {FLAGS[name].meaning}." for name in found)]
