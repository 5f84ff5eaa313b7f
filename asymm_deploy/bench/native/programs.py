"""Programs that come from elsewhere: runners, and what builds them.

None of them outlives its limit of time or what ends us, and none can fill the memory.
"""

from __future__ import annotations

import errno
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Completed, Tell

_POLL_S = 0.25
_TELL_S = 5.0
_STDERR_TAIL_BYTES = 64 * 2**10
_GRACE_S = 3.0
_END_ALL = 'trap "" TERM; kill -TERM 0; sleep 1; kill -KILL 0'
_TIE = (
    *("setpriv", "--pdeathsig=TERM"),
    *("sh", "-c", f'trap \'{_END_ALL}\' TERM; "$@" & wait "$!"', "sh"),
)
"""Before a command: it and all that it starts end when who started it dies, however.

Ninja gives each compiler a group of its own, and ends them only if it is asked to end itself.
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a program ended, and its last words."""

    returncode: int
    stdout: str
    stderr: str


class Growth:
    """Tells how much has come into a folder, every few seconds, as long as it grows."""

    def __init__(self, folder: Path, say: Tell) -> None:
        """Take the folder and what shows a line to the user."""
        self._folder, self._say = folder, say
        self._told_at, self._told = time.monotonic(), 0.0

    def tell(self) -> None:
        """Say it, if it is time."""
        if time.monotonic() < self._told_at + _TELL_S:
            return
        self._told_at = time.monotonic()
        size = 0
        for path in self._folder.rglob("*"):
            with suppress(OSError):  # it was a temporary one
                size += path.stat().st_size if path.is_file() else 0
        if size > self._told:
            self._told = size
            self._say(f"fetched {size / 1e6:.0f} MB so far")


def run_program(
    command: Sequence[str],
    *,
    limit_s: float,
    folder: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
    log: IO[bytes] | None = None,
    starts_others: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
) -> Said:
    """Run a program of the system to its end, in English and with nothing to read.

    ``variables`` are set beside those of our environment. ``log`` takes all that it prints, in the
    place of what is returned. ``starts_others`` is for one whose children take long: they end with
    us, even if we are killed. ``meanwhile`` is called every 0.25 s or more often. What raises an
    exception here kills the program and its children.

    Raises OSError whose ``strerror`` tells why it can't be started, or that it took longer than
    ``limit_s`` or printed without end.
    """
    tie: Sequence[str] = ()
    if starts_others and shutil.which("setpriv") and shutil.which("sh"):
        if shutil.which(command[0]) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
        tie = _TIE
    stream = subprocess.PIPE if log is None else log
    process = subprocess.Popen(
        [*tie, *command],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C", **variables},
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    )
    try:
        done = collected(process, time.monotonic() + limit_s, meanwhile, _stop)
    finally:
        _stop(process)
    if done.timed_out:
        raise TimeoutError(errno.ETIMEDOUT, f"it did not end within {limit_s:g} s", command[0])
    if done.flooded:
        raise OSError(errno.EFBIG, "it prints without end", command[0])
    return Said(
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )


def lacks_space(said: str) -> bool:
    """Whether a program says, in English, that a disk is full."""
    return os.strerror(errno.ENOSPC) in said


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Have a program that still runs end what it started, and itself; kill what is left."""
    try:
        if process.poll() is None:
            with suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(_GRACE_S)
    finally:
        end_group(process)


def collected(
    process: subprocess.Popen[bytes],
    deadline: float,
    meanwhile: Callable[[], None] = lambda: None,
    end: Callable[[subprocess.Popen[bytes]], None] | None = None,
) -> Completed:
    """Read what a session's first process prints until that ends, time is up, or it is too much.

    The process has ended then, and what it started; ``deadline`` is of the monotonic clock.
    """
    out, err = bytearray(), bytearray()
    timed_out = flooded = gone = False
    with selectors.DefaultSelector() as selector:
        for stream, into in ((process.stdout, out), (process.stderr, err)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, into)
        while selector.get_map() and not (timed_out or flooded or gone):
            # Before looking for output: all that a program has printed is there once it has ended.
            ended = process.poll() is not None
            ready = selector.select(min(_POLL_S, max(0.0, deadline - time.monotonic())))
            for key, _events in ready:
                chunk = os.read(key.fd, 2**20)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            del err[:-_STDERR_TAIL_BYTES]
            flooded = len(out) > wire.MAX_STREAM_BYTES
            timed_out = time.monotonic() >= deadline
            # A process that it started may keep the streams open after it has ended.
            gone = ended and not ready
            meanwhile()
    if not (timed_out or flooded):
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            timed_out = True
    (end or end_group)(process)
    return Completed(
        bytes(out), bytes(err), process.returncode, timed_out=timed_out, flooded=flooded
    )


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a session's first process and everything it started; collect its exit code."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
