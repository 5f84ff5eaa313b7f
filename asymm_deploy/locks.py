"""A folder that one process uses at a time, and folders that don't outlive who made them for long.

Locks are held by open files, so that the system lets go of them when a process ends, however it
ends.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from asymm_deploy.errors import UsageError
from asymm_deploy.files import is_special

_LONGEST = 40
"""Of a prefix: with what is added to it the name must not become too long."""


class HeldError(Exception):
    """Another process holds the lock."""


@contextmanager
def held_alone(lock: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock file ``lock``, which is made in a folder that exists, and stays there.

    Raises HeldError while another process holds it, and UsageError with the hint ``otherwise`` if
    it can't be locked.
    """
    if is_special(lock):
        raise UsageError(f"can't lock {lock}: it is no file", f"remove it, or {otherwise}")
    held = FileLock(lock, timeout=0)
    try:
        held.acquire()
    except Timeout as error:
        raise HeldError(str(lock)) from error
    except (OSError, NotImplementedError) as error:
        raise UsageError(
            f"can't lock {lock}: {getattr(error, 'strerror', None) or error}", otherwise
        ) from error
    try:
        yield
    finally:
        held.release()


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder in ``parent``, which is removed in the end.

    Folders with this prefix that dead processes have left there are removed first, and never one
    whose maker lives. Raises OSError if no folder can be made.
    """
    prefix = prefix[:_LONGEST]
    remove_abandoned_folders(parent, prefix)
    handle, folder = _locked_folder(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _locked_folder(parent: Path, prefix: str) -> tuple[int, Path]:
    """Make a folder, locked for as long as its handle is open: somebody uses it."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        with suppress(FileNotFoundError):  # removed before it was opened
            handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            with suppress(OSError):  # a file system without locks; then it is never abandoned
                fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists():  # else it was removed before it was locked
                return handle, folder
            os.close(handle)


def remove_abandoned_folders(parent: Path, prefix: str) -> None:
    """Remove what ``scratch_folder`` has made for processes that are dead."""
    for folder in parent.glob(f"{glob.escape(prefix)}{'?' * 8}"):
        with suppress(OSError):  # locked, gone, or none of ours
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(handle).st_uid == os.geteuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
