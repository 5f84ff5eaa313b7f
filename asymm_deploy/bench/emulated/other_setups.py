"""Setups of other versions that lie beside ours: what they take, and when they may go.

Another environment on this machine may use them. So they go when nothing has counted with them for
a month, or when the user says so.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from asymm_deploy.bench.emulated.emulator_home import RECORD_FILE, emulator_home, parts_folder
from asymm_deploy.locks import scratch_folder

PRUNE_HINT = "`asymm-deploy emulator setup --prune` removes them"
_KEPT_DAYS = 30
_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class OtherSetup:
    """A setup for other sources or another version of MNN."""

    folder: Path
    size_bytes: int
    used: float
    """When it was used last, in seconds since 1970."""

    def text(self) -> str:
        """Return its name, size and last use."""
        day = date.fromtimestamp(self.used).isoformat()
        return f"{self.folder.name} ({self.size_bytes / 1e6:.0f} MB, used last on {day})"


def other_setups() -> list[OtherSetup]:
    """Return the setups that this version does not use, whole or not, the latest used first."""
    found = [
        _setup(folder)
        for folder in emulator_home().glob("mnn-*")
        if folder.is_dir() and not folder.is_symlink() and folder != parts_folder()
    ]
    return sorted(found, key=lambda each: -each.used)


def remove_setups(home: Path, prefix: str, *, all_of_them: bool) -> list[OtherSetup]:
    """Remove those that nobody uses, or all, each at once or not at all; return what has gone.

    It is for who holds the lock of ``home``. Raises OSError if one can't be removed.
    """
    unused_since = time.time() - _KEPT_DAYS * _DAY_S
    doomed = [each for each in other_setups() if all_of_them or each.used < unused_since]
    if doomed:
        with scratch_folder(home, prefix) as scratch:
            for each in doomed:
                each.folder.rename(scratch / each.folder.name)
    return doomed


def _setup(folder: Path) -> OtherSetup:
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # another one removes it
            size += path.lstat().st_size
    used = 0.0
    for path in (folder, folder / RECORD_FILE):  # the record, if there is one
        with suppress(OSError):
            used = path.lstat().st_mtime
    return OtherSetup(folder, size, used)
