"""A real adb server for tests alone: its own port, its own keys, gone at the end."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.phone import cores, processes
from tests.phone.phone import Phone

_MARK = "ASYMM_ADB_SERVER"
_PORTS = range(15_000, 20_000)
_START_S = 20.0
_TIMEOUT_S = 60.0


def adb_path() -> str:
    """Return the adb that adbutils ships."""
    import adbutils

    path: str = adbutils.adb_path()
    return path


class AdbServer:
    """``with AdbServer() as server``: ``server.adb("devices")``, and ``server.env`` for others."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="adb-"))
        self._mark = uuid.uuid4().hex
        self.port = _free_port()
        self.env = {
            "ANDROID_ADB_SERVER_HOST": "127.0.0.1",
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            "HOME": str(self._folder),
            "ANDROID_USER_HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "ADB_MDNS": "0",
            "ADB_USB": "0",
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "0",  # look for no emulators
            _MARK: self._mark,
        }
        """Environment variables for whatever should talk to this server."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with cores.off_prime():  # it must not disturb what is timed
            self.adb("start-server", timeout_s=_START_S)

    def stop(self) -> None:
        """Kill the server, and any that a client has started in its place."""
        self.kill()
        shutil.rmtree(self._folder)

    def kill(self) -> None:
        """Kill the server's processes, as another adb of another version does."""
        processes.kill(self.pids)

    def adb(
        self, *arguments: str, input_bytes: bytes | None = None, timeout_s: float = _TIMEOUT_S
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the adb binary against this server."""
        return subprocess.run(
            [adb_path(), *arguments],
            input=input_bytes,
            stdin=subprocess.DEVNULL if input_bytes is None else None,
            capture_output=True,
            env=self.environment(),
            timeout=timeout_s,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """Return this process's environment, with the variables that make adb find this server."""
        return os.environ | self.env

    def connect(self, phone: Phone) -> str:
        """Connect to a phone and wait until it is a device; return its serial."""
        said = self.adb("connect", phone.serial).stdout.decode()
        assert f"connected to {phone.serial}" in said, said
        self.adb("-s", phone.serial, "wait-for-device")
        return phone.serial

    def pids(self) -> list[int]:
        """Return the servers that carry the mark; a test's other processes may carry it, too."""
        return [pid for pid in processes.marked(_MARK, self._mark) if _is_server(pid)]


def _is_server(pid: int) -> bool:
    with suppress(OSError):
        return b"fork-server" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
