"""The adb server is found where adb itself would look, and no running one is ever ended."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from asymm_deploy.bench.phone import server as adb_server
from asymm_deploy.bench.phone.server import Address, Server, address
from asymm_deploy.errors import HarnessError, UsageError


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Address("localhost", 5037)),
        ({"ANDROID_ADB_SERVER_PORT": "15037"}, Address("localhost", 15037)),
        ({"ANDROID_ADB_SERVER_HOST": "lab"}, Address("lab", 5037)),
        ({"ANDROID_ADB_SERVER_ADDRESS": "lab"}, Address("lab", 5037)),
        (
            {"ANDROID_ADB_SERVER_HOST": "lab", "ANDROID_ADB_SERVER_PORT": "7"},
            Address("lab", 7),
        ),
        ({"ADB_SERVER_SOCKET": "tcp:15037"}, Address("localhost", 15037)),
        ({"ADB_SERVER_SOCKET": "tcp:10.0.0.2:15037"}, Address("10.0.0.2", 15037)),
        ({"ADB_SERVER_SOCKET": "tcp:[::1]:15037"}, Address("::1", 15037)),
        (
            {"ADB_SERVER_SOCKET": "tcp:lab:1", "ANDROID_ADB_SERVER_PORT": "2"},
            Address("lab", 1),
        ),
        ({"ADB_SERVER_SOCKET": "", "ANDROID_ADB_SERVER_PORT": ""}, Address("localhost", 5037)),
    ],
)
def test_the_address_is_what_the_environment_says(
    environment: dict[str, str], expected: Address
) -> None:
    assert address(environment) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"ADB_SERVER_SOCKET": "localfilesystem:/tmp/adb"},
        {"ADB_SERVER_SOCKET": "tcp:lab:"},
        {"ADB_SERVER_SOCKET": "tcp:99999"},
        {"ANDROID_ADB_SERVER_PORT": "abc"},
        {"ANDROID_ADB_SERVER_PORT": "-1"},
        {"ANDROID_ADB_SERVER_PORT": "٣"},
    ],
)
def test_a_place_that_can_not_be_used_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        address(environment)
    assert next(iter(environment)) in caught.value.what


def test_a_server_on_another_machine_is_never_started_here() -> None:
    with pytest.raises(HarnessError, match="no adb server answers at"):
        Server(Address("192.0.2.1", 9)).ensure()


@pytest.mark.parametrize("said", [b"HTTP/1.1 400", b"", b"OKAYzzzz", b"FAIL0004what"])
def test_what_is_no_adb_server_is_said_to_be_none(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:

        def answer() -> None:
            for _ in range(3):  # two looks whether somebody listens, and the question
                who, _ = there.accept()
                with who:
                    who.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        port = there.getsockname()[1]
        with pytest.raises(HarnessError, match=rf":{port} answers as no adb server") as caught:
            Server(Address("127.0.0.1", port)).listed()
    assert "plug" not in caught.value.hint


def test_an_adb_that_says_no_version_is_not_called_one_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(adb_server, "adb_binaries", lambda: [tmp_path / "adb"])
    server = Server(Address("localhost", 1))
    monkeypatch.setattr(server, "_answers", lambda: True)
    monkeypatch.setattr(server, "_ask", lambda request: "0029")
    with pytest.raises(HarnessError, match=r"adb does not say its version.* server's, 41") as told:
        server.push("any", tmp_path, "/data/local/tmp/x", lambda: None, 1.0)
    assert "None" not in told.value.what


def test_an_adb_of_another_version_than_the_servers_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "adb"
    other.write_text("#!/bin/sh\necho Android Debug Bridge version 1.0.39\n")
    other.chmod(0o755)
    monkeypatch.setattr(adb_server, "adb_binaries", lambda: [other])
    server = Server(Address("localhost", 1))
    monkeypatch.setattr(server, "_answers", lambda: True)
    monkeypatch.setattr(server, "_ask", lambda request: "0029")  # 41
    with pytest.raises(HarnessError, match=r"running adb server is version 41, but .* is 39"):
        server.push("any", other, "/data/local/tmp/x", lambda: None, 1.0)


def test_a_program_that_tells_no_version_has_none(tmp_path: Path) -> None:
    silent = tmp_path / "adb"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(0o755)
    assert adb_server.version_of(silent) is None
    assert adb_server.version_of(tmp_path / "missing") is None
