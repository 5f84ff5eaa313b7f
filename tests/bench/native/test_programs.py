"""Programs from elsewhere end: by themselves, at their limit, or with what started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.native.programs import run_program

SHELL = ("sh", "-c")
WITH_CHILDREN = "sleep 60 & echo $! > {told}; sleep 60"
LIKE_NINJA = 'set -m; sleep 60 & trap "kill -TERM -$!; exit 1" TERM; echo $! > {told}; wait'
"""Its children are in groups of their own, and it ends them if it is asked to end."""
WAITING = """
import sys
from asymm_deploy.bench.native.programs import run_program
from asymm_deploy.signals import ending_like_ctrl_c
with ending_like_ctrl_c():
    run_program([*sys.argv[1:]], limit_s=60, starts_others=True)
"""


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def pid_in(told: Path) -> int:
    wait_for(lambda: told.exists() and told.read_text().endswith("\n"))
    return int(told.read_text())


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet collected by who inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize("starts_others", [False, True])
def test_a_program_says_what_it_says_in_english(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, starts_others: bool
) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    told = run_program(
        [*SHELL, "pwd; echo $LC_ALL; printf '\\377' >&2; exit 7"],
        limit_s=60,
        folder=tmp_path,
        starts_others=starts_others,
    )
    assert told.stdout == f"{tmp_path}\nC\n"
    assert (told.stderr, told.returncode) == ("\ufffd", 7)


@pytest.mark.parametrize("starts_others", [False, True])
@pytest.mark.parametrize(
    ("name", "why"), [("missing", "No such file"), ("folder", "No such file|Permission denied")]
)
def test_what_can_not_be_started_is_told_by_the_systems_reason(
    tmp_path: Path, name: str, why: str, *, starts_others: bool
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=why):
        run_program([str(tmp_path / name)], limit_s=60, starts_others=starts_others)


def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(TimeoutError, match=r"it did not end within 0\.5 s"):
        run_program([*SHELL, WITH_CHILDREN.format(told=told)], limit_s=0.5)
    wait_for(lambda: has_ended(pid_in(told)))


def test_one_that_has_to_end_others_is_given_the_time(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        run_program(["bash", "-c", LIKE_NINJA.format(told=told)], limit_s=0.5)
    wait_for(lambda: has_ended(pid_in(told)))


def test_a_program_that_prints_without_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_STREAM_BYTES", 2**20)
    with pytest.raises(OSError, match="it prints without end"):
        run_program(["yes"], limit_s=60)


def test_what_happens_meanwhile_may_stop_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"

    def stop() -> None:
        if told.exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_program([*SHELL, WITH_CHILDREN.format(told=told)], limit_s=60, meanwhile=stop)
    wait_for(lambda: has_ended(pid_in(told)))


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("program", [("sh", "-c", WITH_CHILDREN), ("bash", "-c", LIKE_NINJA)])
def test_its_children_end_with_us_whatever_ends_us(
    tmp_path: Path, program: Sequence[str], by: signal.Signals
) -> None:
    told = tmp_path / "pid"
    command = [word.format(told=told) for word in program]
    process = subprocess.Popen([sys.executable, "-c", WAITING, *command], stderr=subprocess.DEVNULL)
    try:
        child = pid_in(told)
        os.kill(process.pid, by)
        wait_for(lambda: has_ended(child))
    finally:
        process.kill()
        process.wait()
