"""A phone and a real adb that talks to it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.phone.fixtures import (
    adb_environment,  # noqa: F401 - fixtures are found by their names
    adb_server,  # noqa: F401
    kept_server,  # noqa: F401
    missing,
    new_phone,  # noqa: F401
    phone,  # noqa: F401
    phone_runner,  # noqa: F401
)
from tests.phone.phone import Phone
from tests.phone.profiles import OLD_PHONE, PIXEL_4, Profile
from tests.phone.server import AdbServer


def eventually(true: Callable[[], bool]) -> bool:
    """Return whether something becomes true within the time that even a busy machine needs."""
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


@dataclass(frozen=True)
class Attached:
    """A phone, and the server that it is connected to."""

    server: AdbServer
    phone: Phone

    def adb(
        self, *arguments: str, given: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return self.server.adb("-s", self.phone.serial, *arguments, input_bytes=given)

    def shell(self, command: str) -> subprocess.CompletedProcess[bytes]:
        return self.adb("shell", command)

    def text(self, command: str) -> str:
        """Return what a command prints; it must succeed."""
        done = self.shell(command)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode()


def _attached(server: AdbServer, profile: Profile) -> Iterator[Attached]:
    with Phone(profile) as started:
        server.connect(started)
        yield Attached(server, started)
    server.adb("disconnect", started.serial)


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    """A server for all tests of a module."""
    if reason := missing():
        pytest.skip(reason)
    with AdbServer() as server:
        yield server


@pytest.fixture(scope="module")
def pixel(server: AdbServer) -> Iterator[Attached]:
    """A Pixel 4 for all tests of a module, which leave it as they found it."""
    yield from _attached(server, PIXEL_4)


@pytest.fixture(scope="module")
def old(server: AdbServer) -> Iterator[Attached]:
    """A phone from before shell_v2, for all tests of a module as well."""
    yield from _attached(server, OLD_PHONE)


@pytest.fixture
def attached(server: AdbServer) -> Iterator[Attached]:
    """A Pixel 4 for this test alone, which may do harm to it."""
    yield from _attached(server, PIXEL_4)
