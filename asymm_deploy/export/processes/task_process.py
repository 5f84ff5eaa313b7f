"""Tasks side by side, each in a process of its own, of which any end is noticed at once.

What a task runs is not ours: a user's code may call ``os._exit(0)``, close every file, leave
threads and processes behind, or be killed. Whatever it does, its task ends with a result or with a
reason, and what it started ends with it.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from asymm_deploy.signals import delaying_signals, die_with_parent

_Result = TypeVar("_Result")

_LAST_WORDS_S = 1.0
"""How long a process that has closed its pipe may take to end."""

_LOOK_AGAIN_S = 0.2
"""A child that a process leaves behind holds its pipes open, and nothing wakes who waits."""


@dataclass(frozen=True)
class TaskEnd(Generic[_Result]):
    """How a task ended; where it has no result, ``reason`` says why."""

    index: int
    result: _Result | None
    reason: str = ""
    started: bool = True
    """Whether there was a process at all."""


def run_tasks(
    task: Callable[..., _Result],
    arguments: Sequence[tuple[object, ...]],
    *,
    at_once: int,
    timeout_s: float,
    context: Any,  # multiprocessing names no type that all of its contexts share
) -> Generator[TaskEnd[_Result]]:
    """Run ``task`` with each of ``arguments``; yield the ends as they come.

    All processes are gone when the iterator ends, or is closed.
    """
    waiting = deque(enumerate(arguments))
    running: list[_Running[_Result]] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                index, given = waiting.popleft()
                try:
                    with delaying_signals():  # else it might run on, and nobody know of it
                        running.append(_Running(context, index, task, given, timeout_s))
                except (OSError, EOFError) as error:
                    yield TaskEnd(index, None, repr(error), started=False)
            for each in _ready(running):
                running.remove(each)
                each.kill()
                yield each.end()
    finally:
        for each in running:
            each.kill()


class _Running(Generic[_Result]):
    """A process that was started."""

    def __init__(
        self,
        context: Any,
        index: int,
        task: Callable[..., _Result],
        arguments: tuple[object, ...],
        timeout_s: float,
    ) -> None:
        self._index = index
        self._timeout_s = timeout_s
        self._end: TaskEnd[_Result] | None = None
        self.deadline = time.monotonic() + timeout_s
        self.pipe: Connection
        self.pipe, theirs = context.Pipe(duplex=False)
        try:
            self.process = context.Process(target=_serve, args=(theirs, task, arguments))
            self.process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()

    def has_ended(self) -> bool:
        """Whether there is a result, or there will be none."""
        code = self.process.exitcode  # looked at first: what it sent last is there by then
        if self.pipe.poll():
            try:
                self._end = TaskEnd(self._index, self.pipe.recv())
            except Exception:  # EOFError, or bytes that nobody can read
                self.process.join(_LAST_WORDS_S)
                self._end = TaskEnd(self._index, None, self._cause())
        elif code is not None:
            self._end = TaskEnd(self._index, None, self._cause())
        elif time.monotonic() > self.deadline:
            self._end = TaskEnd(self._index, None, f"it took over {self._timeout_s:g} s")
        return self._end is not None

    def end(self) -> TaskEnd[_Result]:
        """Return how it ended, once it ``has_ended``."""
        assert self._end is not None
        return self._end

    def kill(self) -> None:
        """End the process and all that it started; wait until it is gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # it may not have its group yet
        self.process.join()
        self.pipe.close()

    def _cause(self) -> str:
        code = self.process.exitcode
        if code is None:
            return "it closed the pipe through which its result should come"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _ready(running: Sequence[_Running[_Result]]) -> list[_Running[_Result]]:
    """Wait until at least one has ended, and return those that have."""
    while running:
        ended = [each for each in running if each.has_ended()]
        if ended:
            return ended
        left_s = min(each.deadline for each in running) - time.monotonic()
        handles = [handle for each in running for handle in (each.pipe, each.process.sentinel)]
        wait(handles, timeout=min(max(0.0, left_s), _LOOK_AGAIN_S))
    return []


def stand_behind_parent() -> None:
    """Leave Ctrl-C to the parent, and stdout to its data: what this process prints is for stderr.

    For processes that run tasks, to call first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)


def _serve(pipe: Connection, task: Callable[..., object], arguments: tuple[object, ...]) -> None:
    os.setpgid(0, 0)  # so that what the task starts can be ended with it
    die_with_parent()
    with suppress(BrokenPipeError):  # whoever waited has been killed
        pipe.send(task(*arguments))
    pipe.close()
