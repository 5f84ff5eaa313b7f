"""A file of records in a folder that one command at a time adds to, and that it resumes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic

import msgspec

from asymm_deploy import jsonl
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import ensure_folder
from asymm_deploy.jsonl import Record
from asymm_deploy.locks import HeldError, held_alone

_OTHERWISE = "give another folder with --out"


class RecordFile(Generic[Record]):
    """The records of a file that this process holds."""

    def __init__(self, path: Path, records: Sequence[Record]) -> None:
        """Take what ``opened_records`` read."""
        self._path = path
        self._records = list(records)
        self._found = len(self._records)

    @property
    def records(self) -> tuple[Record, ...]:
        """All of them, in the order in which they were added."""
        return tuple(self._records)

    @property
    def has_grown(self) -> bool:
        """Whether anything was added since the file was opened."""
        return len(self._records) > self._found

    def add(self, record: Record) -> None:
        """Add a record; it is on disk before this returns. Raises HarnessError."""
        jsonl.append_line(self._path, msgspec.json.encode(record))
        self._records.append(record)


@contextmanager
def opened_records(
    path: Path,
    kind: type[Record],
    known_version: int,
    *,
    lock: str,
    doing: str,
    on_repair: Callable[[str], None],
    fresh: bool = False,
) -> Iterator[RecordFile[Record]]:
    """Hold ``path`` and yield what it has; ``on_repair`` gets a line on what was repaired.

    Creates the folder. ``lock`` is the name of a file in it, and ``doing`` says what another
    command does that holds it: ``counting into``. What the file has is removed before if it is to
    be ``fresh``. Raises HarnessError while one does, and
    UsageError if the file can't be written, is damaged, or is of a newer version.
    """
    ensure_folder(path.parent, "results")
    try:
        with held_alone(path.parent / lock, _OTHERWISE):
            if fresh:
                _remove(path)
            found = jsonl.read_lines(path, kind, known_version)
            if found.torn:
                on_repair(jsonl.put_aside(path, found.torn))
            yield RecordFile(path, found.records)
    except HeldError:
        raise HarnessError(
            f"another command is {doing} {path.parent}", f"wait until it is done, or {_OTHERWISE}"
        ) from None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"can't remove {path}: {error.strerror}", _OTHERWISE) from error
