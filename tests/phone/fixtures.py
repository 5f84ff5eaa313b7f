"""Fixtures for tests against a phone: import them by name into a ``conftest.py``."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.phone.phone import Phone
from tests.phone.profiles import PIXEL_4, Profile
from tests.phone.runner import make_runner
from tests.phone.server import AdbServer


def missing() -> str | None:
    """Return why there can be no simulated phone here; None where there can."""
    if importlib.util.find_spec("adbutils") is None:
        return "adbutils, which ships adb, is not installed"
    if sys.platform != "linux":
        return "the simulated phone rests on Linux: /proc, setsid, sockets that refuse for a while"
    if shutil.which("setsid") is None:
        return "the simulated phone needs setsid of util-linux"
    return None


@pytest.fixture(scope="session")
def kept_server() -> Iterator[AdbServer]:
    """A real adb server; ``adb_server`` lends it to one test after the other."""
    if reason := missing():
        pytest.skip(reason)
    with AdbServer() as server:
        yield server


@pytest.fixture
def adb_server(kept_server: AdbServer) -> Iterator[AdbServer]:
    """A real adb server with no phone connected."""
    kept_server.start()  # unless it runs: the test before may have ended it
    yield kept_server
    kept_server.adb("disconnect")


@pytest.fixture
def new_phone(adb_server: AdbServer) -> Iterator[Callable[[Profile], Phone]]:
    """Start a phone of a profile, not yet connected."""
    with ExitStack() as stack:
        yield lambda profile: stack.enter_context(Phone(profile))


@pytest.fixture
def phone(adb_server: AdbServer, new_phone: Callable[[Profile], Phone]) -> Phone:
    """A Pixel 4 that is connected and the only device."""
    phone = new_phone(PIXEL_4)
    adb_server.connect(phone)
    return phone


@pytest.fixture
def adb_environment(adb_server: AdbServer, monkeypatch: pytest.MonkeyPatch) -> AdbServer:
    """Have adb and adbutils find the test's server, in this process and in those it starts."""
    for name, value in adb_server.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    monkeypatch.delenv("ADB_SERVER_SOCKET", raising=False)
    return adb_server


@pytest.fixture(scope="session")
def phone_runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program to push: it speaks the protocol, on MNN's wheel."""
    return make_runner(tmp_path_factory.mktemp("runner") / "runner")
