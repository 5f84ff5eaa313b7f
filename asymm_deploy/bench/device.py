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
    conditions: Conditions | None = None
    """What it read around the program, where it can."""


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

    def held(self, cpus: Sequence[int], files: Sequence[Path]) -> AbstractContextManager[None]:
        """Have the device ready for timing on ``cpus`` meanwhile, and leave it as it was.

        Our own processes keep off ``cpus``, as far as that is possible. ``files`` will be put
        there. Raises HarnessError where the device is in no state to be timed.
        """
        ...

    def cool_down(self, *, is_hot: bool) -> None:
        """Wait for as long as the device needs that has slowed itself down.

        ``is_hot`` says that its sensors show why; if not, it may have been a passing disturbance.
        """
        ...

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run a program to its end, or kill it and all it started when the time is up.

        Only while the device is ``held``. Returns even when the code is not zero, or the program
        can't be started (127). On an exception (Ctrl-C) the program is killed, at the latest when
        the device is no longer held.
        """
        ...
