"""A baseline's folder is replaced as a whole, or stays as it was."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from asymm_deploy.errors import DeployError, UsageError
from asymm_deploy.files import followed, unwritable

_PART = ".part"


@contextmanager
def swapped(folder: Path, *, keeping: Sequence[str]) -> Iterator[Path]:
    """Yield a new folder that takes the place of ``folder`` once all went well.

    It begins with copies of the entries in ``keeping``. If anything fails, ``folder`` is as it was;
    a crash between the two renames leaves it beside its place, as FOLDER.former.XXXX, from where
    ``recover`` takes it. ``folder`` is as ``real_place`` returned it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=_PART))
        lock = os.open(aside, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise cant_write(folder, error) from error
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        aside.chmod(0o755)  # mkdtemp lets nobody else read it
        for name in keeping:
            source = folder / name
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, aside / name, symlinks=True)
            else:
                shutil.copy2(source, aside / name, follow_symlinks=False)
        yield aside
        _take_place(aside, folder)
    except OSError as error:
        raise cant_write(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        os.close(lock)


def recover(folder: Path, is_whole: Callable[[Path], bool]) -> None:
    """Remove what a save of ``folder`` that was killed has left, and restore what it moved away.

    ``is_whole`` tells a baseline: a former one is removed only where another is in its place.
    Nothing is done while another save is at work. Raises as ``swapped``.
    """
    try:
        removed = [_is_removed(part) for part in _left(folder, f".{folder.name}.", _PART)]
        if not all(removed):
            return
        formers = _left(folder, f"{folder.name}.former.")
        for former in sorted(formers, key=lambda path: path.stat().st_ctime_ns, reverse=True):
            if not any(former.iterdir()):
                former.rmdir()
            elif is_whole(former) and not folder.exists():
                former.rename(folder)
            elif is_whole(former) and is_whole(folder):
                shutil.rmtree(_doomed(former, folder))
    except OSError as error:
        raise cant_write(folder, error) from error


def _left(folder: Path, prefix: str, suffix: str = "") -> list[Path]:
    """Return the folders beside ``folder`` that have a name as mkdtemp makes them."""
    pattern = f"{glob.escape(prefix)}{'?' * 8}{glob.escape(suffix)}"
    return [p for p in folder.parent.glob(pattern) if p.is_dir() and not p.is_symlink()]


def _is_removed(part: Path) -> bool:
    """Remove a folder that nobody fills any more; False if somebody does."""
    lock = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(part)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _doomed(former: Path, folder: Path) -> Path:
    """Rename what is to be removed, so that half of it is taken for nothing but that."""
    doomed = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=_PART))
    return former.rename(doomed)


def real_place(folder: Path) -> Path:
    """Return where ``folder`` leads, so that a link stays one and ``.`` has a name."""
    try:
        return followed(folder)
    except OSError as error:
        raise UsageError(f"can't read {folder}: {error.strerror}", "give another folder") from error


def cant_write(folder: Path, error: OSError) -> DeployError:
    """Return what to raise if the folder can't be written."""
    return unwritable(
        f"the baseline {folder}",
        error,
        "give a folder that you may write to, with space left; nothing was changed",
    )


def _take_place(aside: Path, folder: Path) -> None:
    """Rename ``aside`` to ``folder``, and remove what was there."""
    if not folder.exists():
        aside.rename(folder)
        return
    former = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.former."))
    try:
        folder.rename(former)  # which is empty, and ours
    except OSError:
        former.rmdir()
        raise
    try:
        aside.rename(folder)
    except OSError:
        former.rename(folder)
        raise
    with suppress(OSError):  # the next save removes it
        shutil.rmtree(_doomed(former, folder))
