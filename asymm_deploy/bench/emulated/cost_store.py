"""The counts of a results folder: costs.jsonl, a line a model, and how it is added to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from asymm_deploy import jsonl
from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import ensure_folder, is_special

_LOCK = ".cost.lock"


class Costs:
    """The records of a folder that this process holds."""

    def __init__(self, path: Path, records: Sequence[CostRecord]) -> None:
        """Take what ``opened_costs`` read."""
        self._path = path
        self._records = list(records)

    @property
    def records(self) -> tuple[CostRecord, ...]:
        """All of them, in the order in which they were counted."""
        return tuple(self._records)

    def add(self, record: CostRecord) -> None:
        """Add a record; it is on disk before this returns. Raises HarnessError."""
        jsonl.append_line(self._path, msgspec.json.encode(record))
        self._records.append(record)


@contextmanager
def opened_costs(
    folder: Path, on_repair: Callable[[str], None], name: str = COSTS_NAME
) -> Iterator[Costs]:
    """Hold ``folder``'s counts and yield them; ``on_repair`` gets a line on what was repaired.

    Creates the folder. ``name`` is that of the file. Raises HarnessError while another command
    holds them, and UsageError if they can't be written, or the file is damaged or of a newer
    version.
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
            f"another command is counting into {folder}",
            "wait until it is done, or give another folder with --out",
        ) from None
    except (OSError, NotImplementedError) as error:
        raise UsageError(
            f"can't lock {lock}: {getattr(error, 'strerror', None) or error}",
            "give another folder with --out",
        ) from error
    try:
        path = folder / name
        found = jsonl.read_lines(path, CostRecord, COSTS_SCHEMA_VERSION)
        if found.torn:
            on_repair(jsonl.put_aside(path, found.torn))
        yield Costs(path, found.records)
    finally:
        held.release()
