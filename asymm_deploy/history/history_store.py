"""A store of results over many commits: a folder of Parquet files, read as tables.

``opened_store`` compares every file with the hash that it is named by. Rows that two files have in
common (copies of a store that were merged) count once. Where several additions are of one commit,
what was measured last of each row is in use, as it is in runs.jsonl.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.history import store_files
from asymm_deploy.history.history_schema import HISTORY_TABLES, TableName
from asymm_deploy.history.missing_extra import require_history_extra
from asymm_deploy.history.resolving import resolved_table
from asymm_deploy.history.store_files import StoreFile

if TYPE_CHECKING:
    import pyarrow as pa

_LOOKS = 5
"""How often a folder is read again, if an addition put small files together meanwhile."""


class HistoryStore:
    """What a store holds; the files are read when it is made, tables when they are asked for."""

    def __init__(self, folder: Path, files: Sequence[StoreFile]) -> None:
        """Take the ``files`` of ``folder``, as ``opened_store`` read them."""
        self.folder = folder
        self.files = tuple(files)

    def table(self, name: TableName, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table with all of its columns (history_schema.py), or some, each row once.

        Raises UsageError, naming the file, if one can't be decoded.
        """
        if not self.files:
            names = list(HISTORY_TABLES[name] if columns is None else columns)
            return store_files.arrow_schema(name).empty_table().select(names)
        return resolved_table(
            name,
            lambda needed: [file.table(name, needed) for file in self.files],
            columns,
            shared=self._in_several_files,
            several=self._of_several_entries,
        )

    @cached_property
    def _in_several_files(self) -> frozenset[str]:
        """Commits of which two files have rows, which may be the same rows."""
        found = Counter(commit for file in self.files for commit in file.commits)
        return frozenset(commit for commit, count in found.items() if count > 1)

    @cached_property
    def _of_several_entries(self) -> frozenset[str]:
        """Commits to which results were added more than once."""
        entries: set[tuple[str, str]] = set()
        for file in self.files:
            found = file.table("entries", ["commit", "entry_id"])
            entries |= set(zip(*(c.to_pylist() for c in found.columns), strict=True))
        counted = Counter(commit for commit, _ in entries)
        return frozenset(commit for commit, count in counted.items() if count > 1)


def is_store(folder: Path) -> bool:
    """Whether a folder holds files named by their hashes, as nothing but a store does."""
    return folder.is_dir() and any(
        store_files.NAMED_BY_HASH.fullmatch(path.name) for path in folder.iterdir()
    )


def opened_store(folder: Path) -> HistoryStore:
    """Return the store in ``folder``; nothing in it is changed, and no lock is needed.

    Raises UsageError if there is none, or a file is damaged, of a newer program, or none of ours.
    """
    require_history_extra()
    for _ in range(_LOOKS):
        paths = store_files.store_paths(folder)
        files = _read(paths)
        if files is not None:
            return HistoryStore(folder, files)
    raise UsageError(f"the files of {folder} change all the time", "wait, and repeat the command")


def _read(paths: Iterable[Path]) -> list[StoreFile] | None:
    """Return the files, or None if one is gone: an addition put it together with others."""
    found = []
    for path in paths:
        try:
            found.append(store_files.opened_store_file(path))
        except UsageError:
            if not path.exists() and not path.is_symlink():
                return None
            raise
    return found
