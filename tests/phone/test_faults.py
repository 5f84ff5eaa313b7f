"""Each fault of the connection and the storage, as plain adb sees it; and none when it is over."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.phone.conftest import Attached
from tests.phone.faults import (
    CarriageReturns,
    CutPush,
    CutShell,
    DiskFull,
    ExecDenied,
    Noise,
    Offline,
    ReadOnlyFolder,
    SlowLink,
    Unauthorized,
)
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, PIXEL_4, Profile
from tests.phone.server import AdbServer

TMP = "/data/local/tmp"
New = Callable[[Profile], Phone]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    return path


def state(server: AdbServer, phone: Phone) -> str:
    """The state that `adb devices` gives a phone."""
    lines = server.adb("devices").stdout.decode().splitlines()
    return dict(line.split("\t") for line in lines if "\t" in line).get(phone.serial, "not there")


def wait_for(server: AdbServer, phone: Phone, wanted: str) -> None:
    deadline = time.monotonic() + 20
    while (found := state(server, phone)) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def come_back(attached: Attached) -> None:
    """Connect again, rather than wait for the server, which tries every 3 s."""
    attached.server.adb("disconnect", attached.phone.serial)
    deadline = time.monotonic() + 20
    while b"failed" in attached.server.adb("connect", attached.phone.serial).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    wait_for(attached.server, attached.phone, "device")


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stdout + done.stderr).decode()


def test_an_unauthorized_phone_is_told_so_until_somebody_taps_allow(
    adb_server: AdbServer, new_phone: New
) -> None:
    phone = new_phone(PIXEL_4)
    phone.faults.add(Unauthorized())
    done = adb_server.adb("connect", phone.serial)
    assert done.stdout.decode().strip() == f"failed to authenticate to {phone.serial}"
    assert done.returncode == 0
    assert state(adb_server, phone) == "unauthorized"
    done = adb_server.adb("-s", phone.serial, "shell", "true")
    assert done.returncode == 1
    assert "device unauthorized." in said(done)
    phone.authorize()
    wait_for(adb_server, phone, "device")
    assert adb_server.adb("-s", phone.serial, "shell", "true").returncode == 0


def test_a_phone_that_says_nothing_is_offline(attached: Attached) -> None:
    fault = attached.phone.faults.add(Offline())
    attached.phone.cut()
    wait_for(attached.server, attached.phone, "offline")
    done = attached.shell("true")
    assert done.returncode == 1
    assert said(done) == "adb: device offline\n"
    attached.phone.faults.remove(fault)
    come_back(attached)
    attached.text("true")


def test_a_phone_that_is_away_refuses_and_keeps_its_port(attached: Attached) -> None:
    attached.phone.cut(away_s=0.5)
    attached.server.adb("disconnect", attached.phone.serial)
    done = attached.server.adb("connect", attached.phone.serial)
    assert done.returncode == 0
    assert said(done) == (f"failed to connect to '{attached.phone.serial}': Connection refused\n")
    come_back(attached)
    attached.text("true")


def test_with_two_phones_adb_wants_to_know_which(adb_server: AdbServer, new_phone: New) -> None:
    attached, other = Attached(adb_server, new_phone(PIXEL_4)), new_phone(MI_9)
    for phone in (attached.phone, other):
        adb_server.connect(phone)
    done = attached.server.adb("shell", "true")
    assert done.returncode == 1
    assert said(done) == "adb: more than one device/emulator\n"
    ask = ("shell", "getprop ro.product.model")
    assert attached.adb(*ask).stdout == b"Pixel 4\n"
    assert attached.server.adb("-s", other.serial, *ask).stdout == b"MI 9\n"
    other.cut(away_s=60)
    attached.text("true")


def test_a_cut_in_the_middle_of_a_push_fails_it_and_the_next_works(
    attached: Attached, file: Path
) -> None:
    fault = attached.phone.faults.add(CutPush(after_bytes=100_000, away_s=0.1))
    done = attached.adb("push", str(file), f"{TMP}/file")
    assert done.returncode == 1
    assert fault.happened == 1
    come_back(attached)
    assert attached.adb("push", str(file), f"{TMP}/file").returncode == 0


def test_a_cut_in_the_middle_of_a_command_is_255_and_silence(attached: Attached) -> None:
    attached.phone.faults.add(CutShell(containing="sleep", after_s=0.1, away_s=0.1))
    attached.text("echo other")
    done = attached.shell("echo before; sleep 20; echo behind")
    assert (done.stdout, done.stderr, done.returncode) == (b"before\n", b"", 255)
    come_back(attached)
    assert attached.text("echo; : sleep") == "\n"


def test_a_slow_link_is_slow(attached: Attached, file: Path) -> None:
    fault = attached.phone.faults.add(SlowLink(bytes_per_s=1_000_000, latency_s=0.01))
    start = time.monotonic()
    assert attached.adb("push", str(file), f"{TMP}/file").returncode == 0
    assert time.monotonic() - start > 0.3
    attached.phone.faults.remove(fault)
    assert attached.phone.traffic.bytes_per_s is None


def test_a_full_disk_takes_no_files_and_no_lines(attached: Attached, file: Path) -> None:
    fault = attached.phone.faults.add(DiskFull(after_bytes=100_000))
    done = attached.adb("push", str(file), f"{TMP}/file")
    assert done.returncode == 1
    assert "write failed: No space left on device" in said(done)
    assert not attached.phone.path(f"{TMP}/file").exists()
    done = attached.shell(f"seq 100 >{TMP}/lines && echo written")
    assert done.returncode != 0
    assert said(done).endswith("No space left on device\n")
    # What a script allows itself is no more than what there is.
    attached.shell(f"ulimit -f 100; sh -c 'ulimit -f 100; echo x >{TMP}/lines'")
    assert attached.phone.path(f"{TMP}/lines").read_bytes() == b""
    attached.phone.faults.remove(fault)
    attached.text(f"seq 100 >{TMP}/lines")
    assert attached.adb("push", str(file), f"{TMP}/file").returncode == 0


def test_a_read_only_folder_changes_for_nobody(attached: Attached, file: Path) -> None:
    attached.text(f"mkdir {TMP}/in; echo x >{TMP}/in/file")
    fault = attached.phone.faults.add(ReadOnlyFolder())
    done = attached.adb("push", str(file), f"{TMP}/new")
    assert done.returncode == 1
    assert "couldn't create file: Read-only file system" in said(done)
    for command in (f"mkdir {TMP}/new", f"echo y >{TMP}/in/file", f"rm {TMP}/in/file"):
        done = attached.shell(command)
        assert done.returncode != 0
        assert "Read-only file system" in said(done)
    attached.phone.faults.remove(fault)
    attached.text(f"rm -r {TMP}/in; mkdir {TMP}/new")


def test_nothing_is_executed_where_that_is_denied(attached: Attached, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    attached.adb("push", str(program), f"{TMP}/before")
    assert attached.text(f"{TMP}/before") == "ran\n"
    fault = attached.phone.faults.add(ExecDenied())
    attached.adb("push", str(program), f"{TMP}/behind")
    for place in (f"{TMP}/before", f"{TMP}/behind"):
        done = attached.shell(f"chmod 755 {place} && {place}")
        assert done.returncode == 126
        assert said(done).endswith("Permission denied\n")
    attached.phone.faults.remove(fault)
    assert attached.text(f"chmod 755 {TMP}/behind; {TMP}/behind") == "ran\n"


def test_lines_may_end_in_crlf_and_begin_with_noise(attached: Attached) -> None:
    attached.phone.faults.add(CarriageReturns())
    assert attached.text("echo a; echo b") == "a\r\nb\r\n"
    attached.phone.faults.add(Noise(text=b"WARNING: linker\n"))
    assert attached.text("echo a") == "WARNING: linker\na\r\n"
    attached.phone.faults.clear()
    assert attached.text("echo a") == "a\n"


def test_another_abi_is_told(attached: Attached) -> None:
    attached.phone.world.abilist = "armeabi-v7a,armeabi"
    assert attached.text("getprop ro.product.cpu.abi") == "armeabi-v7a\n"
    assert attached.text("getprop ro.product.cpu.abilist") == "armeabi-v7a,armeabi\n"
