"""What would end the program is held off while something is put back, or ends it as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.signals import ENDING, delaying_signals, ending_like_ctrl_c, ignoring_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[dict[int, Any]]:
    """Every signal at its default, as in a program of its own; put back after the test."""
    before = {number: signal.getsignal(number) for number in ENDING}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield now()
    for number, handler in before.items():
        signal.signal(number, handler)


def now() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in ENDING}


def test_it_is_ctrl_c_a_cancel_and_a_terminal_that_was_closed() -> None:
    assert set(ENDING) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@pytest.mark.parametrize("number", ENDING)
def test_meanwhile_no_signal_ends_us(number: int, handlers: dict[int, Any]) -> None:
    with ignoring_signals():
        os.kill(os.getpid(), number)
    assert now() == handlers


def test_after_a_failure_signals_end_us_again(handlers: dict[int, Any]) -> None:
    with pytest.raises(ZeroDivisionError), ignoring_signals():
        raise ZeroDivisionError
    assert now() == handlers


def test_in_another_thread_nothing_changes(handlers: dict[int, Any]) -> None:
    seen: list[dict[int, Any]] = []

    def put_back() -> None:
        with ignoring_signals():
            seen.append(now())

    thread = threading.Thread(target=put_back)
    thread.start()
    thread.join()
    assert seen == [handlers]


@pytest.mark.parametrize("number", ENDING)
def test_each_of_them_is_a_keyboard_interrupt(number: int, handlers: dict[int, Any]) -> None:
    def wait() -> None:
        with ending_like_ctrl_c():
            os.kill(os.getpid(), number)
            signal.pause()

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert now() == handlers


def test_what_somebody_has_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    with ending_like_ctrl_c():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_cancelled_program_puts_back_what_it_changed() -> None:
    script = (
        "import signal\n"
        "from asymm_deploy.signals import ending_like_ctrl_c\n"
        "try:\n"
        "    with ending_like_ctrl_c():\n"
        "        print('begun', flush=True)\n"
        "        signal.pause()\n"
        "finally:\n"
        "    print('put back', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        program.terminate()
        said, complaint = program.communicate(timeout=60)
    assert said == "put back\n"
    assert "KeyboardInterrupt" in complaint


PUTTING_BACK = """
import subprocess, sys, time
from asymm_deploy.signals import end_at_second_ctrl_c, ignoring_signals
end_at_second_ctrl_c()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
try:
    print(child.pid, flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    with ignoring_signals():
        print("putting back", flush=True)
        end = time.monotonic() + 600
        while time.monotonic() < end:
            time.sleep(1)
"""


def test_a_second_ctrl_c_ends_what_is_putting_back_and_its_children() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PUTTING_BACK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "putting back\n"
        time.sleep(0.1)  # closer ones count as one
        program.send_signal(signal.SIGINT)
        _, complaint = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "ended at once" in complaint
    assert "Traceback" not in complaint
    with pytest.raises(ProcessLookupError):
        wait_until_gone(child)


def wait_until_gone(process: int) -> None:
    for _ in range(200):
        os.kill(process, 0)
        time.sleep(0.05)


SERVING = """
import signal, time
from multiprocessing import forkserver
from asymm_deploy.signals import end_at_second_ctrl_c
end_at_second_ctrl_c()
signal.signal(signal.SIGINT, lambda number, frame: print("heard", flush=True))
forkserver.ensure_running()
print("begun", flush=True)
while True:
    time.sleep(1)
"""


def test_a_second_ctrl_c_leaves_no_socket_of_a_fork_server(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVING],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        assert list(tmp_path.iterdir()) != []
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "heard\n"
        time.sleep(0.1)  # closer ones count as one
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=20)
    assert program.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_a_signal_is_heard_when_what_it_would_have_broken_is_whole(
    handlers: dict[int, Any],
) -> None:
    made: list[str] = []

    def make() -> None:
        with ending_like_ctrl_c(), delaying_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            made.append("whole")

    with pytest.raises(KeyboardInterrupt):
        make()
    assert made == ["whole"]
    assert now() == handlers
