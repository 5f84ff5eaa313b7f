"""Processes that are killed and started again, as a supervisor such as systemd does."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.phone import processes

_MARK = "ASYMM_LAB_PROCESS"
_END_S = 30.0


class Supervised:
    """A program that runs until it is stopped; what it and its children print goes to a file."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._argv = list(argv)
        self._mark = uuid.uuid4().hex
        self._environment = {**environment, _MARK: self._mark}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_started(self) -> bool:
        """Whether it has ever been started."""
        return self._process is not None

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def start(self, *more: str) -> None:
        """Start it, in a session of its own and in the folder of its log, with ``more`` options."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._argv, *more],
                env=self._environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def children(self) -> list[int]:
        """Return the processes that it has started, or that those have."""
        marked = processes.marked(_MARK, self._mark)
        # An adb server outlives whoever needed it first.
        return [pid for pid in marked if pid != self.pid and not _runs(pid, b"fork-server")]

    def kill(self) -> None:
        """End the process alone, by SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_child(self, which: float) -> bool:
        """End one of its children, the one at ``which`` of [0, 1); return whether there was one.

        Not what tidies up behind Python's own processes, which does no work.
        """
        children = sorted(pid for pid in self.children() if not _runs(pid, b"resource_tracker"))
        if children:
            with suppress(ProcessLookupError):
                os.kill(children[int(which * len(children))], signal.SIGKILL)
        return bool(children)

    def kill_all(self) -> None:
        """End it and all that it started, as when the power fails."""
        self.kill()
        processes.kill(lambda: [pid for pid in self.children() if not _is_dead(pid)])

    def stop(self) -> int:
        """Ask it to end by SIGTERM; return its exit code."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.terminate()
        return self._process.wait(_END_S)

    def wait(self, timeout_s: float) -> int:
        """Return its exit code, once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def wait_for_usage(self) -> tuple[int, resource.struct_rusage]:
        """Return its exit code once it has ended, and what it used, with what it waited for."""
        assert self._process is not None
        _pid, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode, usage

    def printed(self) -> str:
        """Return all that it has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def cpu_s(self) -> float:
        """Return the processor time that it has used, with its children that live."""
        return sum(map(_cpu_s, (self.pid, *self.children())))

    def peak_mb(self) -> float:
        """Return the largest resident memory that the process alone has had."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0


def eventually_dead(pids: Sequence[int], within_s: float) -> list[int]:
    """Return those of ``pids`` that still live after a while."""
    deadline = time.monotonic() + within_s
    while (left := [pid for pid in pids if not _is_dead(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _runs(pid: int, word: bytes) -> bool:
    """Whether a word is in a process's command line."""
    with suppress(OSError):
        return word in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _cpu_s(pid: int) -> float:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, words[11:15])) / os.sysconf(
        "SC_CLK_TCK"
    )  # with children that it waited for
