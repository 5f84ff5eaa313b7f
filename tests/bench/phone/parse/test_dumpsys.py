"""What dumpsys says of battery, heat and screen; what it does not say for sure is unknown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asymm_deploy.bench.phone.parse import dumpsys
from asymm_deploy.bench.phone.parse.dumpsys import Battery
from tests.bench.phone.parse.conftest import NOISE, SD855, crlf, text_of


@pytest.mark.parametrize("change", [str, crlf, lambda text: NOISE + text + NOISE])
def test_the_battery_of_a_phone(change: Callable[[str], str]) -> None:
    text = change(text_of(SD855 / "battery.txt"))
    assert dumpsys.battery(text) == Battery(75, 28.0, True)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("scale: 100", "scale: 200", Battery(37, 28.0, True)),
        ("scale: 100", "scale: 0", Battery(None, 28.0, True)),
        ("  scale: 100\n", "", Battery(None, 28.0, True)),
        ("level: 75", "level: 175", Battery(None, 28.0, True)),
        ("level: 75", "level: \u0667\u0665", Battery(None, 28.0, True)),
        ("level: 75", "level: " + "9" * 5000, Battery(None, 28.0, True)),
        ("temperature: 280", "temperature: -15", Battery(75, -1.5, True)),
        ("temperature: 280", "temperature: 28000", Battery(75, None, True)),
        ("USB powered: true", "USB powered: false", Battery(75, 28.0, False)),
        ("USB powered: true", "USB powered: perhaps", Battery(75, 28.0, None)),
        (
            "USB powered: true\n",
            "USB powered: false\n  Dock powered: true\n",
            Battery(75, 28.0, True),
        ),
        ("present: true", "present: false", Battery(None, None, True)),
        (
            "state:\n",
            "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n",
            Battery(None, None, None),
        ),
    ],
)
def test_a_battery_that_does_not_tell_is_unknown(old: str, new: str, expected: Battery) -> None:
    text = text_of(SD855 / "battery.txt")
    assert old in text
    assert dumpsys.battery(text.replace(old, new)) == expected


@pytest.mark.parametrize("change", [str, crlf, lambda text: NOISE + text + NOISE])
def test_the_thermal_service_of_a_phone(change: Callable[[str], str]) -> None:
    text = change(text_of(SD855 / "thermalservice.txt"))
    assert dumpsys.thermal_status(text) == 0
    assert dumpsys.temperatures(text) == {"cpu-1-3-usr": 33.8}


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Status: 0", "Status: 3", 3),
        ("Status: 0", "Status: 7", None),
        ("Status: 0", "Status: ", None),
        ("HAL Ready: true", "HAL Ready: false", None),
        ("HAL Ready: true\n", "", None),
        ("IsStatusOverride: false", "IsStatusOverride: true", None),
    ],
)
def test_a_thermal_status_that_means_nothing_is_unknown(
    old: str, new: str, status: int | None
) -> None:
    text = text_of(SD855 / "thermalservice.txt")
    assert old in text
    assert dumpsys.thermal_status(text.replace(old, new, 1)) == status


def test_only_current_temperatures_that_a_phone_survives_count() -> None:
    text = (
        "Cached temperatures:\n"
        "\tTemperature{mValue=99.0, mType=0, mName=cached, mStatus=0}\n"
        "HAL Ready: true\n"
        "Current temperatures from HAL:\n"
        "\tTemperature{mValue=NaN, mType=0, mName=nan, mStatus=0}\n"
        "\tTemperature{mValue=-273.0, mType=0, mName=cold, mStatus=0}\n"
        "\tTemperature{mValue=4000.0, mType=0, mName=absurd, mStatus=0}\n"
        "\tTemperature{mValue=4.1, mType=6, mName=voltage, mStatus=0}\n"
        "\tTemperature{mValue=31.5, mType=3, mName=skin, mStatus=0}\n"
        "\tTemperature{mValue=30.5, mType=3, mName=skin, mStatus=0}\n"
        "Current cooling devices from HAL:\n"
        "\tTemperature{mValue=20.0, mType=0, mName=late, mStatus=0}\n"
    )
    assert dumpsys.temperatures(text) == {"skin": 31.5}


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("  mWakefulness=Awake\n", True),
        ("  mWakefulness=Asleep\n", False),
        ("  mWakefulness=Dozing\n", False),
        ("  mWakefulness=Dreaming\n", None),
        ("  mWakefulness=Dreaming\nDisplay Power: state=ON\n", True),
        ("Display Power: state=ON\n", True),
        ("Display Power: state=OFF\n", False),
        ("  mWakefulness=Awake\nDisplay Power: state=OFF\n", False),
        ("  mWakefulnessChanging=false\n", None),
        ("Can't find service: power\n", None),
        ("", None),
    ],
)
def test_the_screen_is_on_only_where_the_phone_says_so(text: str, on: bool | None) -> None:
    assert dumpsys.screen_on(text) is on
    assert dumpsys.screen_on(NOISE + crlf(text)) is on
