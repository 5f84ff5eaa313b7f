"""results/runs.jsonl: one line per launch, on disk as soon as the launch ends.

A write that was cut short leaves a line without its end; the next bench puts it aside and goes on.
Anything else that is not ours stops it, with nothing changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from asymm_deploy import jsonl
from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.records import RUNS_SCHEMA_VERSION, Command, LaunchRecord
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import ensure_folder, read_regular
from asymm_deploy.jsonl import Record
from asymm_deploy.locks import HeldError, held_alone

NAME = "runs.jsonl"
_LOCK, _HOLDER = ".bench.lock", ".bench.holder"


class KnownLaunches(Protocol):
    """Records that can be read."""

    @property
    def records(self) -> tuple[LaunchRecord, ...]:
        """All records, in the order in which they were added."""
        ...


class Journal(KnownLaunches, Protocol):
    """Records that can be read and added to."""

    def append(self, record: LaunchRecord) -> None:
        """Add a record; return when it is on disk, raise HarnessError if that fails."""
        ...


class Runs:
    """The records of one results folder, while this process is the only one to add to them."""

    def __init__(self, path: Path, records: list[LaunchRecord]) -> None:
        self._path = path
        self._records = records

    @property
    def records(self) -> tuple[LaunchRecord, ...]:
        """All records, in the order of the file."""
        return tuple(self._records)

    def append(self, record: LaunchRecord) -> None:
        """Add a line and wait until it is on disk.

        Raises HarnessError if that can't be done; the file is then as it was before.
        """
        jsonl.append_line(self._path, msgspec.json.encode(record))
        self._records.append(record)


@contextmanager
def opened(folder: Path, on_repair: Callable[[str], None], by: Command) -> Iterator[Runs]:
    """Hold ``folder`` and yield its records; ``on_repair`` gets a line about what was repaired.

    Creates the folder. ``by`` is the command that will add to it. Raises HarnessError while another
    one holds it, and UsageError if it can't be written, its runs.jsonl is damaged or of a newer
    version, or it holds launches of another command.
    """

    def of_this_command(path: Path) -> jsonl.Lines[LaunchRecord]:
        found = read_runs(path)
        _refuse_others(found.records, folder, by)
        return found

    path = folder / NAME
    with lines_held(path, of_this_command, on_repair) as records:
        yield Runs(path, records)


@contextmanager
def lines_held(
    path: Path, read: Callable[[Path], jsonl.Lines[Record]], on_repair: Callable[[str], None]
) -> Iterator[list[Record]]:
    """Hold the results folder of ``path``, which is made, and yield what ``read`` finds there.

    ``read`` raises UsageError for what is damaged, and then nothing is changed. ``on_repair`` gets
    a line on what was repaired. Raises HarnessError while another bench holds it.
    """
    ensure_folder(path.parent, "results")
    with results_held(path.parent):
        found = read(path)
        if found.torn:
            on_repair(jsonl.put_aside(path, found.torn))
        yield found.records


def load(folder: Path) -> list[LaunchRecord]:
    """Return the whole records of a results folder, while a bench may be adding to them.

    Raises UsageError if there is no runs.jsonl, or it is damaged or of a newer version.
    """
    path = folder / NAME
    if not path.exists():
        raise UsageError(f"there is no {NAME} in {folder}", "run asymm-deploy bench first")
    return read_runs(path).records


def load_file(path: Path) -> list[LaunchRecord]:
    """Return the whole records of a file like runs.jsonl, whatever it is called.

    Raises UsageError if it is not there or damaged, or of a newer version.
    """
    if not path.exists():
        raise UsageError(f"there is no {path}", "give a file that asymm-deploy bench wrote")
    return read_runs(path).records


def _refuse_others(records: Sequence[LaunchRecord], folder: Path, by: Command) -> None:
    """Raise UsageError for launches of another command.

    Two versions of a model have the same name in a check, and would be one row of a bench.
    """
    other = next((r.written_by for r in records if r.written_by not in (None, by)), None)
    if other is not None:
        raise UsageError(
            f"{folder} holds the launches of a {other}, and those of a {by} must not join them",
            "give another folder with --out",
        )


def refuse_of_check(records: Sequence[LaunchRecord], path: Path, instead: str) -> None:
    """Raise UsageError for launches that a check made; ``instead`` says what to give."""
    if any(record.written_by == "check" for record in records):
        raise UsageError(
            f"{path} holds the launches of a check, in which two versions share a name", instead
        )


@contextmanager
def results_held(folder: Path) -> Iterator[None]:
    """Hold a results folder, which is there; raise HarnessError while another bench holds it."""
    holder = folder / _HOLDER
    try:
        with held_alone(folder / _LOCK, "give another folder with --out"):
            now = datetime.now(UTC).isoformat(timespec="seconds")
            with suppress(OSError):  # a courtesy to the next bench; a full disk is noticed later
                holder.unlink(missing_ok=True)  # of a bench that was killed
                holder.write_text(f"process {os.getpid()}, since {now},\n", encoding="utf-8")
            try:
                yield
            finally:
                with suppress(OSError):
                    holder.unlink(missing_ok=True)
    except HeldError:
        who = "another bench"
        with suppress(OSError, UnicodeDecodeError):
            who = read_regular(holder).decode().strip() or who
        raise HarnessError(
            f"{who} is writing to {folder}",
            "wait until it is done, or give another folder with --out",
        ) from None


def read_runs(path: Path) -> jsonl.Lines[LaunchRecord]:
    """Return what a file like runs.jsonl holds, a torn last line beside its records.

    Raises UsageError if it is damaged, of a newer version, or holds what can't have been measured.
    """
    return _known(jsonl.read_lines(path, LaunchRecord, RUNS_SCHEMA_VERSION), path)


def runs_of(content: bytes, path: Path) -> jsonl.Lines[LaunchRecord]:
    """Return what the ``content`` of a runs.jsonl holds; ``path`` is how messages call it.

    Raises UsageError as ``read_runs`` does.
    """
    return _known(jsonl.lines_of(content, path, LaunchRecord, RUNS_SCHEMA_VERSION), path)


def _known(found: jsonl.Lines[LaunchRecord], path: Path) -> jsonl.Lines[LaunchRecord]:
    refuse_strange(found.records, path)
    return found


def refuse_strange(records: Sequence[LaunchRecord], path: Path) -> None:
    """Raise UsageError for launches that can't have been measured, or have an unknown flag.

    They are those of a file's lines, in order.
    """
    plausibility.refuse_impossible(records, path)
    for number, record in enumerate(records, start=1):
        unknown = [name for name in record.flags if name not in FLAGS]
        if unknown:
            raise UsageError(
                f"{path}, line {number}, has the flag {unknown[0]!r}, which this program doesn't "
                "know",
                "update asymm-deploy, or give another file in its place",
            )
