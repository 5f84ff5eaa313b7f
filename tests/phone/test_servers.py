"""Servers know nothing of each other, may be killed, and leave nothing behind; nor do phones."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.phone.conftest import Attached, eventually
from tests.phone.fake_server import NO_PERMISSIONS, REFUSAL, SERIAL, FakeServer
from tests.phone.fixtures import missing
from tests.phone.phone import Phone
from tests.phone.server import AdbServer, adb_path

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_servers_phones_are_its_own(attached: Attached) -> None:
    with AdbServer() as other:
        assert other.adb("devices").stdout.split(b"\n", 1)[1].strip() == b""
    attached.text("true")


def test_no_port_is_one_where_adb_looks_for_emulators_or_its_default_server() -> None:
    server, phone = AdbServer(), Phone()
    assert server.port != 5037
    assert not {server.port, phone.port} & set(range(5555, 5586))
    phone.stop()
    server.stop()


def test_others_find_the_server_by_the_environment(
    adb_environment: AdbServer, phone: Phone
) -> None:
    import adbutils

    assert [device.serial for device in adbutils.AdbClient().device_list()] == [phone.serial]
    said = subprocess.run([adb_path(), "shell", "id", "-u"], capture_output=True, check=True)
    assert said.stdout == b"2000\n"


def test_keys_are_private_to_the_server(attached: Attached) -> None:
    home = Path(attached.server.env["HOME"])
    assert list(home.rglob("adbkey"))
    assert home != Path(os.environ["HOME"])


def test_a_killed_server_loses_its_phones_and_a_client_starts_another(attached: Attached) -> None:
    attached.server.kill()
    assert not listens(attached.server.port)
    done = attached.server.adb("devices")
    assert b"daemon started successfully" in done.stdout + done.stderr
    assert attached.phone.serial.encode() not in done.stdout
    attached.server.connect(attached.phone)
    attached.text("true")


def test_a_server_that_a_client_has_started_is_ended_too() -> None:
    with AdbServer() as server:
        server.kill()
        server.adb("start-server")
        assert listens(server.port)
    assert not listens(server.port)


def test_a_command_whose_server_is_killed_ends(attached: Attached) -> None:
    with subprocess.Popen(
        [adb_path(), "-s", attached.phone.serial, "shell", "echo on; sleep 100"],
        env=attached.server.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"on\n"
        attached.server.kill()
        assert client.wait(20) == 255


def test_nothing_is_left_of_a_phone_that_is_switched_off_in_the_middle_of_things() -> None:
    threads = set(threading.enumerate())
    files = open_files()
    with AdbServer() as server, ExitStack() as held:
        phone = held.enter_context(Phone())
        server.connect(phone)
        detached = "setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null &"
        server.adb("-s", phone.serial, "shell", detached)
        with subprocess.Popen(
            [adb_path(), "shell", "echo on; sleep 1000 & while :; do echo; done"],
            env=server.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ):
            root = phone.world.root
            assert eventually(lambda: len(phone.processes()) == 3)
            held.close()
            assert phone.processes() == []
            assert not listens(phone.port)
            assert not root.exists()
    assert not listens(server.port)
    assert not Path(server.env["HOME"]).exists()
    assert set(threading.enumerate()) == threads
    assert open_files() == files


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_no_permissions_is_what_a_server_may_tell() -> None:
    with FakeServer(NO_PERMISSIONS) as server:

        def adb(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [adb_path(), *arguments],
                env=os.environ | server.env,
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )

        assert adb("devices", "-l").stdout == f"List of devices attached\n{NO_PERMISSIONS}\n"
        done = adb("-s", SERIAL, "shell", "true")
        assert done.returncode == 1
        assert done.stderr.strip() == f"adb: {REFUSAL}"
