"""A model's operators on a phone: timed as on a host, and judged as a launch there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.observed.operator_times import ObservedTimes, time_operators
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.bench.plan import Plan
from tests.phone.faults import Migrated, Throttles, Truncated
from tests.phone.phone import Phone

NOISE = ("bimodal", "launch-spread", "stolen-time", "throttled", "capped-clock")


@pytest.fixture
def timed(
    phone: Phone, adb_environment: object, phone_runner: Path, artifact: Artifact
) -> Callable[..., ObservedTimes]:
    conduct = PhoneOptions(patience_s=20, cool_down_s=0.0, keep=False, allow=NOISE)
    device = AdbDevice(
        Server(address(os.environ)), phone.serial, phone_runner, conduct, lambda _: None
    )

    def run(allow: tuple[str, ...] = NOISE) -> ObservedTimes:
        plan = Plan(runs=40, launches=1, warmup=1, cpu=7, allow=allow)
        (found,) = time_operators(device, [artifact], plan)
        return found

    return run


def test_operators_are_timed_by_one_launch_and_nothing_stays(
    timed: Callable[..., ObservedTimes], phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    found = timed()
    assert found.record.error is None
    assert found.record.valid, found.record.flags
    assert (found.record.device, found.record.cpu_before) == (phone.serial, 7)
    assert found.record.conditions is not None
    assert found.median_ns is not None
    assert sum(each.time_ns for each in found.operators) == pytest.approx(found.median_ns)
    assert len(phone.launches) == 1
    assert is_clean(phone)


def test_what_spoils_a_launch_spoils_it(timed: Callable[..., ObservedTimes], phone: Phone) -> None:
    phone.faults.add(Migrated(core=4))
    found = timed()
    assert "wrong-core" in found.record.flags
    assert not found.record.valid
    phone.faults.add(Truncated())
    found = timed()
    assert "the runner stopped" in str(found.record.error)
    assert (found.operators, found.record.flags) == ((), ("failed",))


def test_a_launch_that_heat_spoilt_is_repeated(
    timed: Callable[..., ObservedTimes], phone: Phone
) -> None:
    phone.faults.add(Throttles(cools_after_s=0.0))
    found = timed(tuple(name for name in NOISE if name not in {"throttled", "capped-clock"}))
    assert found.record.error is None
    assert len(phone.launches) > 1
