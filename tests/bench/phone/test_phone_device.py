"""A phone as a device: which cores, which runner, whose it is, and how it is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.bench.phone import phone_device
from asymm_deploy.bench.phone.lock import FOLDER
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.pushed_files import BASE
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.errors import HarnessError, UsageError
from tests.phone.phone import Phone

NewDevice = Callable[..., AdbDevice]


@pytest.fixture
def new_device(
    phone: Phone, adb_environment: object, phone_runner: Path, told: list[str]
) -> NewDevice:
    def make(
        *, keep: bool = False, allow: tuple[str, ...] = (), cool_down_s: float = 0.0
    ) -> AdbDevice:
        conduct = PhoneOptions(patience_s=20, cool_down_s=cool_down_s, keep=keep, allow=allow)
        return AdbDevice(
            Server(address(os.environ)), phone.serial, phone_runner, conduct, told.append
        )

    return make


@pytest.fixture
def device(new_device: NewDevice) -> AdbDevice:
    return new_device()


@pytest.mark.parametrize(
    ("wanted", "threads", "cores"),
    [
        (None, 1, (7,)),
        (None, 3, (7, 4, 5)),
        (None, 8, (7, 4, 5, 6, 0, 1, 2, 3)),
        (2, 1, (2,)),
        (2, 2, (2, 7)),
    ],
)
def test_the_prime_core_comes_first_and_then_the_fastest(
    device: AdbDevice, wanted: int | None, threads: int, cores: tuple[int, ...]
) -> None:
    assert device.choose_cpus(wanted, threads, (0,)) == cores


def test_cores_that_are_not_there_are_refused_with_those_that_are(
    device: AdbDevice, phone: Phone
) -> None:
    with pytest.raises(UsageError, match="core 8 does not exist") as caught:
        device.choose_cpus(8, 1, ())
    assert caught.value.hint == "cores that may be used: 0, 1, 2, 3, 4, 5, 6, 7"
    with pytest.raises(UsageError, match=r"9 threads need as many cores, but .* only 8"):
        device.choose_cpus(None, 9, ())


def test_a_phone_runs_mnn_only(device: AdbDevice) -> None:
    assert device.runner("mnn").command[0].startswith(f"{BASE}/files/runner-")
    with pytest.raises(UsageError, match="phones run MNN only, not onnxruntime"):
        device.runner("onnxruntime")


def test_a_runner_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't read the runner .*none: No such file"):
        AdbDevice(Server(address({})), "A", tmp_path / "none", PhoneOptions(), print)


def test_nothing_is_sent_to_a_phone_before_it_is_asked_for_something(
    device: AdbDevice, phone: Phone
) -> None:
    assert phone.services == []
    assert device.facts((7,)).product == "Pixel 4"
    count = len(phone.services)
    device.facts((7,))
    assert len(phone.services) == count


def test_a_phone_is_ours_and_awake_while_it_is_held_and_then_as_before(
    device: AdbDevice, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    with device.held((7,), []):
        assert phone.path(FOLDER).exists()
        assert phone.world.setting("stay_on_while_plugged_in") == "7"
        assert device.run(["/bin/echo", "out"], timeout_s=30).stdout == b"out\n"
    assert is_clean(phone)


def test_our_own_commands_keep_off_the_timed_cores(device: AdbDevice, phone: Phone) -> None:
    with device.held((7, 4), []):
        device.run(["/bin/true"], timeout_s=30)
    (start,) = (command for command in phone.commands if "setsid sh -c" in command)
    assert start.startswith("taskset -p 6f $$ >/dev/null 2>&1; ")
    assert any("taskset -p 6f" in command and "touch" in command for command in phone.commands)


def test_with_all_cores_timed_there_is_nowhere_to_keep_to(device: AdbDevice, phone: Phone) -> None:
    with device.held(tuple(range(8)), []):
        device.run(["/bin/true"], timeout_s=30)
    assert not any("taskset -p" in command for command in phone.commands)


def test_what_is_kept_is_the_files_and_nothing_else(new_device: NewDevice, phone: Phone) -> None:
    device = new_device(keep=True)
    with device.held((7,), []):
        device.run(["/bin/true"], timeout_s=30)
    assert [path.name for path in phone.path(str(BASE)).iterdir()] == ["files"]
    assert phone.world.setting("stay_on_while_plugged_in") == "0"


def test_an_unfit_phone_is_refused_with_every_reason_at_once(
    device: AdbDevice, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.world.battery_percent, phone.world.low_power = 3, True
    with pytest.raises(HarnessError) as caught, device.held((7,), []):
        pytest.fail("it was held")
    assert caught.value.what == (
        f"{phone.serial} is not fit to be timed: its battery is at 3 %, below 25; "
        "power-save mode is on"
    )
    assert caught.value.hint.endswith("; or --allow battery-low --allow power-save")
    assert is_clean(phone)


def test_what_is_allowed_stands_in_no_ones_way(new_device: NewDevice, phone: Phone) -> None:
    phone.world.battery_percent, phone.world.low_power = 3, True
    with new_device(allow=("battery-low", "power-save")).held((7,), []):
        pass


def test_a_program_that_is_killed_every_time_is_repeated_twice(
    device: AdbDevice, phone: Phone, told: list[str]
) -> None:
    with device.held((7,), []):
        done = device.run(["/bin/sh", "-c", "kill -9 $$"], timeout_s=30)
    assert done.returncode == -9
    assert done.conditions is not None
    assert done.conditions.retries == 2
    assert told == [f"{phone.serial}: the launch was killed on the phone; repeating it"] * 2


def test_a_program_that_fails_is_not_repeated(device: AdbDevice, told: list[str]) -> None:
    with device.held((7,), []):
        assert device.run(["/bin/false"], timeout_s=30).returncode == 1
    assert told == []


def test_a_program_that_takes_too_long_is_not_repeated(
    device: AdbDevice, phone: Phone, told: list[str]
) -> None:
    with device.held((7,), []):
        done = device.run(["/bin/sleep", "60"], timeout_s=0.5)
    assert (done.timed_out, done.returncode) == (True, -9)
    assert told == []
    assert sum("setsid sh -c" in command for command in phone.commands) == 1


def test_a_limit_that_comes_while_a_program_runs_is_throttling(
    device: AdbDevice, phone: Phone
) -> None:
    with device.held((7,), []):
        assert "throttled" not in device.run(["/bin/true"], timeout_s=30).flags
        phone.world.thermal_status = 3
        done = device.run(["/bin/true"], timeout_s=30)
    assert "throttled" in done.flags
    assert done.conditions is not None
    assert done.conditions.after.thermal_status == 3


def test_the_pause_is_long_only_where_the_phone_is_hot(
    new_device: NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_device, "_SHORT_PAUSE_S", 0.1)
    device = new_device(cool_down_s=1.5)
    with device.held((7,), []):
        started = time.monotonic()
        device.cool_down(is_hot=True)
        assert time.monotonic() - started >= 1.5
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        device.cool_down(is_hot=False)
    assert 0 < max(slept) <= 0.1
