"""What the kernel keeps of a file in memory: dropped where it lets us, and looked at."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from contextlib import suppress
from typing import NamedTuple

from asymm_deploy.bench.runner.cores import RefusedError

_TRIES = 3
"""Pages that were used a moment ago may need a second one."""
_MAP_FAILED = ctypes.c_void_p(-1).value


class FilePages(NamedTuple):
    """The pages of a file, and how many of them are in memory."""

    whole: int
    """All of them."""
    resident: int | None
    """None where the system doesn't tell."""


def drop_from_cache(path: str) -> FilePages:
    """Ask the kernel to forget a file's pages; return what is left of them in its cache.

    No rights are needed for that. Pages that another process has mapped stay, and all pages of a
    file that lives in memory (tmpfs). Raises RefusedError if the file can't be read.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RefusedError(f"can't read the model: {error.strerror}") from error
    try:
        size = os.fstat(file).st_size
        count = -(-size // mmap.PAGESIZE)
        if sys.platform != "linux":
            return FilePages(count, None)
        with suppress(OSError):  # what is not on the disk yet can't be dropped
            os.fsync(file)
        resident = None
        for _ in range(_TRIES):
            with suppress(OSError):
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            resident = _resident(file, size)
            if not resident:
                break
        if resident and not _may_ask(file, path):
            resident = None
        return FilePages(count, resident)
    finally:
        os.close(file)


def _may_ask(file: int, path: str) -> bool:
    """Whether mincore(2) tells the truth of a file: of those of others, all pages are there."""
    user = os.geteuid()
    return user in (0, os.fstat(file).st_uid) or os.access(path, os.W_OK)


def _resident(file: int, size: int) -> int | None:
    """Return how many pages are in memory; None if it can't be told. Brings none there."""
    if size == 0:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int),
        *(ctypes.c_int, ctypes.c_long),
    )
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
    if address == _MAP_FAILED:
        return None
    try:
        pages = ctypes.create_string_buffer(-(-size // mmap.PAGESIZE))
        if libc.mincore(address, size, pages) != 0:
            return None
        return sum(byte & 1 for byte in pages.raw)
    finally:
        libc.munmap(address, size)
