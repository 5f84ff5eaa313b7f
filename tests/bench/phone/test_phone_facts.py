"""A phone's make, chip and cores are what it says; what it does not say is not made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from asymm_deploy.bench.phone.cpufreq import FrequencyPolicy
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.phone_facts import Phone as Facts
from asymm_deploy.bench.phone.phone_facts import read_phone
from asymm_deploy.bench.records import CorePolicy, DeviceFacts
from tests.phone.faults import CarriageReturns, Noise
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, OLD_PHONE, ONEPLUS_7_PRO, PIXEL_4, Profile
from tests.phone.server import AdbServer

SM8150 = (
    FrequencyPolicy("policy0", (0, 1, 2, 3), 1785600, 1785600),
    FrequencyPolicy("policy4", (4, 5, 6), 2419200, 2419200),
    FrequencyPolicy("policy7", (7,), 2841600, 2841600),
)


@pytest.fixture
def facts_of(
    adb_server: AdbServer, new_phone: Callable[[Profile], Phone], new_link: Callable[..., Link]
) -> Callable[[Profile], Facts]:
    """Attach a phone of a profile, and ask it what it is."""

    def ask(profile: Profile) -> Facts:
        phone = new_phone(profile)
        adb_server.connect(phone)
        return read_phone(new_link(phone))

    return ask


@pytest.mark.parametrize(
    ("profile", "soc", "android"),
    [
        (PIXEL_4, "SM8150", "13"),
        (MI_9, "msmnile", "11"),  # before Android 12 there is no ro.soc.model
        (ONEPLUS_7_PRO, "SM8150", "12"),
    ],
)
def test_a_phone_is_what_it_says(
    facts_of: Callable[[Profile], Facts], profile: Profile, soc: str, android: str
) -> None:
    found = facts_of(profile)
    assert (found.soc, found.android) == (soc, android)
    assert (found.product, found.fingerprint) == (profile.model, profile.fingerprint)
    assert found.abis == ("arm64-v8a", "armeabi-v7a", "armeabi")
    assert found.cores == tuple(range(8))
    assert found.core_count == 8
    assert found.policies == SM8150
    assert found.best_core == 7


def test_a_phone_without_a_prime_core_has_its_first_fast_one(
    facts_of: Callable[[Profile], Facts],
) -> None:
    assert facts_of(OLD_PHONE).best_core == 4


@pytest.mark.parametrize("fault", [CarriageReturns(), Noise()])
def test_noise_changes_nothing(link: Link, phone: Phone, fault: CarriageReturns | Noise) -> None:
    quiet = read_phone(link)
    phone.faults.add(fault)
    assert read_phone(link) == quiet


def test_where_clocks_can_not_be_read_it_is_the_last_core(link: Link, phone: Phone) -> None:
    phone.world.denied.add("cpufreq")
    found = read_phone(link)
    assert [policy.max_khz for policy in found.policies] == [1785600, 2419200, 2841600]
    assert [policy.scaling_max_khz for policy in found.policies] == [None] * 3
    unknown = replace(found, policies=(FrequencyPolicy("policy0", (), None, None),))
    assert unknown.best_core == 7
    assert replace(unknown, cores=()).best_core is None


def test_what_a_phone_does_not_say_is_not_made_up(link: Link, phone: Phone) -> None:
    for path in (phone.world.state / "props").iterdir():
        path.unlink()
    phone.world.abilist = ""
    found = read_phone(link)
    assert (found.product, found.android, found.fingerprint) == (None, None, None)
    assert found.soc == "Qualcomm Technologies, Inc SM8150"  # /proc/cpuinfo's last line
    assert found.abis == ("arm64-v8a",)  # the kernel's word
    facts = found.facts(7)
    assert (facts.os, facts.product) == ("Android", None)


def test_a_record_has_the_clock_of_the_core_that_was_timed(link: Link) -> None:
    found = read_phone(link)
    assert found.facts(7) == DeviceFacts(
        device=link.serial,
        soc="SM8150",
        cpu_max_khz=2841600,
        cores=8,
        abi="arm64-v8a",
        os="Android 13",
        product="Pixel 4",
        fingerprint=PIXEL_4.fingerprint,
        policies=(
            CorePolicy((0, 1, 2, 3), 1785600),
            CorePolicy((4, 5, 6), 2419200),
            CorePolicy((7,), 2841600),
        ),
    )
    assert found.facts(5).cpu_max_khz == 2419200
    assert found.facts(None).cpu_max_khz is None
    assert found.policy_folder(5) == "/sys/devices/system/cpu/cpufreq/policy4"
    assert found.policy_folder(8) is None


def test_a_word_of_the_phones_is_one_printable_line(facts_of: Callable[[Profile], Facts]) -> None:
    found = facts_of(replace(PIXEL_4, model="@SUM(1)\x07", abilist="arm64-v8a, ,x\x1b"))
    assert found.product == "@SUM(1)\ufffd"
    assert found.abis == ("arm64-v8a", "x\ufffd")
