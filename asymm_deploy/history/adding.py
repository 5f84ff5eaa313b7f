"""Rows are added to a store: only what is new, in one file, while no other command adds."""

from __future__ import annotations

import datetime
import hashlib
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from asymm_deploy import __version__
from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.files import is_in_the_way, unwritable
from asymm_deploy.history.found.commit_facts import CommitFacts
from asymm_deploy.history.found.found_rows import FoundRow, row_id_of
from asymm_deploy.history.history_schema import HISTORY_TABLES, HistoryRow, TableName
from asymm_deploy.history.history_store import HistoryStore, opened_store
from asymm_deploy.history.resolving import united
from asymm_deploy.history.store_files import (
    LOCK_NAME,
    StoreFile,
    arrow_table,
    file_content,
    opened_store_file,
    put_file,
)
from asymm_deploy.locks import HeldError, held_alone
from asymm_deploy.safe import excerpt

_WAIT_S = 60.0
_LOOK_EVERY_S = 0.1
_ENTRY_DIGITS = 16
_LARGE = 2**17
"""Rows. A file of so many stays as it is."""
_MOST_SMALL = 32
"""Smaller files than that; the smallest are put together until they are large, for opening each one
takes milliseconds."""
_OTHERWISE = "give another folder with --store"


@dataclass(frozen=True, slots=True)
class Added:
    """What an addition brought."""

    new: dict[TableName, int]
    """How many rows of each table were not there before."""
    known: int
    """How many were."""
    shared_with: tuple[str, ...] = ()
    """Other commits that have launches with the very same samples."""
    is_of_another_branch: bool = False
    """No row is new, and that the commit is of this branch as well is kept now."""

    @property
    def count(self) -> int:
        """How many rows are new."""
        return sum(self.new.values())


def add_rows(
    folder: Path,
    rows: Iterable[FoundRow],
    facts: CommitFacts,
    source: str,
    on_wait: Callable[[str], None],
) -> Added:
    """Add those of ``rows`` that the store does not have of this commit; it is made if need be.

    If none is new, it still keeps that the commit is of a branch that it did not know. ``source``
    is the name of the folder that they are from. ``on_wait`` is told if another command
    is adding. Raises UsageError if the store can't be used, or has the commit with another time;
    HarnessError if the disk is full, or another command adds for a minute. Then all is as it was.
    """
    with _held_store(folder, on_wait) as store:
        _refuse_other_time(store, facts)
        known = _known_ids(store, facts.commit)
        by_id = {row_id_of(row, facts.commit): row for row in rows}  # of two lines the last one
        new = {row_id: row for row_id, row in by_id.items() if row_id not in known}
        counts = {name: sum(row.table == name for row in new.values()) for name in HISTORY_TABLES}
        added = Added({name: n for name, n in counts.items() if n}, len(by_id) - len(new))
        if not new:
            if not by_id or facts.branch in {None, *_branches_of(store, facts.commit)}:
                return added
            _put_together(store, [put_file(folder, _file_of({}, facts, source))])
            return Added({}, added.known, is_of_another_branch=True)
        shared = _shared_with(store, facts.commit, new.values())
        _put_together(store, [put_file(folder, _file_of(new, facts, source))])
        return Added(added.new, added.known, shared)


def merge_store(folder: Path, other: Path, on_wait: Callable[[str], None]) -> tuple[int, int]:
    """Copy what another store has, a folder or one file of it; return how many files, and known.

    A file is known if the store has all of its rows. Raises as ``add_rows`` does.
    """
    found = (opened_store_file(other),) if other.is_file() else opened_store(other).files
    with _held_store(folder, on_wait) as store:
        new: list[Path] = []
        ids: dict[TableName, set[str]] = {
            name: set(store.table(name, [_id(name)]).column(0).to_pylist())
            for name in HISTORY_TABLES
        }
        for file in found:
            fresh = False
            for name in HISTORY_TABLES:
                mine = set(file.table(name, [_id(name)]).column(0).to_pylist())
                fresh |= not mine <= ids[name]
                ids[name] |= mine
            if fresh:
                new.append(put_file(folder, file.content))
        if new:
            _put_together(store, new)
        return len(new), len(found) - len(new)


def _id(name: TableName) -> str:
    return "entry_id" if name == "entries" else "row_id"


@contextmanager
def _held_store(folder: Path, on_wait: Callable[[str], None]) -> Iterator[HistoryStore]:
    """Hold the store while it is added to, and yield what it has; wait for who else does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_in_the_way(error):
            raise UsageError(
                f"can't keep a history in {folder}: a file is in its place, or a link to nothing",
                _OTHERWISE,
            ) from error
        raise unwritable(f"a history to {folder}", error, _OTHERWISE) from error
    opened_store(folder)  # before anything is written to a folder that is another's
    until = time.monotonic() + _WAIT_S
    told = False
    while True:
        try:
            with held_alone(folder / LOCK_NAME, _OTHERWISE):
                yield opened_store(folder)
                return
        except HeldError:
            if time.monotonic() > until:
                raise HarnessError(
                    f"another command has been adding to {folder} for a minute",
                    f"wait until it is done, or {_OTHERWISE}",
                ) from None
        if not told:
            on_wait(f"another command is adding to {folder}; waiting for it")
            told = True
        time.sleep(_LOOK_EVERY_S)


def _refuse_other_time(store: HistoryStore, facts: CommitFacts) -> None:
    """Raise UsageError if the store has the commit, but never as of this time.

    Stores that were merged may have it as of several.
    """
    times = {
        when
        for file in store.files
        if facts.commit in file.commits
        for commit, when in zip(
            *(c.to_pylist() for c in file.table("entries", ["commit", "commit_time"]).columns),
            strict=True,
        )
        if commit == facts.commit
    }
    if times and facts.commit_time not in times:
        when = min(times).isoformat()
        raise UsageError(
            f"{store.folder} has commit {facts.commit} as made at {when}, and now it is said to be "
            f"of {facts.commit_time.isoformat()} (UTC)",
            f"give --time {when}+00:00, or another --commit",
        )


def _known_ids(store: HistoryStore, commit: str) -> set[str]:
    import pyarrow.compute as pc

    known: set[str] = set()
    for file in store.files:
        known.update(file.table("accepted", ["row_id"]).column(0).to_pylist())
        if commit in file.commits:
            for name in HISTORY_TABLES:
                if name not in {"entries", "accepted"}:
                    found = file.table(name, ["row_id", "commit"])
                    mine = found.filter(pc.equal(found.column("commit"), commit))
                    known.update(mine.column("row_id").to_pylist())
    return known


def _branches_of(store: HistoryStore, commit: str) -> set[str | None]:
    found = store.table("entries", ["commit", "branch"]).to_pylist()
    return {row["branch"] for row in found if row["commit"] == commit}


def _shared_with(store: HistoryStore, commit: str, rows: Iterable[FoundRow]) -> tuple[str, ...]:
    """Return the other commits that have launches with samples of ``rows``, run by run."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mine = {row.values["samples_sha256"] for row in rows if row.table == "launches"} - {None}
    wanted = pa.array(sorted(mine), pa.string())
    found: set[str] = set()
    for file in store.files if mine else ():
        launches = file.table("launches", ["commit", "samples_sha256"])
        same = launches.filter(pc.is_in(launches.column("samples_sha256"), value_set=wanted))
        found.update(same.column("commit").unique().to_pylist())
    return tuple(sorted(found - {commit}))


def _file_of(new: dict[str, FoundRow], facts: CommitFacts, source: str) -> bytes:
    told = "\n".join([facts.commit, *(sorted(new) or [f"of {facts.branch}"])])
    entry: HistoryRow = {
        "entry_id": hashlib.sha256(told.encode()).hexdigest()[:_ENTRY_DIGITS],
        **asdict(facts),
        "added_at": datetime.datetime.now(datetime.UTC).replace(tzinfo=None),
    }
    of_tables: dict[TableName, list[HistoryRow]] = {name: [] for name in HISTORY_TABLES}
    of_tables["entries"].append(
        entry
        | {
            "source": excerpt(source),
            "program": f"asymm-deploy {__version__}",
            "row_count": len(new),
        }
    )
    for row_id, row in new.items():
        of_tables[row.table].append({"row_id": row_id, **entry, **row.values})
    return file_content({name: arrow_table(name, part) for name, part in of_tables.items()})


def _put_together(store: HistoryStore, new: Sequence[Path]) -> None:
    """Make one file of many small ones, once they are too many; whoever is killed lost nothing.

    The large file is on disk before the small ones go, and rows of both count once. What was added
    is added, whether this can be done or not.
    """
    with suppress(DeployError, OSError):
        files = {file.path: file for file in (*store.files, *map(opened_store_file, new))}
        small = [
            file
            for file in files.values()
            if file.row_count < _LARGE and not file.is_of_a_newer_program
        ]
        if len(small) < _MOST_SMALL:
            return
        small.sort(key=lambda file: file.row_count)
        ends = list(accumulate(file.row_count for file in small))
        small = small[: max(2, bisect_left(ends, _LARGE) + 1)]
        large = put_file(store.folder, united_content(small))
        for file in small:
            if file.path != large:
                file.path.unlink(missing_ok=True)


def united_content(files: Sequence[StoreFile]) -> bytes:
    """Return a file of all rows of ``files``, each once."""
    return file_content(
        {name: united(name, [file.table(name) for file in files]) for name in HISTORY_TABLES}
    )
