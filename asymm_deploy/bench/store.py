"""results/runs.jsonl: one line a launch, on disk as soon as it ends, whatever happens then.

A write that was cut short leaves a line without its end; the next bench puts it aside and goes on.
Anything else that is not ours stops it, with nothing changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
from filelock import FileLock, Timeout

from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.bench.records import SCHEMA_VERSION, LaunchRecord
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import ensure_folder

NAME = "runs.jsonl"
TORN = "runs.jsonl.torn"
_LOCK, _HOLDER = ".bench.lock", ".bench.holder"
_START = b'{"schema_version":'
"""How each of our lines begins, and so what is left of one that was cut short."""


class Journal(Protocol):
    """Records that can be read and added to."""

    @property
    def records(self) -> tuple[LaunchRecord, ...]:
        """All of them, in the order in which they were added."""
        ...

    def append(self, record: LaunchRecord) -> None:
        """Add a record; return when it is on disk, raise HarnessError if that can't be."""
        ...


class Runs:
    """The records of one results folder, while this process is the only one to add to them."""

    def __init__(self, path: Path, records: list[LaunchRecord]) -> None:
        self._path = path
        self._records = records

    @property
    def records(self) -> tuple[LaunchRecord, ...]:
        """All of them, in the order of the file."""
        return tuple(self._records)

    def append(self, record: LaunchRecord) -> None:
        """Add a line and wait until it is on disk.

        Raises HarnessError if that can't be done, with the file as it was before.
        """
        append_line(self._path, msgspec.json.encode(record))
        self._records.append(record)


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file and wait until it is on disk.

    Raises HarnessError if that can't be done, with the file as it was before.
    """
    try:
        with path.open("ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                rest = line + b"\n"
                while rest:
                    rest = rest[file.write(rest) or 0 :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise HarnessError(
            f"can't add to {path}: {error.strerror}",
            "make room there and give the same command again: it goes on where it stopped",
        ) from error


@contextmanager
def opened(folder: Path, on_repair: Callable[[str], None]) -> Iterator[Runs]:
    """Hold ``folder`` and yield its records; ``on_repair`` is told in a line what was mended.

    Creates the folder. Raises HarnessError while another bench holds it, and UsageError if it
    can't be written or its runs.jsonl is damaged or of a newer version.
    """
    ensure_folder(folder, "results")
    with _held(folder):
        path = folder / NAME
        records, torn = _read(path)
        if torn:
            _put_aside(path, torn)
            on_repair(f"{path} ended within a line; those {len(torn)} bytes are now in {TORN}")
        yield Runs(path, records)


def load(folder: Path) -> list[LaunchRecord]:
    """Return the whole records of a results folder, while a bench may be adding to them.

    Raises UsageError if there is no runs.jsonl, or it is damaged or of a newer version.
    """
    path = folder / NAME
    if not path.exists():
        raise UsageError(f"there is no {NAME} in {folder}", "run asymm-deploy bench first")
    return _read(path)[0]


def load_file(path: Path) -> list[LaunchRecord]:
    """Return the whole records of a file like runs.jsonl, whatever it is called.

    Raises UsageError if it is not there or damaged, or of a newer version.
    """
    if not path.exists():
        raise UsageError(f"there is no {path}", "give a file that asymm-deploy bench wrote")
    return _read(path)[0]


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / _LOCK, timeout=0)
    holder = folder / _HOLDER
    try:
        lock.acquire()
    except Timeout:
        who = "another bench"
        with suppress(OSError, UnicodeDecodeError):
            who = holder.read_text(encoding="utf-8").strip() or who
        raise HarnessError(
            f"{who} is writing to {folder}", "wait for it, or give another folder with --out"
        ) from None
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(OSError):  # a courtesy to the next one; a full disk will be noticed later
            holder.write_text(f"process {os.getpid()}, since {now},\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _read(path: Path) -> tuple[list[LaunchRecord], bytes]:
    """Return the records, and the bytes behind the last whole line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], b""
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror}", "give another folder with --out"
        ) from error
    lines = content.split(b"\n")
    torn = lines.pop()
    records = [_decoded(line, path, number) for number, line in enumerate(lines, start=1)]
    if torn.strip(b"\0") and torn[: len(_START)] != _START[: len(torn)]:
        raise _damaged(path, len(lines) + 1, "it is no line of ours")
    return records, torn


def _decoded(line: bytes, path: Path, number: int) -> LaunchRecord:
    try:
        version = msgspec.json.decode(line, type=_Versioned).schema_version
        if version > SCHEMA_VERSION:
            raise UsageError(
                f"{path}, line {number}, has schema_version {version}; this program knows "
                f"{SCHEMA_VERSION}",
                "update asymm-deploy, or give another in its place",
            )
        record = msgspec.json.decode(line, type=LaunchRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(path, number, str(error)) from error
    unknown = [name for name in record.flags if name not in FLAGS]
    if unknown:
        raise UsageError(
            f"{path}, line {number}, has the flag {unknown[0]!r}, which this program doesn't know",
            "update asymm-deploy, or give another in its place",
        )
    return record


def _damaged(path: Path, number: int, why: str) -> UsageError:
    return UsageError(
        f"{path} is damaged in line {number}: {why}",
        "bring it back as it was, or give another in its place; nothing was changed",
    )


def _put_aside(path: Path, torn: bytes) -> None:
    """Move the torn bytes to a file of their own; they are there before they are gone here."""
    try:
        with path.with_name(TORN).open("ab") as aside:
            aside.write(torn + b"\n")
            aside.flush()
            os.fsync(aside.fileno())
        with path.open("r+b") as file:
            file.seek(-len(torn), os.SEEK_END)
            file.truncate()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(
            f"can't mend {path}: {error.strerror}", "make it writable, with space left"
        ) from error


class _Versioned(msgspec.Struct):
    schema_version: int
