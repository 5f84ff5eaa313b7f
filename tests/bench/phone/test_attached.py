"""Each phone that adb sees is listed with its state and what it needs, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asymm_deploy.bench.phone import attached as attached_module
from asymm_deploy.bench.phone.attached import Attached, attached
from asymm_deploy.errors import HarnessError
from tests.phone.faults import CutShell, Unauthorized
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, OLD_PHONE, PIXEL_4, Profile
from tests.phone.server import AdbServer

pytestmark = pytest.mark.usefixtures("adb_environment")


def test_a_phone_that_can_be_timed_needs_nothing(phone: Phone) -> None:
    (found,) = attached(pytest.fail)
    assert found == Attached(
        phone.serial,
        "device",
        "Pixel 4",
        "SM8150",
        "Android 13",
        "7",
        "its fastest, 2841600 kHz",
        "",
    )
    assert found.is_ready


def test_without_a_phone_the_list_is_empty(adb_server: AdbServer) -> None:
    assert attached(pytest.fail) == []


def test_a_phone_that_should_not_be_timed_is_unfit_and_says_why(phone: Phone) -> None:
    phone.world.battery_percent, phone.world.screen_on = 3, False
    (found,) = attached(pytest.fail)
    assert found.state == "unfit"
    assert not found.is_ready
    assert found.to_do == (
        "its battery is at 3 %, below 25: charge it; "
        "its screen is off: wake it with its power button"
    )
    assert (found.model, found.core) == ("Pixel 4", "7")


def test_a_phone_that_adb_may_not_use_is_not_asked(
    adb_server: AdbServer, new_phone: Callable[[Profile], Phone]
) -> None:
    shy = new_phone(MI_9)
    shy.faults.add(Unauthorized())
    adb_server.adb("connect", shy.serial)
    (found,) = attached(pytest.fail)
    assert (found.serial, found.state) == (shy.serial, "unauthorized")
    assert found.to_do.startswith("it has not authorized this computer: unlock it")
    assert (found.soc, found.system, found.core) == ("", "", "")
    assert shy.commands == []


def test_a_phone_that_goes_away_while_it_is_asked_is_offline(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached_module, "_PATIENCE_S", 0.5)
    phone.faults.add(CutShell(containing="getprop", after_s=0.0, away_s=60))
    told: list[str] = []
    (found,) = attached(told.append)
    assert found.state == "offline"
    assert "did not come back within 0.5 s" in found.to_do
    assert told[0].startswith(f"{phone.serial} is gone")


def test_each_phone_is_listed(
    phone: Phone, adb_server: AdbServer, new_phone: Callable[[Profile], Phone]
) -> None:
    others = [new_phone(profile) for profile in (MI_9, OLD_PHONE, PIXEL_4)]
    for other in others:
        adb_server.connect(other)
    found = attached(pytest.fail)
    assert {one.serial for one in found} == {phone.serial, *(other.serial for other in others)}
    assert {one.model for one in found} == {"Pixel 4", "MI 9", "Old Phone"}


def test_a_server_that_can_not_be_asked_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:192.0.2.1:9")
    with pytest.raises(HarnessError, match=r"no adb server answers at 192\.0\.2\.1:9"):
        attached(pytest.fail)
