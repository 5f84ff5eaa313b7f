"""What the runner asks of the kernel: pinning, time lost, memory. Linux, and in part macOS."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from asymm_deploy.signals import die_with_parent

_STEAL_FIELD = 8  # proc(5): cpuN user nice system idle iowait irq softirq steal


class RefusedError(Exception):
    """The launch can't go on; the message is the reason."""


def pin(cpus: Sequence[int]) -> None:
    """Pin this process to ``cpus``; raise RefusedError where that is impossible."""
    listed = ", ".join(map(str, cpus))
    if sys.platform != "linux":
        raise RefusedError(f"can't pin to core {listed}: this system has no core affinity")
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise RefusedError(f"can't pin to core {listed}: {error.strerror}") from error
    if os.sched_getaffinity(0) != set(cpus):
        raise RefusedError(f"can't pin to core {listed}: the system allows only part of them")


def core_now() -> int | None:
    """Return the core that this call runs on; None where the system doesn't tell."""
    with suppress(AttributeError):
        core: int = ctypes.CDLL(None).sched_getcpu()
        return core if core >= 0 else None
    return None


def die_with(parent: int) -> None:
    """Have this process killed when ``parent`` dies, so that it never disturbs a later launch.

    Raises RefusedError if ``parent`` is already gone.
    """
    die_with_parent()
    if os.getppid() != parent:
        raise RefusedError("the program that started the runner is gone")


def waited_ns() -> int | None:
    """Return how long this process's threads were ready but not running, summed over the threads.

    None if unknown. It is the second field of schedstat.
    """
    try:
        tasks = list(Path("/proc/self/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks)
    except (OSError, IndexError, ValueError):
        return None


def steal_ns(cpus: Sequence[int]) -> int | None:
    """Return the time that the hypervisor took from ``cpus`` since boot; None if unknown."""
    try:
        rows = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
        fields = {row[0]: row for row in rows if row}
        ticks = sum(int(fields[f"cpu{cpu}"][_STEAL_FIELD]) for cpu in cpus)
    except (OSError, IndexError, KeyError, ValueError):
        return None
    return ticks * 10**9 // os.sysconf("SC_CLK_TCK")


def peak_memory_mb() -> float | None:
    """Return the peak resident memory of this program, in 2**20 bytes; None if unknown.

    On Linux getrusage is no use: its maximum includes the process before exec, which is the
    program that started the runner.
    """
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, IndexError, ValueError):
        pass
    return None
