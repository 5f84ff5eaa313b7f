"""Several devices side by side: a process each, and one results folder, which only we write to.

A device's process sends each record here and goes on when it is on disk, so what is finished is
kept whatever happens to the process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, TypeAlias

from asymm_deploy.bench import measure
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.bench.store import Runs
from asymm_deploy.errors import DeployError, HarnessError
from asymm_deploy.signals import undisturbed

Maker: TypeAlias = Callable[[Callable[[str], None]], Device]
"""Makes a device, given whom it tells what people should know. Can be pickled."""
_CTRL_C = (signal.SIGINT,)
_Kind = Literal["record", "event", "say", "rows", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one device."""

    name: str
    rows: tuple[RowSummary, ...]
    failure: DeployError | None = None
    """Why it could not be timed to the end; its finished launches are in the results."""


def run(
    makers: dict[str, Maker],
    subjects: Sequence[Artifact | Missing],
    plan: Plan,
    runs: Runs,
    on_event: Callable[[str, measure.Event], None],
    tell: Callable[[str], None],
) -> list[Outcome]:
    """Time every subject on every device at the same time; one that fails stops no other.

    On Ctrl-C each device is put back as it was before KeyboardInterrupt is passed on.
    """
    context = multiprocessing.get_context("spawn")
    children: dict[Connection, _Child] = {}
    try:
        for name, make in makers.items():
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_child, args=(theirs, make, list(subjects), plan, runs.records), name=name
            )
            # Until it has a group of its own, a terminal's Ctrl-C must not reach it.
            with _blocked():
                process.start()
            theirs.close()
            children[ours] = _Child(name, process)
        return _serve(children, runs, on_event, tell)
    except KeyboardInterrupt:
        with undisturbed():
            for child in children.values():
                child.interrupt()
            _serve(children, runs, on_event, tell)
        raise
    finally:
        for child in children.values():
            child.end()


@contextmanager
def _blocked() -> Iterator[None]:
    """Hold back Ctrl-C for a moment; a process that is started meanwhile begins with it blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _CTRL_C)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CTRL_C)


@dataclass(slots=True)
class _Child:
    name: str
    process: Any  # multiprocessing names no type that all of its contexts share
    outcome: Outcome | None = None

    def interrupt(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        """Wait for it; one that doesn't end by itself is ended."""
        self.process.join(5 if self.outcome is not None else 0)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


def _serve(
    children: dict[Connection, _Child],
    runs: Runs,
    on_event: Callable[[str, measure.Event], None],
    tell: Callable[[str], None],
) -> list[Outcome]:
    """Do what the processes ask until each has said how it ended."""
    open_ = {pipe: child for pipe, child in children.items() if child.outcome is None}
    while open_:
        for ready in wait(list(open_)):
            assert isinstance(ready, Connection)
            child = open_[ready]
            try:
                kind, what = ready.recv()
            except (EOFError, OSError):
                kind, what = "failed", _died(child)
            if kind == "record":
                ready.send(_kept(runs, what))
            elif kind == "event":
                on_event(child.name, what)
            elif kind == "say":
                tell(what)
            else:
                rows = tuple(what) if kind == "rows" else ()
                failure = what if kind == "failed" else None
                child.outcome = Outcome(child.name, rows, failure)
                del open_[ready]
    return [child.outcome for child in children.values() if child.outcome is not None]


def _died(child: _Child) -> HarnessError:
    child.process.join(5)
    return HarnessError(
        f"the process for {child.name} ended with code {child.process.exitcode}",
        "give the same command again: it goes on where it stopped",
    )


def _kept(runs: Runs, record: LaunchRecord) -> DeployError | None:
    try:
        runs.append(record)
    except DeployError as error:
        return error
    return None


class _Elsewhere:
    """The records, for a process that is not the one to write them."""

    def __init__(self, pipe: Connection, records: tuple[LaunchRecord, ...]) -> None:
        self._pipe = pipe
        self._records = list(records)

    @property
    def records(self) -> tuple[LaunchRecord, ...]:
        return tuple(self._records)

    def append(self, record: LaunchRecord) -> None:
        """Return when the record is on disk."""
        self._pipe.send(("record", record))
        failure = self._pipe.recv()
        if failure is not None:
            raise failure
        self._records.append(record)


def _child(
    pipe: Connection,
    make: Maker,
    subjects: list[Artifact | Missing],
    plan: Plan,
    records: tuple[LaunchRecord, ...],
) -> None:
    """Time everything on one device; the last thing sent says how it ended."""
    # A terminal's Ctrl-C reaches the whole group; here it must come once, from who waits for us.
    os.setpgid(0, 0)
    # Ours may be ignored (a script's ``bench &``) and still be cancelled by SIGTERM.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def send(kind: _Kind, what: object) -> None:
        pipe.send((kind, what))

    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CTRL_C)
        device = make(lambda text: send("say", text))
        rows = measure.run(
            device, subjects, plan, _Elsewhere(pipe, records), lambda event: send("event", event)
        )
        send("rows", rows)
    except DeployError as error:
        send("failed", error)
    except KeyboardInterrupt:
        send("interrupted", None)
    except (OSError, EOFError):
        return  # who would hear of it is gone; what was changed on the device is put back
