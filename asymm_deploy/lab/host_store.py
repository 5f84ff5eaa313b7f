"""The files that clients have sent to a host: by SHA-256, whole, once for all of its phones.

Every worker process of the host uses the same folder. A file is known by its hash alone, so no name
from elsewhere is ever part of a path.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import sha256_of, written_aside
from asymm_deploy.lab.session_messages import FileAbsentError

MOST_STORED_BYTES = 8 * 2**30
"""Beyond that the files that were not used for longest go, but for those in use."""
CHUNK_BYTES = 4 * 2**20
_IDLE_S = 120.0
"""A transfer that gets no further chunk for so long was given up by its client."""
_HASH = re.compile(r"[0-9a-f]{64}\Z")


class ChunkRefusedError(HarnessError):
    """A part of a file did not arrive as it was sent; it may be sent again."""


@dataclass(slots=True)
class _Arriving:
    """A file of which the first ``size`` bytes are here."""

    aside: Path
    stack: ExitStack
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    heard_at: float = field(default_factory=time.monotonic)


class HostStore:
    """The folder of one host. Raises HarnessError where the disk fails."""

    def __init__(self, folder: Path, most_bytes: int = MOST_STORED_BYTES) -> None:
        """Take the folder, which need not exist, and how much may be in it."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._arriving: dict[tuple[str, str], _Arriving] = {}
        self._lock = threading.Lock()

    def missing(self, hashes: Iterable[str]) -> tuple[str, ...]:
        """Return those that are not here; the others count as used just now."""
        absent = []
        for sha256 in hashes:
            try:
                os.utime(self._path(sha256))
            except OSError:
                absent.append(sha256)
        return tuple(absent)

    def receive(
        self, sha256: str, sender: str, offset: int, chunk: bytes, chunk_sha256: str, size: int
    ) -> int:
        """Add a part of a file of ``size`` bytes; return how many bytes of it are here now.

        Parts come in order; one that is here already changes nothing. With the last one the file
        appears. Raises ChunkRefusedError for a part, or a whole, that is not what it should be.
        """
        target = self._path(sha256)
        if len(chunk) > CHUNK_BYTES or hashlib.sha256(chunk).hexdigest() != chunk_sha256:
            raise ChunkRefusedError("a part of it was changed on the way", "send it again")
        with self._lock:
            return self._added((sha256, sender), target, offset, chunk, size)

    def _added(
        self, key: tuple[str, str], target: Path, offset: int, chunk: bytes, size: int
    ) -> int:
        self._forget_idle()
        try:
            coming = self._arriving.get(key) or self._begin(key, target)
            if offset + len(chunk) <= coming.size and chunk:
                return coming.size
            if offset != coming.size:
                self._give_up(key)
                raise ChunkRefusedError("its parts came out of order", "send it again")
            with coming.aside.open("ab") as file:
                file.write(chunk)
            coming.digest.update(chunk)
            coming.size += len(chunk)
            coming.heard_at = time.monotonic()
            if coming.size < size:
                return coming.size
            if coming.digest.hexdigest() != target.name:
                self._give_up(key)
                raise ChunkRefusedError("its SHA-256 differs", "send it again")
            self._make_room(coming.size)
            del self._arriving[key]
            coming.stack.close()
        except OSError as error:
            self._give_up(key)
            raise HarnessError(
                f"can't keep a file in {self._folder}: {error.strerror or error}",
                "make room there, or set XDG_CACHE_HOME on that host to a folder with space left"
                if error.errno in (errno.ENOSPC, errno.EDQUOT)
                else "have the user of `lab worker` able to write there, or set XDG_CACHE_HOME on "
                "that host to another folder",
            ) from error
        return size

    @contextmanager
    def in_use(self, sha256: str) -> Iterator[Path]:
        """Yield the file's path; meanwhile nobody removes it. Its content has that hash.

        Raises FileAbsentError if it is not here.
        """
        path = self._path(sha256)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise _absent(sha256) from error
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_SH)
            if not path.exists():
                raise _absent(sha256)
            if sha256_of(path) != sha256:  # the disk, or somebody, has changed it
                path.unlink(missing_ok=True)
                raise _absent(sha256)
            yield path
        finally:
            os.close(handle)

    def _path(self, sha256: str) -> Path:
        if not _HASH.match(sha256):
            raise UsageError("that is no SHA-256", "send the hash of a file")
        return self._folder / sha256

    def _begin(self, key: tuple[str, str], target: Path) -> _Arriving:
        self._folder.mkdir(parents=True, exist_ok=True)
        stack = ExitStack()
        coming = _Arriving(stack.enter_context(written_aside(target)), stack)
        self._arriving[key] = coming
        return coming

    def _give_up(self, key: tuple[str, str]) -> None:
        coming = self._arriving.pop(key, None)
        if coming is not None:
            error = InterruptedError("given up")
            with suppress(OSError):
                coming.stack.__exit__(type(error), error, None)

    def _forget_idle(self) -> None:
        now = time.monotonic()
        for key, coming in list(self._arriving.items()):
            if now - coming.heard_at > _IDLE_S:
                self._give_up(key)

    def _make_room(self, needed: int) -> None:
        """Remove what was not used for longest, until ``needed`` bytes more are within the limit.

        What a process that was killed has left half-written goes, too, once it is that old.
        """
        there = []
        for path in self._folder.iterdir():
            with suppress(OSError):
                found = path.stat()
                if _HASH.match(path.name) or path.name.endswith(".part"):
                    there.append((found.st_mtime, found.st_size, path))
        total = needed + sum(size for _, size, path in there if _HASH.match(path.name))
        for _, size, path in sorted(there):
            if total <= self._most_bytes:
                return
            if _removed_if_unused(path) and _HASH.match(path.name):
                total -= size


def _removed_if_unused(path: Path) -> bool:
    """Remove a file unless somebody uses or writes it; return whether it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _absent(sha256: str) -> FileAbsentError:
    return FileAbsentError(f"the file {sha256[:16]} is not on that host", "send it again")
