"""A connection that is lost costs nothing but waiting, whatever it is lost in the middle of."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.errors import HarnessError
from tests.bench.phone.conftest import LAUNCHES, Bench, lines_in
from tests.phone.conftest import eventually
from tests.phone.faults import (
    CarriageReturns,
    CutLaunch,
    CutPush,
    CutShell,
    DiskFull,
    Fault,
    Meanwhile,
    Noise,
    Reboots,
    SlowLink,
    Throttles,
)
from tests.phone.phone import Phone
from tests.phone.server import AdbServer


@pytest.mark.parametrize(
    "fault",
    [
        CutPush(after_bytes=100),
        CutShell(containing="dumpsys battery"),
        CutShell(containing="setsid sh -c", after_s=0.0),
        CutShell(containing="-exec sha256sum", after_s=0.0),
        CutShell(containing="/out", after_s=0.0),
        CutLaunch(launch=1),
        CutLaunch(launch=1, away_s=3.0),
    ],
    ids=["push", "readings", "start", "hash", "result", "launch", "launch, and long away"],
)
def test_a_cut_loses_no_launch(
    bench: Bench, phone: Phone, fault: Fault, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(fault)
    ended = bench()
    assert ended.code == 0, ended.err
    assert fault.happened == 1
    assert len(ended.finished) == LAUNCHES
    assert len(phone.launches) == LAUNCHES  # the one in flight was picked up, not done again
    assert f"{phone.serial} is gone" in ended.err
    assert f"{phone.serial} is back" in ended.err
    assert is_clean(phone)


@pytest.mark.parametrize("fault", [None, CutLaunch(launch=0, away_s=1.5)], ids=["whole", "cut"])
def test_our_own_clock_bounds_what_a_launch_says_of_itself(
    bench: Bench, phone: Phone, fault: Fault | None
) -> None:
    if fault is not None:
        phone.faults.add(fault)
    started = time.monotonic_ns()
    ended = bench()
    took_ns = time.monotonic_ns() - started
    assert ended.code == 0, ended.err
    for record in ended.lines:
        assert record.process_ns is not None
        assert sum(record.samples_ns) + (record.init_ns or 0) < record.process_ns < took_ns
    if fault is not None:
        assert (
            ended.lines[0].process_ns or 0
        ) > 1e9  # until its result was seen, though it is short


def test_a_launch_that_a_reboot_ended_is_done_again(
    bench: Bench, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(Reboots(launch=1))
    ended = bench()
    assert ended.code == 0, ended.err
    assert [record.launch for record in ended.finished] == list(range(LAUNCHES))
    assert [record.conditions and record.conditions.retries for record in ended.lines] == [0, 1, 0]
    assert "has restarted" in ended.err
    assert is_clean(phone)


def test_a_phone_that_reboots_every_time_is_a_clear_failure(bench: Bench, phone: Phone) -> None:
    phone.faults.add(Reboots(times=None))
    ended = bench()
    assert ended.code == 3
    assert "lost on the phone every time" in ended.err


def test_an_adb_server_that_another_program_ends_is_started_again(
    bench: Bench, phone: Phone, adb_server: AdbServer
) -> None:
    phone.faults.add(Meanwhile(launch=1, do=adb_server.kill))
    ended = bench()
    assert ended.code == 0, ended.err
    assert len(ended.finished) == LAUNCHES
    assert len(phone.launches) == LAUNCHES


def test_a_phone_that_stays_away_is_an_error_and_its_launches_are_kept(
    bench: Bench, phone: Phone, lose_patience: Callable[[Fault, float], None]
) -> None:
    lose_patience(phone.faults.add(CutLaunch(launch=1, away_s=60.0)), 2)
    ended = bench()
    assert ended.code == 3
    assert f"error: {phone.serial} did not come back within 2 s" in ended.err
    assert "hint: " in ended.err
    assert "it resumes where it stopped" in ended.err
    assert [record.launch for record in ended.finished] == [0]


def test_a_disk_that_runs_full_in_the_middle_is_named_and_costs_no_finished_launch(
    bench: Bench, phone: Phone
) -> None:
    phone.faults.add(Meanwhile(launch=1, do=lambda: phone.faults.add(DiskFull())))
    ended = bench()
    assert ended.code == 3
    assert "make room on the phone" in ended.err
    assert [record.launch for record in ended.finished] == [0, 1]
    phone.faults.clear()
    assert bench().code == 0


def test_a_slow_link_is_only_slow(bench: Bench, phone: Phone) -> None:
    phone.faults.add(SlowLink(bytes_per_s=200_000, latency_s=0.02))
    ended = bench()
    assert ended.code == 0, ended.err
    assert "is gone" not in ended.err


@pytest.mark.parametrize("fault", [CarriageReturns(), Noise()])
def test_what_a_shell_adds_does_no_harm(bench: Bench, phone: Phone, fault: Fault) -> None:
    phone.faults.add(fault)
    ended = bench()
    assert ended.code == 0, ended.err
    assert len(ended.finished) == LAUNCHES
    assert ended.lines[0].conditions is not None
    assert ended.lines[0].conditions.before.battery_percent == 75


def test_a_phone_that_was_away_between_launches_is_taken_hold_of_again(
    bench_process: Callable[..., subprocess.Popen[bytes]],
    phone: Phone,
    tmp_path: Path,
    is_clean: Callable[[Phone], bool],
) -> None:
    phone.faults.add(Throttles(launch=0, cools_after_s=0.5))
    process = bench_process("--cool-down", "3")
    while not lines_in(tmp_path / "results"):
        time.sleep(0.05)
    phone.reboot(away_s=0.3, boot_s=1.0)  # in the pause before the next try
    _out, err = process.communicate(timeout=120)
    assert b"has restarted; waiting until it is up" in err
    assert process.returncode == 0, err
    assert {record.launch for record in lines_in(tmp_path / "results")} == set(range(LAUNCHES))
    assert is_clean(phone)


def test_an_interruption_in_the_pause_leaves_the_launch_to_be_done_again(
    bench: Bench,
    bench_process: Callable[..., subprocess.Popen[bytes]],
    phone: Phone,
    tmp_path: Path,
) -> None:
    phone.faults.add(Throttles(launch=0, cools_after_s=0.2))
    process = bench_process("--cool-down", "60")
    while not lines_in(tmp_path / "results"):
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    ended = bench()
    assert len([record for record in ended.lines if record.launch == 0]) >= 2


def test_another_phone_at_the_same_address_is_not_taken_for_the_one_of_before(
    bench: Bench, phone: Phone
) -> None:
    first = bench()
    phone.world.say_properties(replace(phone.profile, fingerprint="another/build"))
    second = bench()
    assert second.code == 0, second.err
    assert len(second.lines) == 2 * len(first.lines)
    assert len({record.plan_id for record in second.lines}) == 2


@pytest.mark.usefixtures("adb_environment")
def test_another_phone_that_answers_between_launches_ends_the_bench(
    phone: Phone, phone_runner: Path
) -> None:
    conduct = PhoneOptions(patience_s=20, cool_down_s=0)
    device = AdbDevice(Server(address(os.environ)), phone.serial, phone_runner, conduct, print)
    with device.held((7,), []):
        assert device.run(["/bin/true"], timeout_s=10).returncode == 0
        phone.world.say_properties(replace(phone.profile, fingerprint="another/build"))
        phone.cut(away_s=0.1)
        assert eventually(lambda: not device._lock.is_touched())  # adb has noticed
        with pytest.raises(HarnessError, match=f"another phone now answers as {phone.serial}"):
            device.run(["/bin/true"], timeout_s=10)
