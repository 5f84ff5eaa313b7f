"""Signals that end the program: held off, handled as Ctrl-C is, or sent when its parent dies."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A terminal's Ctrl-C, a CI system's cancel, a terminal that was closed."""

_SAME_S = 0.05
"""A wrapper may pass on the Ctrl-C that the terminal sent us as well: so close, two are one."""
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Have this process sent ``by`` when the one that started it dies; nothing without prctl."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)


@contextmanager
def ignoring_signals() -> Iterator[None]:
    """Ignore what would end the program, while something is put back; it must be short.

    Does nothing in other threads than the main one, which no signal reaches.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handled_by(_nothing):
        yield


def ignore_signals_from_now_on() -> None:
    """Let nothing disturb the end of the program but a second Ctrl-C. For the main thread."""
    _handle_by(_nothing)


def end_like_ctrl_c_from_now_on() -> None:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, as SIGINT is. For the main thread."""
    _handle_by(signal.default_int_handler)


@contextmanager
def holding_back_ctrl_c() -> Iterator[None]:
    """Block SIGINT in this thread, and in the processes that it starts; they unblock it themselves.

    A Ctrl-C that comes meanwhile is heard afterwards. Processes of multiprocessing need its
    resource tracker, which unblocks SIGINT when it is started: so that is running before.
    """
    from multiprocessing import resource_tracker

    with suppress(OSError):  # what needs it will say so
        resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def delaying_signals() -> Iterator[None]:
    """Hear what would raise an exception only afterwards: what is made here is never lost halfway.

    Does nothing in other threads than the main one, which no signal reaches.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    with _handled_by(lambda number, _frame: came.append(number), callable) as before:
        yield
    first = before[signal.Signals(came[0])] if came else None
    if callable(first):
        first(came[0], None)


@contextmanager
def ending_like_ctrl_c() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that phones are put back as they were.

    CI systems cancel with SIGTERM; SIGHUP is the end of a terminal. A signal that is ignored, as
    under nohup, stays ignored.
    """
    with _handled_by(signal.default_int_handler):
        yield


def end_at_second_ctrl_c() -> None:
    """From now on a second SIGINT, or a second SIGTERM, ends this process and those it started.

    Whatever the main thread does: it may be putting a phone back, or wait for a disk. The exit code
    is 130. Does nothing in a process that was forked from this one. Call it once, in the main
    thread.
    """
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    signal.set_wakeup_fd(pythons.detach(), warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_count, args=(ours,), name="signals", daemon=True).start()


def _count(numbers: socket.socket) -> None:
    first: dict[int, float] = {}
    while True:
        for number in numbers.recv(1):
            now = time.monotonic()
            if number not in (signal.SIGINT, signal.SIGTERM):
                continue
            if now - first.setdefault(number, now) > _SAME_S:
                _end()


def _end() -> None:
    """Kill what this process has started, then itself."""
    with suppress(OSError):
        os.write(2, b"\nended at once; a phone may not be put back as it was\n")
    for process in _descendants(os.getpid()):
        with suppress(OSError):
            os.kill(process, signal.SIGKILL)
    if "multiprocessing.forkserver" in sys.modules:  # its socket lies there, and it is dead
        from multiprocessing.util import get_temp_dir

        shutil.rmtree(get_temp_dir(), ignore_errors=True)
    os._exit(130)


def _descendants(of: int) -> list[int]:
    """Return the processes that ``of`` started, and theirs; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found = [of]
    for process in found:
        found += children.get(process, [])
    return found[1:]


_Handler: TypeAlias = "Callable[[int, FrameType | None], Any] | int | None"


def _is_not_ignored(handler: _Handler) -> bool:
    return handler != signal.SIG_IGN


@contextmanager
def _handled_by(
    handler: Callable[[int, FrameType | None], object],
    replaces: Callable[[_Handler], bool] = _is_not_ignored,
) -> Iterator[dict[signal.Signals, _Handler]]:
    """Handle what would end the program by ``handler``; yield what does so before and after."""
    before = _handle_by(handler, replaces)
    try:
        yield before
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _handle_by(
    handler: Callable[[int, FrameType | None], object],
    replaces: Callable[[_Handler], bool] = _is_not_ignored,
) -> dict[signal.Signals, _Handler]:
    """Set the handler of each signal whose own one it ``replaces``; return what was set before.

    One that is ignored stays so: it could not be counted, and under nohup it is meant.
    """
    before: dict[signal.Signals, _Handler] = {each: signal.getsignal(each) for each in ENDING}
    for number, former in before.items():
        if replaces(former):
            signal.signal(number, handler)
    return before


def _nothing(_number: int, _frame: object) -> None:
    """Let a signal pass."""
