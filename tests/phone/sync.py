"""adb's file service, versions 1 and 2, within the phone's folder."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.phone.transport import ClosedError, Stream

_REQUEST = struct.Struct("<4sI")
_STAT_V1 = struct.Struct("<4sIII")
_STAT_V2 = struct.Struct("<4sIQQIIIIQqqq")
_DENT_V1 = struct.Struct("<4sIIII")
_DENT_V2 = struct.Struct("<4sIQQIIIIQqqqI")
_MAX_DATA = 64 * 2**10
_MAX_PATH = 1024
_FEATURE_OF = {
    b"STA2": "stat_v2",
    b"LST2": "stat_v2",
    b"LIS2": "ls_v2",
    b"SND2": "sendrecv_v2",
    b"RCV2": "sendrecv_v2",
}


class Locate(Protocol):
    """Takes a phone's path, returns where it lies here; OSError if it leads out of the phone."""

    def __call__(self, path: str, *, follow: bool) -> Path: ...


class RefusedError(Exception):
    """The transfer fails; the message is adbd's own."""


@dataclass
class Disk:
    """What the file service needs from the phone."""

    locate: Locate
    before_create: Callable[[str], None]
    """Called before a file is made; raises RefusedError where it can't be."""
    before_write: Callable[[int], None]
    """Called with the length of each piece; raises RefusedError where it doesn't fit."""
    mode: Callable[[int], int]
    """Takes the mode that a file should get, returns the one it does get."""


async def serve(stream: Stream, disk: Disk, features: frozenset[str]) -> None:
    """Answer requests until QUIT or the end."""
    session = _Session(stream, disk)
    while True:
        request, length = _REQUEST.unpack(await stream.read_exactly(_REQUEST.size))
        if request == b"QUIT" or length > _MAX_PATH:
            return
        path = (await stream.read_exactly(length)).decode(errors="surrogateescape")
        handler = {
            b"STAT": session.stat_v1,
            b"STA2": session.stat_v2,
            b"LST2": session.lstat_v2,
            b"LIST": session.list_v1,
            b"LIS2": session.list_v2,
            b"SEND": session.send_v1,
            b"SND2": session.send_v2,
            b"RECV": session.receive,
            b"RCV2": session.receive_v2,
        }.get(request)
        if handler is None or _FEATURE_OF.get(request) not in {None, *features}:
            await session.fail(f"unknown command {request.decode(errors='replace')}")
            return
        await handler(path)


@dataclass
class _Session:
    stream: Stream
    disk: Disk

    async def fail(self, reason: str) -> None:
        await self.stream.write(_REQUEST.pack(b"FAIL", len(reason.encode())) + reason.encode())

    async def stat_v1(self, path: str) -> None:
        _code, found = self._stat(path, follow=False)
        fields = (0, 0, 0)  # nothing there, or not to be seen
        if found:
            fields = (found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))
        await self.stream.write(_STAT_V1.pack(b"STAT", *fields))

    async def stat_v2(self, path: str) -> None:
        await self.stream.write(_STAT_V2.pack(b"STA2", *self._fields(path, follow=True)))

    async def lstat_v2(self, path: str) -> None:
        await self.stream.write(_STAT_V2.pack(b"LST2", *self._fields(path, follow=False)))

    async def list_v1(self, path: str) -> None:
        for name in self._names(path):
            _code, found = self._stat(f"{path}/{name}", follow=False)
            if found:
                encoded = os.fsencode(name)
                size = found.st_size & 0xFFFFFFFF
                fields = (found.st_mode, size, int(found.st_mtime), len(encoded))
                await self.stream.write(_DENT_V1.pack(b"DENT", *fields) + encoded)
        await self.stream.write(_DENT_V1.pack(b"DONE", 0, 0, 0, 0))

    async def list_v2(self, path: str) -> None:
        for name in self._names(path):
            encoded = os.fsencode(name)
            fields = self._fields(f"{path}/{name}", follow=False)
            await self.stream.write(_DENT_V2.pack(b"DNT2", *fields, len(encoded)) + encoded)
        await self.stream.write(_DENT_V2.pack(b"DONE", *[0] * 12))

    async def send_v1(self, path_and_mode: str) -> None:
        path, _, mode = path_and_mode.rpartition(",")
        await self._take(path, int(mode))

    async def send_v2(self, path: str) -> None:
        request, mode, flags = struct.unpack("<4sII", await self.stream.read_exactly(12))
        if request != b"SND2" or flags:
            await self.fail("no compression here")
            raise ClosedError
        await self._take(path, mode)

    async def receive_v2(self, path: str) -> None:
        await self.stream.read_exactly(8)
        await self.receive(path)

    async def receive(self, path: str) -> None:
        try:
            place = self.disk.locate(path, follow=True)
            if not place.stat().st_mode & stat.S_IRUSR:  # root would be let in
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            with place.open("rb") as file:
                while data := file.read(_MAX_DATA):
                    await self.stream.write(_REQUEST.pack(b"DATA", len(data)) + data)
        except OSError as error:
            await self.fail(f"open failed: {os.strerror(error.errno or errno.EIO)}")
            return
        await self.stream.write(_REQUEST.pack(b"DONE", 0))

    async def _take(self, path: str, mode: int) -> None:
        """Receive a file; after a refusal go on receiving its pieces, as adbd does."""
        refused: str | None = None
        file = None
        try:
            try:
                self.disk.before_create(path)
                place = self.disk.locate(path, follow=False)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                file = place.open("xb", buffering=0)
            except OSError as error:
                refused = f"couldn't create file: {os.strerror(error.errno or errno.EIO)}"
            except RefusedError as error:
                refused = str(error)
            while True:
                request, value = _REQUEST.unpack(await self.stream.read_exactly(8))
                if request == b"DONE":
                    break
                if request != b"DATA" or value > _MAX_DATA:
                    raise ClosedError
                data = await self.stream.read_exactly(value)
                if refused is None and file is not None:
                    try:
                        self.disk.before_write(len(data))
                        file.write(data)
                    except RefusedError as error:
                        refused = str(error)
        finally:
            if file is not None:
                file.close()
        if refused is None:
            place.chmod(self.disk.mode(_for_all(mode)))
            os.utime(place, (value, value))
            await self.stream.write(_REQUEST.pack(b"OKAY", 0))
        else:
            if file is not None:
                place.unlink(missing_ok=True)
            await self.fail(refused)

    def _stat(self, path: str, *, follow: bool) -> tuple[int, os.stat_result | None]:
        try:
            return 0, self.disk.locate(path, follow=follow).stat(follow_symlinks=follow)
        except OSError as error:
            return error.errno or errno.EIO, None

    def _fields(self, path: str, *, follow: bool) -> tuple[int, ...]:
        code, found = self._stat(path, follow=follow)
        if found is None:
            return (code, *[0] * 10)
        times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
        owner = (found.st_mode, found.st_nlink, 2000, 2000)
        return (0, found.st_dev, found.st_ino, *owner, found.st_size, *times)

    def _names(self, path: str) -> list[str]:
        try:
            place = self.disk.locate(path, follow=True)
            return sorted({".", "..", *(entry.name for entry in place.iterdir())})
        except OSError:
            return []


def _for_all(mode: int) -> int:
    """Give group and others what the owner has, as adbd does."""
    owner = mode & stat.S_IRWXU
    return owner | owner >> 3 | owner >> 6
