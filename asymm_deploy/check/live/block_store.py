"""check-results/blocks.jsonl: which launches of runs.jsonl are a block, one line a block.

A line is written when the block's launches are on disk, also where they spoilt it. Whether it
counts is judged from its launches each time it is read, so that ``--allow`` may change. Whoever
reads it has to see that it fits these launches: lines of runs.jsonl move up where one was removed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from asymm_deploy.bench import store
from asymm_deploy.errors import HarnessError, UsageError

SCHEMA_VERSION = 1
NAME = "blocks.jsonl"


class BlockLine(msgspec.Struct, frozen=True, kw_only=True):
    """One block."""

    schema_version: int = SCHEMA_VERSION
    comparison: str
    """A hash of both model files and of all that their timings depend on."""
    attempt: int
    """Counts ``--fresh``; the highest one of a comparison is in use."""
    model: str
    series: int
    """0, or 1 where a regression is confirmed."""
    block: int
    redone: int
    """How many times this block was spoilt before, in earlier checks too."""
    order: str
    """``ABBA`` or ``BAAB``: A is the baseline."""
    launches: tuple[int, ...]
    """Lines of runs.jsonl, from 0, in that order; fewer where one of them spoilt the block."""


class Blocks:
    """The blocks of one folder, while its store is held by this process."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; a line that was cut short is removed.

        Raises UsageError where the file is damaged or of a newer version.
        """
        self._path = folder / NAME
        self._lines = _read(self._path)

    def attempt(self, comparison: str) -> int | None:
        """Return the attempt in use; None if nothing was measured yet."""
        return max((x.attempt for x in self._lines if x.comparison == comparison), default=None)

    def of(self, comparison: str, attempt: int) -> list[BlockLine]:
        """Return the blocks of this attempt that were measured before, the latest last."""
        return [x for x in self._lines if (x.comparison, x.attempt) == (comparison, attempt)]

    def add(self, line: BlockLine) -> None:
        """Add a line; return when it is on disk, raise HarnessError if that can't be."""
        store.append_line(self._path, msgspec.json.encode(line))
        self._lines.append(line)


def _read(path: Path) -> list[BlockLine]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        _cut(path, len(content) - len(torn))
    return _decoded(whole.split(b"\n") if whole else (), path)


def _decoded(lines: Sequence[bytes], path: Path) -> list[BlockLine]:
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            version = msgspec.json.decode(line, type=_Versioned).schema_version
            if version > SCHEMA_VERSION:
                raise UsageError(
                    f"{path}, line {number}, has schema_version {version}; this program knows "
                    f"{SCHEMA_VERSION}",
                    "update asymm-deploy, or give another folder with --out",
                )
            found.append(msgspec.json.decode(line, type=BlockLine))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _damaged(path, f"line {number}: {error}") from error
    return found


def _cut(path: Path, size: int) -> None:
    """Remove a line without its end; its block is measured again."""
    try:
        os.truncate(path, size)
    except OSError as error:
        raise HarnessError(
            f"can't mend {path}: {error.strerror}", "make it writable, or give another --out"
        ) from error


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is damaged: {why}", "move it away to measure anew, or give another --out"
    )


class _Versioned(msgspec.Struct):
    schema_version: int
