"""A phone's disk for ``adb push``: where paths lead, and how a full or broken one refuses."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tests.phone import sync, transport
from tests.phone.faults import CutPush, DiskFull, ExecDenied, HushedPush, ReadOnlyFolder

if TYPE_CHECKING:
    from tests.phone.phone import Phone


class PhoneDisk:
    """What lies in one phone's folder, by the phone's paths."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def for_push(self) -> sync.Disk:
        """Return the disk as one transfer sees it: faults count its bytes."""
        taken = 0

        def before_create(path: str) -> None:
            if self._phone.faults.has(ReadOnlyFolder):
                raise sync.RefusedError("couldn't create file: Read-only file system")
            parent = self._locate(str(PurePosixPath(path).parent), follow=True)
            while not parent.exists():
                parent = parent.parent
            if not parent.stat().st_mode & stat.S_IWUSR:
                raise sync.RefusedError("couldn't create file: Permission denied")

        def before_write(length: int) -> None:
            nonlocal taken
            taken += length
            for full in self._phone.faults.of(DiskFull):
                if taken > full.after_bytes:
                    raise sync.RefusedError("write failed: No space left on device")
            for cut in self._phone.faults.of(CutPush):
                if taken > cut.after_bytes:
                    self._phone.faults.happened(cut)
                    self._phone.cut_soon(cut.away_s)
                    raise transport.ClosedError

            for hush in self._phone.faults.of(HushedPush):
                if taken > hush.after_bytes:
                    self._phone.faults.happened(hush)
                    self._phone.hush_soon(hush.for_s)

        return sync.Disk(
            locate=self._locate,
            before_create=before_create,
            before_write=before_write,
            mode=lambda mode: mode & 0o666 if self._phone.faults.has(ExecDenied) else mode,
        )

    def _locate(self, path: str, *, follow: bool) -> Path:
        """Return where a path leads; PermissionError where it leads out of the phone."""
        place = self._phone.world.root / os.path.normpath(f"/{path}").lstrip("/")
        real = place.resolve() if follow else place.parent.resolve() / place.name
        if not real.is_relative_to(self._phone.world.root):
            raise PermissionError(13, "Permission denied", path)
        return real
