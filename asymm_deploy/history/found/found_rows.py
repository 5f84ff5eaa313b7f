"""Rows as they are found in results, before anybody knows which commit they are of."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from asymm_deploy.errors import UsageError
from asymm_deploy.history.history_schema import HistoryRow, TableName
from asymm_deploy.models.naming.variant_names import VARIANTS
from asymm_deploy.safe import excerpt

_ID_DIGITS = 24
"""96 bits: a million million rows share none by chance."""


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One row of a table, without what is known of the commit."""

    table: TableName
    identity: tuple[Any, ...]
    """What makes it this row and no other: told as JSON, and the same in all versions."""
    values: HistoryRow


@dataclass(slots=True)
class FoundRows:
    """What results gave, and what people should know of what they didn't."""

    rows: list[FoundRow] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def leave_out_torn(self, path: Path, torn: bytes) -> None:
        """Say that a file's last line has no end, if something is behind its last whole one."""
        if torn:
            self.remarks.append(f"{path} ends in the middle of a line, which is left out")


def row_id_of(row: FoundRow, commit: str) -> str:
    """Return the row's id at a commit; an accepted change has the same at every commit."""
    scope = "" if row.table == "accepted" else commit
    told = msgspec.json.encode([row.table, scope, *row.identity])
    return hashlib.sha256(told).hexdigest()[:_ID_DIGITS]


def variant_in(model: str) -> str | None:
    """Return which variant a model's name says that it is; None if none."""
    name = model.rpartition("@")[2]
    return name if name in VARIANTS and name != model else None


def utc_time(text: str, where: str) -> datetime.datetime:
    """Return the moment that ``text`` tells with its zone, in UTC, without it.

    Raises UsageError, with ``where``, if it is none.
    """
    try:
        time = datetime.datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"{where}: {excerpt(repr(text), 60)} is no time with a zone",
        "restore the file as it was; nothing was added",
    )
