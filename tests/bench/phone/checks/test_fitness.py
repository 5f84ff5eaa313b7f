"""A phone in a bad state has a problem with a name, and one in a good state has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asymm_deploy.bench.phone.checks.fitness import phone_problems
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.phone_facts import read_phone
from tests.phone.phone import Phone

MIB = 2**20


def names(link: Link, core: int | None = 7, needed_bytes: int = 0) -> set[str]:
    return {problem.name for problem in phone_problems(link, read_phone(link), core, needed_bytes)}


def test_a_good_phone_has_no_problem_and_is_not_changed(link: Link, phone: Phone) -> None:
    assert names(link) == set()
    assert list(phone.path("/data/local/tmp").iterdir()) == []
    assert phone.world.setting("stay_on_while_plugged_in") == "0"


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ({"battery_percent": 24}, "battery-low"),
        ({"battery_tenths_c": 351}, "hot"),
        ({"thermal_status": 1}, "throttled"),
        ({"low_power": True}, "power-save"),
        ({"screen_on": False}, "screen-off"),
        ({"abilist": "armeabi-v7a,armeabi"}, "no-arm64"),
    ],
)
def test_each_bad_state_has_its_name(
    link: Link, phone: Phone, state: dict[str, object], name: str
) -> None:
    for attribute, value in state.items():
        assert hasattr(phone.world, attribute)
        setattr(phone.world, attribute, value)
    assert names(link) == {name}


def test_all_problems_are_named_at_once(link: Link, phone: Phone) -> None:
    phone.world.battery_percent, phone.world.screen_on, phone.world.free_kb = 3, False, 0
    assert names(link, needed_bytes=1) == {"battery-low", "screen-off", "no-space"}


def test_only_a_limit_of_the_timed_core_is_a_problem(link: Link, phone: Phone) -> None:
    phone.world.cap(4, 710_400)
    assert names(link, core=7) == set()
    assert names(link, core=5) == {"capped-clock"}
    assert names(link, core=None) == set()
    phone.world.cap(7, 2_131_200)  # above what the slow cores can do at best
    assert names(link, core=7) == {"capped-clock"}


def test_the_space_that_is_needed_must_be_free(link: Link, phone: Phone) -> None:
    phone.world.free_kb = 2048
    assert names(link, needed_bytes=2 * MIB) == set()
    assert names(link, needed_bytes=2 * MIB + 1) == {"no-space"}
    (problem,) = phone_problems(link, read_phone(link), 7, 3 * MIB)
    assert problem.what == "it has 2 MiB left and 4 MiB are needed"


def test_a_phone_that_runs_other_programs_says_which(link: Link) -> None:
    phone = read_phone(link)
    (problem,) = phone_problems(link, replace(phone, abis=("x86_64", "x86")), 7, 0)
    assert problem.what == "it can't run arm64-v8a (only x86_64, x86)"
    (problem,) = phone_problems(link, replace(phone, abis=()), 7, 0)
    assert problem.what == "it can't run arm64-v8a (it doesn't say what it runs)"


def test_what_can_not_be_read_is_no_problem(link: Link, phone: Phone) -> None:
    phone.world.denied |= {"battery", "thermalservice", "power", "cpufreq"}
    assert names(link) == set()
