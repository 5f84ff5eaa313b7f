"""A phone is read with a few commands; what one of them does not say is unknown."""

from __future__ import annotations

import os

import msgspec
import pytest

from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.parse.sections import Section
from asymm_deploy.bench.phone.readings import WITHIN_10_S, parse_reading, reading_commands
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.bench.records import Reading
from tests.phone.phone import Phone

NOTHING = Reading(**dict.fromkeys(Reading.__struct_fields__, None))
POLICY = "/sys/devices/system/cpu/cpufreq/policy7"


def test_a_command_that_failed_says_nothing_whatever_it_printed() -> None:
    said = {
        "max": Section("2841600\n", 1),
        "low_power": Section("0\n", 1),
        "battery": Section("/system/bin/sh: dumpsys: inaccessible or not found\n", 127),
    }
    assert parse_reading(said) == NOTHING


def test_readings_come_from_the_output_of_their_commands() -> None:
    commands = reading_commands("/sys/devices/system/cpu/cpufreq/policy7")
    said = {name: Section("", 0) for name in commands}
    said["max"] = Section("2841600\n", 0)
    said["clock"] = Section("1804800\n", 0)
    said["low_power"] = Section("1\n", 0)
    said["screen"] = Section("  mWakefulness=Asleep\n", 0)
    assert parse_reading(said) == msgspec.structs.replace(
        NOTHING, scaling_max_khz=2_841_600, clock_khz=1_804_800, power_save=True, screen_on=False
    )


def read(phone: Phone, policy_folder: str | None) -> Reading:
    """Read a simulated phone over the real adb."""
    link = Link(Server(address(os.environ)), phone.serial, patience_s=20, tell=print)
    return parse_reading(link.run_sections(reading_commands(policy_folder)))


@pytest.mark.usefixtures("adb_environment")
def test_a_phone_is_read_as_it_is(phone: Phone) -> None:
    phone.world.battery_percent, phone.world.battery_tenths_c = 42, 311
    phone.world.thermal_status = 2
    phone.world.screen_on = False
    phone.world.low_power = True
    phone.world.cap(7, 1_401_600)
    assert read(phone, POLICY) == Reading(
        battery_percent=42,
        battery_c=31.1,
        thermal_status=2,
        power_save=True,
        screen_on=False,
        scaling_max_khz=1_401_600,
        clock_khz=825_600,
    )


@pytest.mark.usefixtures("adb_environment")
@pytest.mark.parametrize(
    ("denied", "unknown"),
    [
        ("battery", {"battery_percent", "battery_c"}),
        ("thermalservice", {"thermal_status"}),
        ("power", {"screen_on"}),
        ("cpufreq", {"scaling_max_khz", "clock_khz"}),
    ],
)
def test_what_a_phone_refuses_to_tell_is_unknown(
    phone: Phone, denied: str, unknown: set[str]
) -> None:
    phone.world.denied.add(denied)
    told = msgspec.structs.asdict(read(phone, POLICY))
    assert {name for name, value in told.items() if value is None} == unknown


@pytest.mark.usefixtures("adb_environment")
def test_without_a_policy_the_clock_is_not_asked_for(phone: Phone) -> None:
    told = read(phone, None)
    assert (told.scaling_max_khz, told.clock_khz) == (None, None)
    assert told.battery_percent == 75
    assert not any("scaling" in command for command in phone.commands)


def test_a_settings_service_that_hangs_is_given_ten_seconds() -> None:
    assert reading_commands(None)["low_power"].startswith(f"{WITHIN_10_S} settings ")
