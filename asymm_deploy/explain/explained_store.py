"""What a results folder knows of operators: explained.jsonl, a line a model and device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from asymm_deploy import jsonl
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.explain.explanation import (
    EXPLAINED_NAME,
    EXPLAINED_SCHEMA_VERSION,
    Explanation,
)
from asymm_deploy.files import ensure_folder, is_special

_LOCK = ".explain.lock"


class Explained:
    """The records of a folder that this process holds."""

    def __init__(self, path: Path, records: Sequence[Explanation]) -> None:
        """Take what ``opened_explained`` read."""
        self._path = path
        self._records = list(records)
        self._found = len(self._records)

    @property
    def records(self) -> tuple[Explanation, ...]:
        """All of them, in the order in which they were made."""
        return tuple(self._records)

    @property
    def has_grown(self) -> bool:
        """Whether anything was added since the folder was opened."""
        return len(self._records) > self._found

    def add(self, record: Explanation) -> None:
        """Add a record; it is on disk before this returns. Raises HarnessError."""
        jsonl.append_line(self._path, msgspec.json.encode(record))
        self._records.append(record)


@contextmanager
def opened_explained(folder: Path, on_repair: Callable[[str], None]) -> Iterator[Explained]:
    """Hold ``folder``'s records and yield them; ``on_repair`` gets a line on what was repaired.

    Creates the folder. Raises HarnessError while another command holds them, and UsageError if they
    can't be written, or explained.jsonl is damaged or of a newer version.
    """
    ensure_folder(folder, "results")
    lock = folder / _LOCK
    if is_special(lock):
        raise UsageError(f"{lock} is no file", "remove it, or give another folder with --out")
    held = FileLock(lock, timeout=0)
    try:
        held.acquire()
    except Timeout:
        raise HarnessError(
            f"another `explain` is writing to {folder}",
            "wait until it is done, or give another folder with --out",
        ) from None
    except (OSError, NotImplementedError) as error:
        raise UsageError(
            f"can't lock {lock}: {getattr(error, 'strerror', None) or error}",
            "give another folder with --out",
        ) from error
    try:
        path = folder / EXPLAINED_NAME
        found = read_explained(path)
        if found.torn:
            on_repair(jsonl.put_aside(path, found.torn))
        yield Explained(path, found.records)
    finally:
        held.release()


def read_explained(path: Path) -> jsonl.Lines[Explanation]:
    """Return what ``path`` holds, nothing if it isn't there. Raises UsageError if it is damaged."""
    return jsonl.read_lines(path, Explanation, EXPLAINED_SCHEMA_VERSION)


def latest_explained(records: Iterable[Explanation]) -> list[Explanation]:
    """Return the last record of each model, device and precision, in the order of these three."""
    latest = {(each.model, each.device, each.precision): each for each in records}
    return [latest[which] for which in sorted(latest)]
