"""Somewhere the runner can live: this machine, or a phone over adb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from asymm_deploy.bench.records import Conditions, DeviceFacts, Engine

Tell: TypeAlias = Callable[[str], None]
"""Shows one line to the user."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program on the device ended. The length of both streams is limited."""

    stdout: bytes
    stderr: bytes
    """Its last part."""
    returncode: int
    """Negative: the signal that ended it."""
    elapsed_ns: int | None = None
    """From before it was started until after it had ended, by our own monotonic clock.

    Nothing that it says it did can have taken longer. None where it did not run to its end.
    """
    timed_out: bool = False
    flooded: bool = False
    """It was killed because it printed too much."""
    flags: tuple[str, ...] = ()
    """What the device noticed meanwhile that spoils a timing: ``throttled``, ``hot``, ..."""
    conditions: Conditions | None = None
    """What it read before and after the program, if it can."""


@dataclass(frozen=True, slots=True)
class Runner:
    """How to start the runner on the device."""

    command: tuple[str, ...]
    """Comes before the protocol's arguments."""
    identity: str
    """Changes whenever timings might: versions of runner and engine, or a hash of the program."""


class Device(Protocol):
    """Somewhere the runner can live. Raises HarnessError if the device can't be reached."""

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        """Return what is known about the device; its clock is that of the first of ``cpus``."""
        ...

    def choose_cpus(
        self, wanted: int | None, threads: int, earlier: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Return the cores to pin to, one per thread; empty if the system can't pin.

        ``wanted`` is the first of them. If it is None the device chooses, and keeps the ``earlier``
        cores of a bench that is resumed if it still can. Raises UsageError for a core that
        doesn't exist or may not be used.
        """
        ...

    def runner(self, engine: Engine) -> Runner:
        """Return how to start the runner; raise HarnessError if there is none."""
        ...

    def put(self, source: Path) -> str:
        """Make a file available on the device, if it isn't yet; return its path there."""
        ...

    def held(self, cpus: Sequence[int], files: Sequence[Path]) -> AbstractContextManager[None]:
        """Keep the device ready for timing on ``cpus``, and leave it as it was found.

        Our own processes stay off ``cpus`` if possible. ``files`` are those that will be put there.
        Raises HarnessError if the device is not fit to be timed.
        """
        ...

    def cool_down(self, *, is_hot: bool) -> None:
        """Wait until a device that slowed itself down has recovered.

        ``is_hot``: its sensors show heat. If not, it may have been a brief disturbance.
        """
        ...

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run a program to its end, or kill it and everything it started when the time is up.

        Only while the device is ``held``. Returns even if the code is not zero or the program
        can't be started (127). On an exception such as Ctrl-C the program is killed, at the latest
        when the device is released.
        """
        ...
