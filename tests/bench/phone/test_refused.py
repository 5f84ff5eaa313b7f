"""A phone that should not be timed is refused before anything is, with what to do about it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from asymm_deploy import cli
from tests.bench.phone.conftest import ONCE, Bench
from tests.phone.faults import DiskFull, Offline, ReadOnlyFolder, Unauthorized
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, PIXEL_4, Profile
from tests.phone.server import AdbServer


def test_without_a_phone_there_is_a_hint(bench: Bench) -> None:
    ended = bench()
    assert ended.code == 3
    assert "error: no phone is attached" in ended.err
    assert "hint: plug one in" in ended.err


@pytest.mark.parametrize("name", ["R58M", "x;reboot", "$(reboot)", "a b", "-s", "=1+1", ""])
def test_a_serial_that_is_not_there_does_nothing_but_fail(
    bench: Bench, phone: Phone, name: str
) -> None:
    ended = bench(device=name)
    assert ended.code == 3
    assert f"hint: attached: {phone.serial}" in ended.err
    assert phone.commands == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "Connection refused"),
        ("no.such.host.invalid:5555", "failed to resolve host"),
        ("127.0.0.1:x y", "can't connect"),
    ],
)
def test_an_address_without_a_phone_says_why(bench: Bench, address: str, said: str) -> None:
    ended = bench(device=address)
    assert ended.code == 3
    assert f"error: can't connect to {address}" in ended.err
    assert said in ended.err


def test_a_phone_on_tcp_is_connected_to(
    bench: Bench, new_phone: Callable[[Profile], Phone]
) -> None:
    assert bench(*ONCE, device=new_phone(PIXEL_4).serial).code == 0


def test_a_phone_that_has_not_let_us_in_says_where_to_tap(
    bench: Bench, adb_server: AdbServer, new_phone: Callable[[Profile], Phone]
) -> None:
    phone = new_phone(PIXEL_4)
    phone.faults.add(Unauthorized())
    ended = bench(device=phone.serial)
    assert ended.code == 3
    assert "Allow USB debugging" in ended.err


def test_a_phone_that_does_not_answer_is_offline(
    bench: Bench, phone: Phone, adb_server: AdbServer
) -> None:
    phone.faults.add(Offline())
    phone.cut()
    ended = bench("--patience", "2")
    assert ended.code == 3
    assert "does not answer" in ended.err or "failed to connect" in ended.err
    assert "hint: " in ended.err


def test_of_two_phones_one_has_to_be_named(
    bench: Bench,
    phone: Phone,
    adb_server: AdbServer,
    new_phone: Callable[[Profile], Phone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = new_phone(MI_9)
    adb_server.connect(other)
    ended = bench()
    assert ended.code == 3
    assert "error: two phones attached: " in ended.err
    assert phone.serial in ended.err
    assert other.serial in ended.err
    assert "hint: pass --device " in ended.err
    monkeypatch.setenv("ANDROID_SERIAL", other.serial)
    assert {record.device for record in bench(*ONCE).lines} == {other.serial}
    monkeypatch.setenv("ANDROID_SERIAL", "R58M")
    ended = bench()
    assert ended.code == 3
    assert "ANDROID_SERIAL is R58M" in ended.err


@pytest.mark.parametrize(
    ("state", "name", "said"),
    [
        ({"battery_percent": 24}, "battery-low", "charge it"),
        ({"battery_tenths_c": 351}, "hot", "let it cool"),
        ({"thermal_status": 1}, "throttled", "let it cool"),
        ({"low_power": True}, "power-save", "power-save mode is on"),
        ({"screen_on": False}, "screen-off", "wake it"),
        ({"free_kb": 100}, "no-space", "make room"),
        ({"abilist": "armeabi-v7a,armeabi"}, "no-arm64", "64-bit"),
    ],
)
def test_each_bad_state_is_refused_unless_it_is_allowed(
    bench: Bench, phone: Phone, state: dict[str, object], name: str, said: str
) -> None:
    for attribute, value in state.items():
        assert hasattr(phone.world, attribute)
        setattr(phone.world, attribute, value)
    ended = bench()
    assert ended.code == 3
    assert "is not fit to be timed" in ended.err
    assert said in ended.err
    assert f"--allow {name}" in ended.err
    assert ended.lines == ()
    allowed = bench("--allow", name, *ONCE)
    assert allowed.code == 0, allowed.err
    assert all(name in record.allowed for record in allowed.lines)
    flagged = {name in record.flags for record in allowed.lines}
    # The last three say nothing about a time: the screen is turned on, and the rest could be done.
    assert flagged == {name not in ("screen-off", "no-space", "no-arm64")}


def test_a_clock_that_is_limited_from_the_start_is_refused(bench: Bench, phone: Phone) -> None:
    phone.world.cap(7, 2_131_200)
    ended = bench()
    assert ended.code == 3
    assert "its clock is limited to 2131200 of 2841600 kHz" in ended.err
    allowed = bench("--allow", "capped-clock", *ONCE)
    assert allowed.code == 0, allowed.err
    assert all("capped-clock" in record.flags for record in allowed.lines)


def test_a_cap_on_another_policy_is_no_matter(bench: Bench, phone: Phone) -> None:
    phone.world.cap(4, 710_400)
    assert bench(*ONCE).code == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (DiskFull(), "No space left on device"),
        (ReadOnlyFolder(), "Read-only file system"),
    ],
)
def test_a_folder_that_takes_nothing_is_named_with_the_phones_own_words(
    bench: Bench, phone: Phone, fault: DiskFull | ReadOnlyFolder, said: str
) -> None:
    phone.faults.add(fault)
    ended = bench()
    assert ended.code == 3
    assert said in ended.err
    assert "hint: " in ended.err
    assert "Traceback" not in ended.err
    phone.faults.clear()
    assert bench(*ONCE).code == 0


@contextmanager
def adb_server_that_lists(text: str) -> Iterator[int]:
    """Yield the port of a server that lists ``text`` for devices and knows nothing else."""

    def serve() -> None:
        while True:
            try:
                peer, _address = listener.accept()
            except OSError:
                return
            with peer:
                size = peer.recv(4)
                request = peer.recv(int(size, 16)) if size else b""
                answer = {b"host:devices-l": text.encode(), b"host:version": b"0029"}.get(request)
                if answer is not None:
                    peer.sendall(b"OKAY%04x" % len(answer) + answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_phone_that_the_user_may_not_open_needs_udev_rules(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (
        "0123456789ABCDEF       no permissions (missing udev rules? user is in the plugdev group; "
        "see [http://developer.android.com/tools/device.html]) usb:1-1 transport_id:1\n"
    )
    with adb_server_that_lists(line) as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        ended = bench()
        code = cli.run(["devices"])
    assert ended.code == 3
    assert "0123456789ABCDEF may not be opened by this user" in ended.err
    assert "udev rules" in ended.err
    assert code == 3
