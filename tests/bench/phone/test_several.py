"""Several phones are timed side by side into one folder, and nothing of theirs is mixed up."""

from __future__ import annotations

import csv
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.phone.conftest import LAUNCHES, NOISE, Bench, lines_in
from tests.phone.faults import Hangs, Killed, Meanwhile, Unauthorized
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, PIXEL_4, Profile
from tests.phone.server import AdbServer


@pytest.fixture
def other(adb_server: AdbServer, new_phone: Callable[[Profile], Phone]) -> Phone:
    """A second phone that is attached."""
    phone = new_phone(MI_9)
    adb_server.connect(phone)
    return phone


def test_all_phones_are_timed_at_once(
    bench: Bench, phone: Phone, other: Phone, tmp_path: Path, is_clean: Callable[[Phone], bool]
) -> None:
    both = threading.Barrier(2, timeout=60)
    for one in (phone, other):
        one.faults.add(Meanwhile(launch=0, do=both.wait))  # neither goes on without the other
    ended = bench(device="all")
    assert ended.code == 0, ended.err
    for one in (phone, other):
        own = [record for record in ended.lines if record.device == one.serial]
        assert sorted(record.launch for record in own) == list(range(LAUNCHES))
        assert {record.device_facts.product for record in own} == {one.profile.model}
        assert is_clean(one)
    with (tmp_path / "results/latency.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["device"] for row in rows} == {phone.serial, other.serial}
    assert phone.serial in ended.out
    assert other.serial in ended.out


def test_devices_can_be_named_one_by_one_with_the_host_among_them(
    bench: Bench, phone: Phone, other: Phone
) -> None:
    noise = [f"--allow={name}" for name in NOISE]  # of the host
    ended = bench("--device", "host", *noise, device=other.serial)
    assert ended.code == 0, ended.err
    devices = {record.device for record in ended.lines}
    assert len(devices) == 2
    assert other.serial in devices
    assert phone.launches == []


def test_a_phone_that_fails_stops_no_other(bench: Bench, phone: Phone, other: Phone) -> None:
    other.world.battery_percent = 5
    ended = bench(device="all")
    assert ended.code == 3
    assert f"error: {other.serial} is not fit to be timed: its battery is at 5 %" in ended.err
    assert len(ended.finished) == LAUNCHES
    assert {record.device for record in ended.finished} == {phone.serial}


def test_a_row_that_fails_on_one_phone_is_told_apart(
    bench: Bench, phone: Phone, other: Phone, tmp_path: Path
) -> None:
    other.faults.add(Killed(times=None))
    ended = bench(device="all")
    assert ended.code == 3
    with (tmp_path / "results/latency.csv").open() as file:
        valid = {row["device"]: row["valid"] for row in csv.DictReader(file)}
    assert valid == {phone.serial: "true", other.serial: "false"}


def test_a_phone_that_is_not_ready_is_left_out_of_all_with_a_word(
    bench: Bench, phone: Phone, adb_server: AdbServer, new_phone: Callable[[Profile], Phone]
) -> None:
    shy = new_phone(PIXEL_4)
    shy.faults.add(Unauthorized())
    adb_server.adb("connect", shy.serial)
    ended = bench(device="all")
    assert ended.code == 0, ended.err
    assert f"left out: {shy.serial}" in ended.err
    assert "Allow USB debugging" in ended.err
    assert {record.device for record in ended.lines} == {phone.serial}


def test_an_interruption_puts_every_phone_back(
    bench: Bench,
    bench_process: Callable[..., subprocess.Popen[bytes]],
    phone: Phone,
    other: Phone,
    tmp_path: Path,
    is_clean: Callable[[Phone], bool],
) -> None:
    for one in (phone, other):
        one.faults.add(Hangs(launch=1))
    process = bench_process(device="all")
    deadline = time.monotonic() + 120
    while min(len(phone.launches), len(other.launches)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert is_clean(phone)
    assert is_clean(other)
    assert len(lines_in(tmp_path / "results")) == 2


def test_a_bench_in_the_background_is_deaf_to_ctrl_c_and_puts_every_phone_back_when_cancelled(
    bench_process: Callable[..., subprocess.Popen[bytes]],
    phone: Phone,
    other: Phone,
    is_clean: Callable[[Phone], bool],
) -> None:
    # A script starts `bench ... &` with SIGINT ignored; a CI system cancels it by SIGTERM.
    for one in (phone, other):
        one.faults.add(Hangs(launch=1))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = bench_process(device="all")
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while min(len(phone.launches), len(other.launches)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert is_clean(phone)
    assert is_clean(other)
