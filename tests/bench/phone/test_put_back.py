"""However a bench ends, the phone is as it was found, and the next bench can have it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.bench.phone import lock as adb_lock
from asymm_deploy.bench.phone import phone_launch
from tests.bench.phone.conftest import LAUNCHES, ONCE, Bench, lines_in
from tests.phone.faults import Hangs, Meanwhile
from tests.phone.phone import Phone

Start = Callable[..., subprocess.Popen[bytes]]


def wait_for_launch(phone: Phone, number: int) -> None:
    """Return in the middle of a launch."""
    deadline = time.monotonic() + 120
    while len(phone.launches) <= number and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(phone.launches) > number


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bench_leaves_nothing_and_goes_on_later(
    bench: Bench,
    bench_process: Start,
    phone: Phone,
    tmp_path: Path,
    is_clean: Callable[[Phone], bool],
    signal_: signal.Signals,
) -> None:
    phone.faults.add(Hangs(launch=1))
    process = bench_process()
    wait_for_launch(phone, 1)
    time.sleep(0.3)
    process.send_signal(signal_)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"interrupted; everything that was finished is kept" in err
    assert is_clean(phone)
    assert len(lines_in(tmp_path / "results")) == 1
    ended = bench()
    assert ended.code == 0, ended.err
    assert len(ended.finished) == LAUNCHES


def test_the_setting_of_before_comes_back_whatever_it_was(bench: Bench, phone: Phone) -> None:
    for before in ("0", "3", None):
        phone.world.put_setting("stay_on_while_plugged_in", before)
        assert bench("--fresh", *ONCE).code == 0
        assert phone.world.setting("stay_on_while_plugged_in") == before


def test_the_screen_is_kept_on_meanwhile(bench_process: Start, phone: Phone) -> None:
    phone.faults.add(Hangs(launch=0))
    process = bench_process()
    wait_for_launch(phone, 0)
    kept_on = phone.world.setting("stay_on_while_plugged_in")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert kept_on == "7"


def test_a_bench_that_was_killed_leaves_no_lock_and_no_setting_behind(
    bench: Bench, bench_process: Start, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(Hangs(launch=1))
    process = bench_process()
    wait_for_launch(phone, 1)
    process.kill()
    process.communicate()
    assert phone.path(adb_lock.FOLDER).exists()
    ended = bench()
    assert ended.code == 0, ended.err
    assert "checking whether it is still running" not in ended.err  # so it waited for nothing
    assert len(ended.finished) == LAUNCHES
    assert is_clean(phone)


def test_a_phone_that_another_bench_uses_is_refused_and_left_alone(
    bench: Bench,
    bench_process: Start,
    phone: Phone,
    tmp_path: Path,
    is_clean: Callable[[Phone], bool],
) -> None:
    phone.faults.add(Hangs(launch=0))
    process = bench_process("--out", str(tmp_path / "other"))
    wait_for_launch(phone, 0)
    ended = bench()
    assert ended.code == 3
    assert f"another benchmark is running on it, process {process.pid} on " in ended.err
    assert "--allow busy" in ended.err
    assert len(phone.launches) == 1
    assert phone.launches[0].running
    shared = bench("--allow", "busy", *ONCE)
    assert shared.code == 0, shared.err
    assert phone.launches[0].running  # the other's
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert is_clean(phone)


ANOTHER = '{"token":"0123456789abcdef","host":"elsewhere","pid":1,"started":"1"}'
"""Who has the phone then."""


def test_a_phone_that_was_taken_over_is_left_to_who_took_it(bench: Bench, phone: Phone) -> None:
    owner = phone.path(adb_lock.FOLDER) / "owner"
    phone.faults.add(Meanwhile(launch=1, do=lambda: owner.write_text(ANOTHER)))
    ended = bench()
    assert ended.code == 3
    assert f"another benchmark has taken {phone.serial} meanwhile" in ended.err
    assert owner.read_text() == ANOTHER
    assert len(ended.finished) == 2


def test_a_bench_that_took_the_phone_in_mid_launch_is_named_as_the_reason(
    bench: Bench, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.faults.add(Hangs(launch=1))

    def take_in_the_second_launch() -> None:
        wait_for_launch(phone, 1)
        # Its folder will be gone, as before its birth; the one before it had all the time for that.
        monkeypatch.setattr(phone_launch, "_BIRTH_S", 0.0)
        # As the other does it: the claim first, then every launch is killed and removed.
        (phone.path(adb_lock.FOLDER) / "owner").write_text(ANOTHER)
        os.kill(phone.launches[1].pid, signal.SIGKILL)
        shutil.rmtree(phone.path("/data/local/tmp/asymm-deploy/run"), ignore_errors=True)

    taker = threading.Thread(target=take_in_the_second_launch)
    taker.start()
    ended = bench()
    taker.join()
    assert ended.code == 3
    assert f"another benchmark has taken {phone.serial} meanwhile" in ended.err
    assert "make room" not in ended.err
    assert [record.launch for record in ended.finished] == [0]


@pytest.mark.parametrize("owner", ["", '{"token":"t","host":"elsewhere","pid":1,"started":"1"}'])
def test_a_lock_that_nobody_touches_is_nobodys(
    bench: Bench, phone: Phone, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adb_lock, "LEASE_S", 0.5)
    lock = phone.path(adb_lock.FOLDER)
    lock.mkdir()
    if owner:
        (lock / "owner").write_text(owner)
    ended = bench(*ONCE)
    assert ended.code == 0, ended.err
    assert "checking whether it is still running" in ended.err


def test_where_the_phone_is_lost_at_the_end_the_user_is_told(
    bench_process: Start, phone: Phone
) -> None:
    phone.faults.add(Hangs(launch=0))
    process = bench_process()
    wait_for_launch(phone, 0)
    phone.cut(away_s=30)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"could not be restored" in err


def test_a_closed_terminal_puts_the_phone_back(
    bench_process: Start, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(Hangs(launch=0))
    process = bench_process()
    wait_for_launch(phone, 0)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert is_clean(phone)


def test_one_ctrl_c_that_arrives_four_times_leaves_nothing_behind(
    bench_process: Start, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(Hangs(launch=0))
    process = bench_process()
    wait_for_launch(phone, 0)
    for _ in range(4):
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert is_clean(phone)


def test_what_a_second_ctrl_c_leaves_on_the_phone_the_next_bench_puts_back(
    bench: Bench, bench_process: Start, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(Hangs(launch=0))
    process = bench_process()
    wait_for_launch(phone, 0)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the last may come as it is leaving
    ended = bench()
    assert ended.code == 0, ended.err
    assert is_clean(phone)


def test_a_refused_bench_leaves_what_an_earlier_one_has_kept(bench: Bench, phone: Phone) -> None:
    assert bench("--keep").code == 0
    kept = sorted(phone.path("/data/local/tmp/asymm-deploy/files").rglob("*"))
    phone.world.battery_percent = 3
    assert bench("--fresh").code == 3
    assert sorted(phone.path("/data/local/tmp/asymm-deploy/files").rglob("*")) == kept


def test_a_refused_bench_leaves_nothing_where_nothing_was(
    bench: Bench, phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.world.battery_percent = 3
    assert bench().code == 3
    assert is_clean(phone)
