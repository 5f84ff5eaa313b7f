"""A launch runs once and leaves its result whole, whatever becomes of the connection meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import PurePosixPath

import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.phone import phone_launch
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.phone_launch import Ended, Launcher, kill_all
from asymm_deploy.errors import HarnessError
from tests.phone.conftest import eventually
from tests.phone.faults import CarriageReturns, CutShell, DiskFull
from tests.phone.phone import Phone

BASE = PurePosixPath("/data/local/tmp/asymm-deploy")
POLICY = "/sys/devices/system/cpu/cpufreq/policy7"
COUNT = "/data/local/tmp/count"


@pytest.fixture
def new_launcher(link: Link) -> Callable[..., Launcher]:
    def make(*, check_lock: str = "true", rebooted: Callable[[], bool] = lambda: False) -> Launcher:
        readings = {"battery": "dumpsys battery"}
        return Launcher(link, BASE, check_lock, False, readings, POLICY, "", rebooted)

    return make


@pytest.fixture
def launcher(new_launcher: Callable[..., Launcher]) -> Launcher:
    return new_launcher()


def shell(script: str) -> list[str]:
    """A program for the phone; the second word lets ``kill_all`` know it as ours."""
    return ["/bin/sh", "-c", script, "asymm-deploy"]


def ran(launcher: Launcher, script: str, number: str = "1", timeout_s: float = 30) -> Ended:
    ended = launcher.launch(shell(script), number, timeout_s)
    assert ended is not None
    return ended


def test_a_launch_comes_back_with_both_streams_and_its_code(launcher: Launcher) -> None:
    ended = ran(launcher, "echo out; echo err >&2; exit 3")
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"out\n", b"err\n", 3)
    assert (ended.timed_out, ended.flooded) == (False, False)


def test_a_program_that_is_not_there_ends_with_127(launcher: Launcher) -> None:
    ended = launcher.launch(["/data/local/tmp/none"], "1", 30)
    assert ended is not None
    assert ended.returncode == 127
    assert b"not found" in ended.stderr


def test_a_signal_is_a_negative_code(launcher: Launcher) -> None:
    assert ran(launcher, "kill -11 $$").returncode == -11


def test_arguments_arrive_as_they_are(launcher: Launcher) -> None:
    words = ["a b", "'", '"', "$HOME", "`id`", "\\", "*", "日本", "-n"]
    ended = launcher.launch(["/usr/bin/printf", r"%s\n", *words], "1", 30)
    assert ended is not None
    assert ended.stdout.decode().splitlines() == words


def test_the_end_of_a_launch_takes_all_that_it_started_with_it(
    launcher: Launcher, phone: Phone
) -> None:
    ran(launcher, "sleep 60 & echo out")
    assert eventually(lambda: not phone.processes())


def test_what_was_read_stands_around_the_launch(launcher: Launcher, phone: Phone) -> None:
    ended = ran(launcher, "sleep 1.2")
    for sections in (ended.before, ended.after):
        assert "level: 75" in sections["battery"].text
    assert "2841600 " in ended.after["states_before"].text
    assert "2841600 " in ended.after["states_after"].text


def test_what_was_read_behind_a_launch_stands_before_one_that_follows_at_once(
    launcher: Launcher, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_launch, "_FRESH_S", 1000.0)
    first = ran(launcher, "true", "1")
    phone.world.battery_percent = 50
    second = ran(launcher, "true", "2")
    assert second.before == first.after
    monkeypatch.setattr(phone_launch, "_FRESH_S", 0.0)
    third = ran(launcher, "true", "3")
    assert "level: 50" in third.before["battery"].text


def test_a_launch_that_takes_too_long_is_killed_with_what_it_had_said(
    launcher: Launcher, phone: Phone
) -> None:
    started = time.monotonic()
    ended = ran(launcher, "echo out; echo err >&2; sleep 60", timeout_s=0.5)
    assert time.monotonic() - started < 30
    assert (ended.timed_out, ended.returncode) == (True, -9)
    assert (ended.stdout, ended.stderr) == (b"out\n", b"err\n")
    assert eventually(lambda: not phone.processes())


def test_a_flood_is_not_brought_over(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_STREAM_BYTES", 2**16)
    ended = ran(launcher, "seq 1 1000000")
    assert ended.flooded
    assert ended.stdout == b""


@pytest.mark.parametrize(
    "fault",
    [
        CutShell(containing="setsid sh -c", after_s=0.0),
        CutShell(containing="setsid sh -c", after_s=0.3),
        CutShell(containing="/out", after_s=0.0),
    ],
    ids=["at once", "meanwhile", "at the end"],
)
def test_a_cut_starts_nothing_twice_and_loses_nothing(
    launcher: Launcher, phone: Phone, fault: CutShell
) -> None:
    phone.faults.add(fault)
    script = f"echo x >>{phone.path(COUNT)}; sleep 0.7; echo out"
    # A cut between the making of its folder and its start leaves nothing: it is done again.
    ended = launcher.launch(shell(script), "1", 30) or ran(launcher, script, "2")
    assert ended.stdout == b"out\n"
    assert fault.happened == 1
    assert phone.path(COUNT).read_text() == "x\n"


def test_a_launch_that_vanished_with_a_reboot_is_to_be_done_again(
    new_launcher: Callable[..., Launcher], phone: Phone
) -> None:
    asked: list[bool] = []

    def rebooted() -> bool:
        asked.append(True)
        return True

    phone.faults.add(CutShell(containing="setsid sh -c", after_s=0.3))
    assert new_launcher(rebooted=rebooted).launch(shell("sleep 60"), "1", 30) is None
    assert asked == [True]


def test_a_launch_that_is_gone_without_a_result_is_to_be_done_again(
    launcher: Launcher, phone: Phone
) -> None:
    # It kills the shell that would have written its code down.
    assert launcher.launch(shell("kill -9 $PPID; sleep 0.2"), "1", 30) is None


def test_a_hang_up_ends_no_launch(launcher: Launcher) -> None:
    assert ran(launcher, "kill -HUP $PPID $$; echo out").stdout == b"out\n"


def test_a_phone_that_another_bench_has_taken_is_not_used(
    new_launcher: Callable[..., Launcher], phone: Phone
) -> None:
    launcher = new_launcher(check_lock="false")
    with pytest.raises(HarnessError, match=f"has taken {phone.serial} meanwhile") as caught:
        launcher.launch(shell("true"), "1", 30)
    assert "it resumes where it stopped" in caught.value.hint


def test_a_full_phone_says_so(launcher: Launcher, phone: Phone) -> None:
    ran(launcher, "true", "1")
    phone.faults.add(DiskFull())
    with pytest.raises(HarnessError, match="could not record how a launch ended") as caught:
        launcher.launch(shell("true"), "2", 30)
    assert "No space left on device" in caught.value.what


def test_line_ends_that_a_connection_changed_are_changed_back(
    launcher: Launcher, phone: Phone
) -> None:
    phone.faults.add(CarriageReturns())
    assert ran(launcher, "echo 1; echo 2").stdout == b"1\n2\n"


def test_only_the_last_launchs_folder_stays(launcher: Launcher, phone: Phone) -> None:
    for number in ("1", "2", "3"):
        ran(launcher, "true", number)
    assert [path.name for path in phone.path(str(BASE / "run")).iterdir()] == ["3"]


def test_all_launches_of_a_folder_can_be_killed_and_no_other_program(
    link: Link, phone: Phone
) -> None:
    run = phone.path(str(BASE / "run"))
    for number, name in (("1", "asymm-deploy"), ("2", "another")):
        (run / number).mkdir(parents=True)
        started = f"setsid sh -c 'echo $$ >pid; sleep 60; true' {name}"
        link.run_once(f"cd {BASE}/run/{number} && {started} >/dev/null 2>&1 </dev/null &")
    assert eventually(lambda: all((run / number / "pid").exists() for number in "12"))
    ours, other = (int((run / number / "pid").read_text()) for number in "12")
    link.run_once(kill_all(BASE))
    assert eventually(lambda: ours not in phone.processes())
    assert other in phone.processes()
