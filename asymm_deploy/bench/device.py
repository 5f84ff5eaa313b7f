"""Somewhere the runner can live: this machine, or a phone over adb."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asymm_deploy.bench.records import DeviceFacts, Engine


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program on the device ended. Both streams are bounded in length."""

    stdout: bytes
    stderr: bytes
    """Its end."""
    returncode: int
    """Negative: the signal that ended it."""
    timed_out: bool = False
    flooded: bool = False
    """It was ended for printing more than anyone could want."""
    flags: tuple[str, ...] = ()
    """What the device noticed meanwhile that spoils a timing: ``throttled``, ``hot``, ..."""


@dataclass(frozen=True, slots=True)
class Runner:
    """How to start the runner on the device."""

    command: tuple[str, ...]
    """Comes before the protocol's arguments."""
    identity: str
    """Changes whenever timings might: versions of runner and engine, or a hash of the program."""


class Device(Protocol):
    """Somewhere the runner can live. Raises HarnessError where the device can't be reached."""

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        """Return what is known of the device, its clock as of the first of ``cpus``."""
        ...

    def choose_cpus(
        self, wanted: int | None, threads: int, earlier: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Return the cores to pin to, one a thread; empty where the system can't pin.

        ``wanted`` is the first of them, None leaves it to the device; then ``earlier`` ones, which
        a bench that is resumed has used, are kept if that is still possible. Raises UsageError for
        a core that doesn't exist or may not be used.
        """
        ...

    def runner(self, engine: Engine) -> Runner:
        """Return how to start the runner; raise HarnessError if there is none."""
        ...

    def put(self, source: Path) -> str:
        """Make a file available on the device, if it isn't yet; return its path there."""
        ...

    def kept_free(self, cpus: Sequence[int]) -> AbstractContextManager[None]:
        """Keep our own processes off ``cpus`` meanwhile, as far as that is possible."""
        ...

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run a program to its end, or kill it and all it started when the time is up.

        Returns even when the code is not zero, or the program can't be started (127). On an
        exception (Ctrl-C) the program is killed before it is passed on.
        """
        ...
