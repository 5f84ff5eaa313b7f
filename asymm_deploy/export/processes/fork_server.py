"""What the fork server imports, and no other process; each model's process is a copy of it.

Threads that wait sleep here. OpenMP's would spin on cores that other work could use: a model that
takes 1.1 s of CPU time on two threads took 2.6 s. Memory that was freed is kept for the next
tensor: a third of the time of large networks went into fresh pages.

The server ends without taking torch apart, which would take a second. Whoever reads the command's
output would wait for that, since the server has inherited its end of the pipe.

If the command is killed, the server ends at once, with the models' processes, and removes the
socket that the command can't remove any more.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

from asymm_deploy.signals import die_with_parent

_SERVER, _COMMAND = os.getpid(), os.getppid()


def _leave() -> None:
    if os.getpid() != _SERVER:
        return
    address: str | None = vars(forkserver)["_forkserver"]._forkserver_address
    if address:
        with suppress(OSError):  # the command has removed it, as it does unless it is killed
            Path(address).unlink()
            Path(address).parent.rmdir()
    os._exit(0)


def _on_death_of_parent(_number: int, _frame: object) -> None:
    """Leave, if it was the command that died, and not only the thread that started us.

    Until the socket's address is known we go on: the server's loop will notice, and end.
    """
    if os.getppid() != _COMMAND and vars(forkserver)["_forkserver"]._forkserver_address:
        _leave()


signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command handles it
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
signal.signal(signal.SIGUSR1, _on_death_of_parent)
die_with_parent(by=signal.SIGUSR1)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt: free memory to keep, and the size from which a block is mapped alone."""
_KEPT_BYTES = 1 << 30
_MAPPED_FROM_BYTES = 32 << 20  # the largest that glibc takes

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded
if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc alone has it
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)

from asymm_deploy.export import worker  # noqa: E402, F401

atexit.register(_leave)
