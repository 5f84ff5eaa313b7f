"""A core that is not the fastest is timed only where the user wants it, and the row says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from asymm_deploy.bench.phone.attached import attached
from asymm_deploy.bench.phone.checks.prime_core import core_problem, listed_cores
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.phone_facts import read_phone
from tests.bench.phone.conftest import Bench
from tests.phone.phone import Phone
from tests.phone.profiles import OLD_PHONE, Profile
from tests.phone.server import AdbServer

CPUSET = frozenset(range(4))


def test_a_prime_core_that_a_cpuset_keeps_from_us_is_refused_unless_that_is_allowed(
    bench: Bench, phone: Phone
) -> None:
    phone.world.allowed = CPUSET
    ended = bench()
    assert ended.code == 3
    assert (
        "core 0 (1785600 kHz) would be timed, but core 7 (2841600 kHz) is faster: "
        "the phone (a cpuset) lets programs of the shell use cores 0-3 only" in ended.err
    )
    assert "or --allow not-prime-core" in ended.err
    assert ended.lines == ()
    allowed = bench("--allow", "not-prime-core")
    assert allowed.code == 0, allowed.err
    assert {record.cpu for record in allowed.lines} == {0}
    assert all("not-prime-core" in record.flags for record in allowed.lines)


def test_a_core_that_was_asked_for_is_timed_without_a_word(bench: Bench, phone: Phone) -> None:
    phone.world.allowed = CPUSET
    ended = bench("--cpu", "2")
    assert ended.code == 0, ended.err
    assert {record.cpu for record in ended.lines} == {2}
    assert not any("not-prime-core" in record.flags for record in ended.lines)
    refused = bench("--cpu", "7")
    assert refused.code == 2
    assert "core 7 does not exist" in refused.err


def test_a_cpuset_that_changes_between_two_benches_starts_the_row_anew(
    bench: Bench, phone: Phone
) -> None:
    phone.world.allowed = CPUSET
    bench("--allow", "not-prime-core")
    phone.world.allowed = frozenset(range(8))
    ended = bench()
    assert ended.code == 0, ended.err
    last = [record for record in ended.lines if record.attempt == 1]
    assert {record.cpu for record in last} == {7}
    assert not any("not-prime-core" in record.flags for record in last)


@pytest.mark.parametrize(
    ("state", "core", "said"),
    [
        ({"offline": frozenset({7})}, 4, "core 7 (2841600 kHz) is faster: core 7 is offline"),
        (
            {"offline": frozenset({7}), "unreadable": frozenset({7})},
            4,
            "core 7 may be faster: core 7 is offline",
        ),
        (
            {"unreadable": frozenset({7})},
            7,
            "of unknown clock) would be timed, but cores 0-6 may be faster: "
            "the phone does not say the clock of every core",
        ),
        (
            {"unreadable": frozenset({4})},
            7,
            "cores 4-6 may be faster: the phone does not say the clock of every core",
        ),
        ({"allowed": frozenset({4, 5})}, 4, "lets programs of the shell use cores 4-5 only"),
    ],
)
def test_each_reason_is_named_with_the_core_that_would_be_timed(
    link: Link, phone: Phone, state: dict[str, object], core: int, said: str
) -> None:
    for attribute, value in state.items():
        assert hasattr(phone.world, attribute)
        setattr(phone.world, attribute, value)
    found = read_phone(link)
    assert found.best_core == core
    problem = core_problem(found, core)
    assert problem is not None
    assert problem.what.startswith(f"core {core} (")
    assert said in problem.what


def test_a_policy_that_is_gone_with_its_core_is_missed(link: Link) -> None:
    phone = read_phone(link)
    gone = replace(phone, policies=phone.policies[:2], cores=tuple(range(7)), offline=(7,))
    problem = core_problem(gone, gone.best_core)
    assert problem is not None
    assert "core 7 may be faster: core 7 is offline" in problem.what


def test_of_equally_fast_cores_any_will_do(
    adb_server: AdbServer, new_phone: Callable[[Profile], Phone], new_link: Callable[..., Link]
) -> None:
    old = new_phone(OLD_PHONE)
    adb_server.connect(old)
    old.world.allowed = frozenset({0, 6, 7})  # a part of the four fast ones
    found = read_phone(new_link(old))
    assert found.best_core == 6
    assert core_problem(found, 6) is None


@pytest.mark.usefixtures("adb_environment")
def test_devices_say_which_core_and_why(phone: Phone) -> None:
    phone.world.allowed = CPUSET
    (found,) = attached(pytest.fail)
    assert (found.state, found.core) == ("unfit", "0")
    assert found.why_core == (
        "not known to be its fastest: the phone (a cpuset) lets programs of the shell use "
        "cores 0-3 only"
    )
    assert "core 7 (2841600 kHz) is faster" in found.to_do
    assert "name a core with --cpu" in found.to_do


def test_cores_are_listed_as_people_write_them() -> None:
    assert listed_cores([7]) == "core 7"
    assert listed_cores([7, 0, 2, 1]) == "cores 0-2, 7"
