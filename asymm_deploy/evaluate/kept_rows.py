"""A CSV file of results that several evaluations add to: of each thing measured the newest row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.files import read_regular
from asymm_deploy.safe import csv_cell
from asymm_deploy.text import ListRow


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Such a file, by its name in a results folder."""

    name: str
    columns: tuple[str, ...]
    identity: tuple[str, ...]
    """Columns that say what was measured: of rows that are alike in them the newest is kept."""
    newer: int = 0
    """How many of the last columns files of an earlier version lack; they are empty there."""

    def read(self, results: Path) -> list[ListRow]:
        """Return the rows in a folder's file, none where there is no such file.

        Raises UsageError if it can't be read, or has other columns.
        """
        path = results / self.name
        try:
            return self.rows_in(read_regular(path), path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(
                f"can't read {path}: {error.strerror or error}",
                "move it away, or give another folder",
            ) from error

    def rows_in(self, content: bytes, path: Path) -> list[ListRow]:
        """Return the rows that the file ``path`` has in it; raise UsageError if it is not ours."""
        text = content.decode(errors="replace")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        try:
            rows: list[ListRow] = [dict(row) for row in reader]
            whole = all(None not in row and None not in row.values() for row in rows)
            names = tuple(reader.fieldnames or ())
        except csv.Error:
            rows, whole, names = [], False, ()
        if names not in {self.columns, self.columns[: len(self.columns) - self.newer]} or not whole:
            raise UsageError(
                f"{path} is damaged, or of another version of asymm-deploy",
                "move it away and repeat the command: images are not put through the model again",
            )
        return [{**dict.fromkeys(self.columns, ""), **row} for row in rows]

    def with_earlier(self, out: Path, rows: Sequence[ListRow]) -> list[ListRow]:
        """Return the file's rows of what ``rows`` are not of, and then ``rows``.

        Raises UsageError as ``read`` does.
        """
        mine = {self._which(row) for row in rows}
        return [row for row in self.read(out) if self._which(row) not in mine] + list(rows)

    def _which(self, row: ListRow) -> tuple[str | int, ...]:
        return tuple(csv_cell(row[column]) for column in self.identity)
