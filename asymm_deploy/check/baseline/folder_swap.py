"""A baseline's folder is replaced as a whole, or stays as it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.files import followed, is_full


@contextmanager
def swapped(folder: Path, *, keeping: Sequence[str]) -> Iterator[Path]:
    """Yield a new folder that takes the place of ``folder`` once all went well.

    It begins with copies of the entries in ``keeping``. If anything fails, ``folder`` is as it was;
    a crash between the two renames leaves it beside its place, as FOLDER.former.XXXX. ``folder`` is
    as ``real_place`` returned it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    except OSError as error:
        raise cant_write(folder, error) from error
    try:
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


def real_place(folder: Path) -> Path:
    """Return where ``folder`` leads, so that a link stays one and ``.`` has a name."""
    try:
        return followed(folder)
    except OSError as error:
        raise UsageError(f"can't read {folder}: {error.strerror}", "give another folder") from error


def cant_write(folder: Path, error: OSError) -> DeployError:
    """Return what to raise if the folder can't be written."""
    return (HarnessError if is_full(error) else UsageError)(
        f"can't write the baseline {folder}: {error.strerror or error}",
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
    shutil.rmtree(former, ignore_errors=True)
