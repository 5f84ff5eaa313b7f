"""`devices` says what is attached and what to do; servers elsewhere are found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from asymm_deploy import cli
from tests.bench.phone.conftest import Bench
from tests.phone.faults import Unauthorized
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, PIXEL_4, Profile
from tests.phone.server import AdbServer


def listed(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    capsys.readouterr()
    code = cli.run(["devices", "--format", "json"])
    return code, {row["serial"]: row for row in json.loads(capsys.readouterr().out)}


@pytest.mark.usefixtures("adb_environment")
def test_each_phone_is_listed_with_what_it_needs(
    phone: Phone,
    adb_server: AdbServer,
    new_phone: Callable[[Profile], Phone],
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty, shy = new_phone(MI_9), new_phone(PIXEL_4)
    adb_server.connect(empty)
    empty.world.battery_percent = 3
    shy.faults.add(Unauthorized())
    adb_server.adb("connect", shy.serial)
    code, rows = listed(capsys)
    assert code == 0
    ready = rows[phone.serial]
    assert (ready["state"], ready["model"], ready["soc"]) == ("device", "Pixel 4", "SM8150")
    assert (ready["system"], ready["core"], ready["to_do"]) == ("Android 13", "7", "")
    assert rows[empty.serial]["state"] == "unfit"
    assert "charge it" in rows[empty.serial]["to_do"]
    assert rows[shy.serial]["state"] == "unauthorized"
    assert "Allow USB debugging" in rows[shy.serial]["to_do"]


@pytest.mark.usefixtures("adb_environment")
def test_without_a_ready_phone_it_ends_with_3(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    phone.world.screen_on = False
    code, rows = listed(capsys)
    assert code == 3
    assert rows[phone.serial]["state"] == "unfit"


@pytest.mark.usefixtures("adb_environment")
def test_without_any_phone_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["devices"]) == 3
    assert "error: no phone is attached" in capsys.readouterr().err


@pytest.mark.usefixtures("adb_environment")
def test_nothing_is_changed_on_a_phone_that_is_only_listed(
    phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    assert cli.run(["devices"]) == 0
    assert is_clean(phone)


def test_a_server_that_another_variable_names_is_used(
    bench: Bench, phone: Phone, adb_server: AdbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{adb_server.port}")
    ended = bench()
    assert ended.code == 0, ended.err
    assert {record.device for record in ended.lines} == {phone.serial}
