"""Files of one JSON record a line, which survive whatever cuts a write short.

A line is on disk before ``append_line`` returns. What a kill leaves is a last line without its
end: ``read_lines`` returns those bytes, and ``put_aside`` moves them to a file of their own. Damage
anywhere else is an error, and nothing is changed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import read_regular, require_regular
from asymm_deploy.text import counted
from asymm_deploy.versioned import DamagedError, decode_json

Record = TypeVar("Record")

_START = b'{"schema_version":'
"""How each of our lines begins, and so what is left of one that was cut short."""


@dataclass(frozen=True, slots=True)
class Lines(Generic[Record]):
    """What a file holds."""

    records: list[Record]
    torn: bytes
    """Behind the last whole line; empty if the file ends with one."""


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file and wait until it is on disk.

    Raises HarnessError if that can't be done; the file is then as it was before.
    """
    try:
        _require_ours(path)
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
            "free some space there and repeat the command: what is finished is kept",
        ) from error


def read_lines(path: Path, kind: type[Record], known_version: int) -> Lines[Record]:
    """Return what ``path`` holds, nothing if it is not there; another process may be adding to it.

    Raises UsageError if it can't be read, is damaged, or has a schema_version above
    ``known_version``.
    """
    try:
        content = read_regular(path)
    except FileNotFoundError:
        return Lines([], b"")
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror}", "move it away, or give another folder"
        ) from error
    return lines_of(content, path, kind, known_version)


def lines_of(content: bytes, path: Path, kind: type[Record], known_version: int) -> Lines[Record]:
    """Return what the ``content`` of a file holds; ``path`` is how messages call it.

    Raises UsageError as ``read_lines`` does.
    """
    lines = content.split(b"\n")
    torn = lines.pop()
    records = [
        _decoded(line, path, number, kind, known_version)
        for number, line in enumerate(lines, start=1)
    ]
    if torn.strip(b"\0") and torn[: len(_START)] != _START[: len(torn)]:
        raise _damaged(path, len(lines) + 1, "asymm-deploy did not write this line")
    return Lines(records, torn)


def put_aside(path: Path, torn: bytes) -> str:
    """Move the ``torn`` bytes that ``path`` ends with to a file beside it; return a remark on it.

    They are on disk there before they are gone here. Raises UsageError if that can't be done.
    """
    target = path.with_name(f"{path.name}.torn")
    try:
        _require_ours(target)
        with target.open("ab") as aside:
            aside.write(torn + b"\n")
            aside.flush()
            os.fsync(aside.fileno())
        with path.open("r+b") as file:
            file.seek(-len(torn), os.SEEK_END)
            file.truncate()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(
            f"can't mend {path}: {error.filename or path}: {error.strerror}",
            "move that away, or make it writable, with space left",
        ) from error
    moved = counted(len(torn), "byte")
    return f"{path} ended in the middle of a line; {moved} of it went to {target.name}"


def _require_ours(path: Path) -> None:
    """Raise OSError if something is there that is no regular file: opening a pipe may never end."""
    with suppress(FileNotFoundError):
        require_regular(path)


def _decoded(
    line: bytes, path: Path, number: int, kind: type[Record], known_version: int
) -> Record:
    try:
        return decode_json(
            line,
            kind,
            known_version,
            where=f"{path}, line {number},",
            hint="give another file in its place",
        )
    except DamagedError as error:
        raise _damaged(path, number, str(error)) from error


def _damaged(path: Path, number: int, why: str) -> UsageError:
    return UsageError(
        f"{path} is damaged in line {number}: {why}",
        "restore it as it was, or give another file in its place; nothing was changed",
    )
