"""A sustained bench on a phone: its curve shows how it throttles, and no second of it is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.sustained.curves import Curve
from tests.phone.faults import CutLaunch, Garbage, Hangs, Killed, Meanwhile, Reboots
from tests.phone.heat import Heat
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, Profile
from tests.phone.server import AdbServer


def require_gapless(curve: Curve, for_s: float) -> None:
    """Each second follows the one before it, to the end."""
    ends = [0, *(x.at_ns + x.wall_ns for x in curve.seconds)]
    assert [x.at_ns for x in curve.seconds] == ends[:-1]
    assert abs(curve.reached_s - for_s) < 0.1
    assert len(curve.readings) == len(curve.seconds)


def test_a_phone_that_warms_up_is_throttled_and_its_curve_counts(
    sustained: Callable[..., Any], phone: Phone
) -> None:
    phone.world.heat = Heat()
    done = sustained("--for", "100s", "--format", "csv")
    assert done.code == 0, done.err
    (curve,) = done.curves
    require_gapless(curve, 100)
    record = curve.launch
    assert record.flags == ("throttled", "hot")
    assert record.valid
    (row,) = [dict(zip(*(line.split(",") for line in done.out.splitlines()), strict=True))]
    assert row["valid"] == "true"
    assert float(row["first_ms"]) == pytest.approx(20.0, rel=0.01)
    # Held down to 47 degC: 1401600 or 1804800 kHz of 2841600.
    assert 1.5 < float(row["sustained_over_first"]) < 2.1
    assert 5 < float(row["time_to_throttle_s"]) < 40
    assert row["throttled_by"] in {"status", "cap", "slower"}
    assert int(row["min_clock_khz"]) < 2_000_000
    assert float(row["max_temperature_c"]) > 50
    assert int(row["max_thermal_status"]) >= 1
    assert row["late_frames"] == ""


def test_with_pauses_it_stays_cool_and_keeps_up(
    sustained: Callable[..., Any], phone: Phone
) -> None:
    phone.world.heat = Heat()
    done = sustained("--for", "60s", "--every", "100ms", "--format", "csv")
    assert done.code == 0, done.err
    (curve,) = done.curves
    assert curve.launch.flags == ()
    assert sum(x.runs for x in curve.seconds) == 600
    row = dict(zip(*(line.split(",") for line in done.out.splitlines()), strict=True))
    assert (row["late_frames"], row["skipped_frames"]) == ("0", "0")
    assert row["time_to_throttle_s"] == ""
    assert row["every_ms"] == "100.0"


def test_a_model_that_cant_keep_up_is_said_to_be_late(sustained: Callable[..., Any]) -> None:
    done = sustained("--for", "20s", "--every", "15ms")
    assert done.code == 0
    (curve,) = done.curves
    assert curve.launch.flags == ("late",)
    assert "can't keep up with a frame every 15ms: 1,3" in done.err
    assert sum(x.skipped for x in curve.seconds) > 300


def test_a_screen_that_goes_off_in_the_last_seconds_is_seen(
    sustained: Callable[..., Any], phone: Phone
) -> None:
    def turn_off() -> None:
        phone.world.screen_on = False

    phone.faults.add(Meanwhile(at="second", after_seconds=26, do=turn_off))
    done = sustained("--for", "28s")  # it is asked for every 30 s, and at the end
    assert done.code == 4, done.err
    assert done.curves[0].launch.flags == ("screen-off",)


def test_a_cable_that_was_out_loses_nothing(sustained: Callable[..., Any], phone: Phone) -> None:
    phone.faults.add(CutLaunch(at="second", after_seconds=20, away_s=0.5))
    done = sustained("--for", "200s")
    assert done.code == 0, done.err
    assert "is back" in done.err
    (curve,) = done.curves
    require_gapless(curve, 200)
    assert len(phone.launches) == 1


def test_a_command_that_was_killed_is_followed_on_by_the_next_one(
    sustained_process: Callable[..., subprocess.Popen[bytes]],
    sustained: Callable[..., Any],
    curves: Callable[[], list[Curve]],
    phone: Phone,
    is_clean: Callable[[Phone], bool],
) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        os.killpg(processes[0].pid, signal.SIGKILL)
        processes[0].wait()

    phone.world.hurry = 40
    phone.faults.add(Meanwhile(at="second", after_seconds=40, do=kill))
    processes.append(sustained_process("--for", "120s"))
    processes[0].communicate(timeout=60)
    left = curves()
    assert len(left) == 1
    assert left[0].ended is None
    assert 0 < left[0].reached_s < 120
    done = sustained("--for", "120s")
    assert done.code == 0, done.err
    assert "still runs: it is followed on from second" in done.err
    (curve,) = done.curves
    require_gapless(curve, 120)
    assert curve.is_whole
    assert len(phone.launches) == 1
    assert is_clean(phone)


def test_one_that_was_killed_with_its_launch_is_marked_and_begun_anew(
    sustained_process: Callable[..., subprocess.Popen[bytes]],
    sustained: Callable[..., Any],
    phone: Phone,
) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        os.killpg(processes[0].pid, signal.SIGKILL)
        processes[0].wait()

    phone.world.hurry = 40
    phone.faults.add(Meanwhile(at="second", after_seconds=40, do=kill))
    processes.append(sustained_process("--for", "100s"))
    processes[0].communicate(timeout=60)
    for pid in phone.processes():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(phone.path("/data/local/tmp/asymm-deploy/run"))
    phone.world.hurry = 400
    done = sustained("--for", "100s")
    assert done.code == 0, done.err
    lost, whole = done.curves
    assert lost.launch.error is not None
    assert lost.launch.error.startswith("the command that timed it stopped early, after ")
    assert lost.seconds
    require_gapless(whole, 100)
    kept = sustained("--for", "100s")
    assert "which is kept" in kept.err
    assert len(kept.curves) == 2
    fresh = sustained("--for", "100s", "--fresh")
    assert [curve.launch.attempt for curve in fresh.curves] == [0, 1, 2]


@pytest.mark.parametrize("fault", [Killed, Reboots])
def test_a_launch_that_is_lost_is_marked_and_begun_anew(
    sustained: Callable[..., Any], phone: Phone, fault: type[Killed | Reboots]
) -> None:
    phone.faults.add(fault(at="second", after_seconds=20))
    done = sustained("--for", "40s")
    assert done.code == 0, done.err
    lost, whole = done.curves
    assert lost.launch.flags == ("failed",)
    assert 15 < lost.reached_s < 25
    require_gapless(whole, 40)
    assert len(done.csv.splitlines()) == 2


def test_one_that_hangs_is_killed_long_before_its_time_is_over(
    sustained: Callable[..., Any], phone: Phone, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(Hangs(at="second", after_seconds=20))
    done = sustained("--for", "8h", "--launch-timeout", "1")
    assert done.code == 3, done.err
    assert "told of nothing for 2 s and was killed" in done.curves[0].launch.error
    assert is_clean(phone)


def test_ctrl_c_keeps_and_tells_what_is_on_disk(
    sustained_process: Callable[..., subprocess.Popen[bytes]],
    curves: Callable[[], list[Curve]],
    phone: Phone,
    is_clean: Callable[[Phone], bool],
    tmp_path: Path,
) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    phone.world.hurry = 40
    phone.faults.add(
        Meanwhile(
            at="second", after_seconds=40, do=lambda: os.kill(processes[0].pid, signal.SIGINT)
        )
    )
    processes.append(sustained_process("--for", "400s"))
    _out, err = processes[0].communicate(timeout=60)
    assert processes[0].returncode == 130, err
    (curve,) = curves()
    assert curve.launch.error is not None
    assert curve.launch.error.startswith("interrupted, after ")
    assert b"of 400 s are kept in" in err
    assert curve.seconds
    assert "failed: interrupted" in (tmp_path / "results" / "sustained.csv").read_text()
    assert is_clean(phone)


def test_what_is_no_stream_fails_and_its_launch_has_ended_before_the_next_one(
    sustained: Callable[..., Any],
    phone: Phone,
    folder: Path,
    tmp_path: Path,
    is_clean: Callable[[Phone], bool],
) -> None:
    other = shutil.copy(folder / "model.mnn", tmp_path / "other.mnn")
    running: list[bool] = []
    phone.faults.add(Garbage(at="second", after_seconds=5, launch=0))
    phone.faults.add(
        Meanwhile(at="start", launch=1, do=lambda: running.append(phone.launches[0].running))
    )
    done = sustained("--for", "200s", str(other))
    assert done.code == 3
    assert "other: the runner printed no valid 'second'" in done.err
    assert running == [False]
    assert [curve.is_whole for curve in done.curves] == [False, True]
    assert is_clean(phone)


def test_of_two_phones_each_is_named_and_one_that_fails_stops_no_other(
    sustained: Callable[..., Any],
    phone: Phone,
    adb_server: AdbServer,
    new_phone: Callable[[Profile], Phone],
) -> None:
    other = new_phone(MI_9)
    adb_server.connect(other)
    other.faults.add(Garbage(at="second", after_seconds=5))
    done = sustained("--for", "20s", "--every", "15ms", device="all")
    assert done.code == 3
    by_phone = {curve.launch.device: curve for curve in done.curves}
    assert by_phone[phone.serial].is_whole
    assert not by_phone[other.serial].is_whole
    assert f"\n{other.serial}: model: failed: the runner printed no valid" in done.err
    assert f"\n{phone.serial}: model can't keep up with" in done.err


def test_models_come_one_after_the_other_and_each_is_cool_at_first(
    sustained: Callable[..., Any],
    phone: Phone,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = shutil.copy(folder / "model.mnn", tmp_path / "other.mnn")
    heat = phone.world.heat = Heat()
    pauses: list[bool] = []

    def cool(_device: AdbDevice, *, is_hot: bool) -> None:
        pauses.append(is_hot)
        heat.skin_c = 44.0 if len(pauses) < 3 else 33.0
        phone.world.work(0.0, 0.0)

    monkeypatch.setattr(AdbDevice, "cool_down", cool)
    done = sustained("--for", "60s", str(other))
    assert done.code == 0, done.err
    assert pauses == [True] * 3
    one, two = done.curves
    assert [curve.launch.model for curve in done.curves] == ["other", "model"]
    assert one.ended is not None
    assert one.launch.flags[:2] == two.launch.flags[:2] == ("throttled", "hot")
    assert two.launch.valid
    assert two.seconds[0].median_ns < 1.01 * one.seconds[0].median_ns
