"""A runner that goes on for minutes, followed on this machine: what it prints comes as it comes."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from asymm_deploy.bench.device import Completed, Device
from asymm_deploy.bench.native.programs import end_group
from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.bench.sustained.host_readings import HostSensors
from asymm_deploy.bench.wire import WireError

Take: TypeAlias = Callable[[bytes, CurveReading | None], None]
"""Takes what a runner has printed since, and what the device said of itself just then."""

_POLL_S = 0.25
_STDERR_TAIL_BYTES = 64 * 2**10
_PIECE_BYTES = 2**20
_NOT_STARTED = 127  # a shell's code if there is no such program


class KillAfter(msgspec.Struct, frozen=True, kw_only=True):
    """When a runner that goes on for minutes counts as hung; in seconds."""

    total_s: float
    """Since its start."""
    silent_s: float
    """Since it last told of something: it tells of each second, once a run has ended in it."""


class LostLaunchError(Exception):
    """A launch is gone with the device that it was on, and its end is not known; the text says how.

    What it printed before was taken.
    """


class Follower(Protocol):
    """Starts runners on a device, and follows them."""

    cpus: Sequence[int]
    """The timed cores, to be set before anything is started."""

    @property
    def device(self) -> Device:
        """Where they run."""
        ...

    def goes_on(self, name: str) -> bool:
        """Whether the launch of this name, of a command that has ended, goes on or has its result.

        If so, ``follow`` takes it up from its start, and the device is held without ending it.
        """
        ...

    @property
    def can_rest(self) -> bool:
        """Whether ``rest`` does anything: of some devices nobody can tell how hot they are."""
        ...

    def rest(self) -> None:
        """Wait until a device that has been at work for long is as it was before."""
        ...

    def follow(self, argv: Sequence[str], name: str, *, limits: KillAfter, take: Take) -> Completed:
        """Run a program to its end, or kill it when the time is up; give its output to ``take``.

        ``stdout`` of what is returned is empty. On an exception, also one of ``take``, the program
        is killed, at the latest when the device is released. Raises WireError if it was silent for
        too long, and LostLaunchError where the device lost it.
        """
        ...


@dataclass(slots=True)
class HostFollower:
    """On this machine a runner ends with the command that started it."""

    device: Device
    cpus: Sequence[int] = ()

    def goes_on(self, name: str) -> bool:
        """Return False: it has ended."""
        del name
        return False

    @property
    def can_rest(self) -> bool:
        """Return False: nobody can tell how long a host needs."""
        return False

    def rest(self) -> None:
        """Do nothing."""

    def follow(self, argv: Sequence[str], name: str, *, limits: KillAfter, take: Take) -> Completed:
        """Read the pipe; sensors are read whenever something has come."""
        del name
        start_ns = time.monotonic_ns()
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            text = f"can't start {argv[0]}: {error.strerror}"
            return Completed(b"", text.encode(errors="replace"), _NOT_STARTED)
        sensors = HostSensors(self.cpus)
        try:
            err, timed_out = _read(
                process, limits, start_ns / 1e9, lambda piece: take(piece, sensors.reading())
            )
        finally:
            end_group(process)
        return Completed(
            b"",
            err,
            process.returncode,
            elapsed_ns=None if timed_out else time.monotonic_ns() - start_ns,
            timed_out=timed_out,
        )


def _read(
    process: subprocess.Popen[bytes],
    limits: KillAfter,
    start: float,
    take: Callable[[bytes], None],
) -> tuple[bytes, bool]:
    """Give all that a process prints to ``take`` until it ends; return its last words of stderr.

    And whether time was up before. Raises WireError if it is silent for too long.
    """
    err = bytearray()
    deadline, heard = start + limits.total_s, start
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            # Before looking for output: all that a program has printed is there once it has ended.
            ended = process.poll() is not None
            ready = selector.select(_POLL_S)
            for key, _events in ready:
                piece = os.read(key.fd, _PIECE_BYTES)
                if not piece:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    take(piece)
                    heard = time.monotonic()
                else:
                    err += piece
                    del err[:-_STDERR_TAIL_BYTES]
            if ended and not ready:
                break  # what it started may keep the streams open
            if time.monotonic() >= deadline:
                return bytes(err), True
            # We may have been stopped for long, and not have looked since.
            silence_s = time.monotonic() - heard
            if not ended and not selector.select(0):
                require_heard(silence_s, limits)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return bytes(err), True
    return bytes(err), False


def require_heard(silence_s: float, limits: KillAfter) -> None:
    """Raise WireError for a runner that has told of nothing for too long; it is to be killed."""
    if silence_s > limits.silent_s:
        raise WireError(
            f"the runner told of nothing for {limits.silent_s:g} s and was killed "
            "(--launch-timeout gives it longer)"
        )
