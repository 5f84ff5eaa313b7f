"""The adb that would be used, the server that runs and its phones; no server is ever started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asymm_deploy.doctor import adb_and_phones

if TYPE_CHECKING:
    from collections.abc import Callable

    from asymm_deploy.doctor.checklist import Check
    from tests.doctor.conftest import Machine, Server

    Start = Callable[[dict[str, bytes]], Server]

ADB = ("Android Debug Bridge version 1.0.41", "Version 36.0.0-13206524")
OLD_ADB = ("Android Debug Bridge version 1.0.39",)


def answer(text: str) -> bytes:
    return f"OKAY{len(text):04x}{text}".encode()


def by_name(machine: Machine) -> dict[str, Check]:
    return {check.name: check for check in adb_and_phones.adb_checks(machine.environment)}


@pytest.fixture(autouse=True)
def only_path(monkeypatch: pytest.MonkeyPatch, machine: Machine, free_port: int) -> None:
    """No adb but PATH's, and no server but the test's."""
    path = machine.folder / "bin" / "adb"
    monkeypatch.setattr(adb_and_phones, "adb_binaries", lambda: [path] if path.exists() else [])
    machine.variables["ANDROID_ADB_SERVER_PORT"] = str(free_port)


def test_without_adb_it_says_where_to_get_one(machine: Machine) -> None:
    found = by_name(machine)["adb"]
    assert (found.status, found.need) == ("missing", "phone")
    assert "adbutils" in found.to_do


def test_an_adb_that_is_none_is_wrong(machine: Machine) -> None:
    machine.program("adb", "hello")
    found = by_name(machine)["adb"]
    assert (found.status, found.found) == ("wrong", "1 that can't be started")


def test_without_a_server_none_is_started(machine: Machine) -> None:
    path = machine.program("adb", *ADB)
    path.write_text(path.read_text().replace("#!/bin/sh\n", '#!/bin/sh\necho "$@" >>"$0.log"\n'))
    found = by_name(machine)
    assert (found["adb"].status, found["adb"].found) == ("ok", f"{path}, version 1.0.41")
    assert found["adb server"].status == "ok"
    assert found["adb server"].found.startswith("none runs at ")
    assert (found["phone"].status, "devices" in found["phone"].to_do) == ("unknown", True)
    assert Path(f"{path}.log").read_text() == "version\n"


def test_a_server_tells_its_phones(machine: Machine, adb_server: Start) -> None:
    machine.program("adb", *ADB)
    server = adb_server(
        {
            "host:version": answer("0029"),
            "host:devices-l": answer(
                "99091FFAZ001AB         device product:flame model:Pixel_4 transport_id:1\n"
                "0123456789             unauthorized usb:1-3 transport_id:2\n"
                "8A3X0N5QK              no permissions (user jo is not in the plugdev group); "
                "see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:3\n"
            ),
        }
    )
    machine.variables["ANDROID_ADB_SERVER_PORT"] = str(server.port)
    found = by_name(machine)
    assert (found["adb"].status, found["adb server"].status) == ("ok", "ok")
    assert found["adb server"].found == f"version 41 at localhost:{server.port}"
    ready = found["phone 99091FFAZ001AB"]
    assert (ready.status, ready.found, ready.to_do) == ("ok", "Pixel_4", "")
    shy = found["phone 0123456789"]
    assert (shy.status, shy.need) == ("wrong", "option")
    assert "Allow USB debugging" in shy.to_do
    closed = found["phone 8A3X0N5QK"]
    assert closed.found.endswith("(user jo is not in the plugdev group)")
    assert server.requests == ["host:version", "host:devices-l"]


def test_a_phone_that_is_the_only_one_must_be_ready(machine: Machine, adb_server: Start) -> None:
    answers = {"host:version": answer("0029"), "host:devices-l": answer("A1\toffline\n")}
    machine.variables["ANDROID_ADB_SERVER_PORT"] = str(adb_server(answers).port)
    found = by_name(machine)["phone A1"]
    assert (found.status, found.need) == ("wrong", "phone")


def test_a_server_without_phones(machine: Machine, adb_server: Start) -> None:
    answers = {"host:version": answer("0029"), "host:devices-l": answer("")}
    machine.variables["ANDROID_ADB_SERVER_PORT"] = str(adb_server(answers).port)
    found = by_name(machine)["phone"]
    assert (found.status, found.found) == ("missing", "none is attached")


def test_an_adb_of_another_version_is_not_used(machine: Machine, adb_server: Start) -> None:
    machine.program("adb", *OLD_ADB)
    answers = {"host:version": answer("0029"), "host:devices-l": answer("")}
    machine.variables["ANDROID_ADB_SERVER_PORT"] = str(adb_server(answers).port)
    found = by_name(machine)["adb"]
    assert (found.status, "1.0.39" in found.found) == ("wrong", True)
    assert "of version 41" in found.to_do


def test_of_several_the_one_of_the_servers_version_is_used(
    machine: Machine, adb_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = machine.program("adb", *OLD_ADB), machine.program("adb2", *ADB)
    monkeypatch.setattr(adb_and_phones, "adb_binaries", lambda: [old, new])
    assert by_name(machine)["adb"].found == f"{old}, version 1.0.39"
    answers = {"host:version": answer("0029"), "host:devices-l": answer("")}
    machine.variables["ANDROID_ADB_SERVER_PORT"] = str(adb_server(answers).port)
    found = by_name(machine)["adb"]
    assert (found.status, found.found) == ("ok", f"{new}, version 1.0.41")


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400", b"FAIL0004what", b"", b"OKAY-001", b"OKAY0004\xff"]
)
def test_what_is_no_adb_server_is_wrong(machine: Machine, adb_server: Start, said: bytes) -> None:
    machine.variables["ANDROID_ADB_SERVER_PORT"] = str(adb_server({"host:version": said}).port)
    found = by_name(machine)
    assert found["adb server"].status == "wrong"
    assert found["phone"].status == "unknown"


def test_a_server_elsewhere_must_answer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adb_and_phones, "_ask", lambda *_: None)
    machine.variables["ADB_SERVER_SOCKET"] = "tcp:bench-pi:5037"
    found = by_name(machine)["adb server"]
    assert (found.status, found.found) == ("missing", "none answers at bench-pi:5037")
    assert "adb -a nodaemon server" in found.to_do


def test_an_address_that_can_not_be_used_is_wrong(machine: Machine) -> None:
    machine.variables["ADB_SERVER_SOCKET"] = "localfilesystem:/x\x1b"
    found = by_name(machine)["adb server"]
    assert found.status == "wrong"
    assert "\x1b" not in found.found
    assert "tcp:HOST:PORT" in found.to_do
