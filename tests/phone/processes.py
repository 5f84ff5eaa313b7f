"""Processes known by a mark in their environment, which their children inherit."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PAUSE_S = 0.002


def marked(name: str, value: str) -> list[int]:
    """Return the living processes that have this variable in the environment they began with."""
    wanted = f"{name}={value}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
    return found


def kill(find: Callable[[], list[int]]) -> None:
    """Kill what ``find`` returns until it finds none, those born meanwhile included."""
    while pids := find():
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
