"""Several devices at the same time, each made and timed by its own process.

Only the parent writes to the results folder. A device's process sends it each record and waits
until that is on disk, so a finished launch is kept whatever happens to the process. A device is
made where it is timed: a phone's connections and lock can't be handed to another process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, Protocol, TypeAlias

from asymm_deploy.bench import measure
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.paired.pair_row import PairedSubjects
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.bench.store import Journal, Runs
from asymm_deploy.errors import DeployError, HarnessError
from asymm_deploy.signals import holding_back_ctrl_c, ignoring_signals

DeviceMaker: TypeAlias = Callable[[Callable[[str], None]], Device]
"""Makes a device, given where it sends remarks for people. Can be pickled."""
_Kind = Literal["ready", "record", "event", "say", "rows", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """What came of one device."""

    name: str
    rows: tuple[RowSummary, ...]
    failure: DeployError | None = None
    """Why its timing ended early; its finished launches are in the results."""


@dataclass(frozen=True, slots=True)
class WorkOutcome:
    """What came of one device's work."""

    name: str
    made: tuple[Any, ...]
    """What the work returned."""
    failure: DeployError | None = None
    """Why it ended early; the records that were made are kept."""


DeviceWork: TypeAlias = Callable[[Device, Any, Callable[[Any], None]], Sequence[Any]]
"""What is done on each device, given its journal and where events go. Can be pickled."""


class Keeper(Protocol):
    """Records of one kind, which can be added to."""

    @property
    def records(self) -> tuple[Any, ...]:
        """All records, in the order in which they were added."""
        ...

    def append(self, record: Any) -> None:
        """Add a record; return when it is on disk, raise HarnessError if that fails."""
        ...


def named_failures(outcomes: Sequence[DeviceOutcome | WorkOutcome]) -> list[DeployError]:
    """Return what has failed; of several devices each is named, in front unless it is anyway."""
    failures = [(each.name, each.failure) for each in outcomes if each.failure is not None]
    return [
        failure if len(outcomes) == 1 or name in failure.what else failure.about(name)
        for name, failure in failures
    ]


@contextmanager
def started_fleet(makers: dict[str, DeviceMaker], tell: Callable[[str], None]) -> Iterator[Fleet]:
    """Start a process for each device, which makes it and asks what it is; yield them all.

    Raises the DeployError of the first one that can't be used. The processes end with the context.
    """
    context = multiprocessing.get_context("spawn")
    children: dict[Connection, _Child] = {}
    try:
        for name, make in makers.items():
            ours, theirs = context.Pipe()
            process = context.Process(target=_child, args=(theirs, make), name=name)
            # A terminal's Ctrl-C must not reach it until it has a process group of its own.
            with holding_back_ctrl_c():
                process.start()
            theirs.close()
            children[ours] = _Child(name, process)
        fleet = Fleet(children, tell)
        fleet.wait_until_ready()
        yield fleet
    finally:
        for pipe, child in children.items():
            pipe.close()  # a process without work ends then
            child.end()


class Fleet:
    """Devices that are ready, each in a process of its own."""

    def __init__(self, children: dict[Connection, _Child], tell: Callable[[str], None]) -> None:
        """Take the processes, each by the pipe to it."""
        self._children = children
        self._tell = tell

    def wait_until_ready(self) -> None:
        """Wait until every device has said what it is; raise the failure of one that can't."""
        waiting = dict(self._children)
        while waiting:
            for pipe in wait(list(waiting)):
                assert isinstance(pipe, Connection)
                kind, what = _received(pipe, waiting[pipe])
                if kind == "say":
                    self._tell(what)
                elif kind == "ready":
                    del waiting[pipe]
                elif kind == "interrupted":
                    raise KeyboardInterrupt
                else:
                    assert isinstance(what, DeployError)
                    raise what

    def time(
        self,
        subjects: Sequence[Artifact | Missing],
        plan: Plan,
        runs: Runs,
        on_event: Callable[[str, measure.BenchEvent], None],
        pairs: Sequence[PairedSubjects] = (),
    ) -> list[DeviceOutcome]:
        """Time every subject on every device at the same time; one that fails stops no other.

        ``pairs`` are timed in turns besides, as in ``measure.time_models``.

        On Ctrl-C every device is restored before KeyboardInterrupt is raised here.
        """
        work = partial(_timing, subjects=list(subjects), pairs=list(pairs), plan=plan)
        outcomes = self.perform(work, runs, on_event)
        return [DeviceOutcome(each.name, each.made, each.failure) for each in outcomes]

    def perform(
        self, work: DeviceWork, runs: Keeper, on_event: Callable[[str, Any], None]
    ) -> list[WorkOutcome]:
        """Do ``work`` on every device at the same time; one that fails stops no other.

        On Ctrl-C every device is restored before KeyboardInterrupt is raised here.
        """
        try:
            for pipe in self._children:
                with suppress(OSError):  # it died; that is noticed below
                    pipe.send((work, runs.records))
            return self._serve(runs, on_event)
        except KeyboardInterrupt:
            with ignoring_signals():
                for child in self._children.values():
                    child.interrupt()
                self._serve(runs, on_event)
            raise

    def _serve(self, runs: Keeper, on_event: Callable[[str, Any], None]) -> list[WorkOutcome]:
        """Do what the processes ask for, until each has said how it ended."""
        open_ = {pipe: child for pipe, child in self._children.items() if child.outcome is None}
        while open_:
            for pipe in wait(list(open_)):
                assert isinstance(pipe, Connection)
                child = open_[pipe]
                kind, what = _received(pipe, child)
                if kind == "record":
                    pipe.send(_kept(runs, what))
                elif kind == "event":
                    on_event(child.name, what)
                elif kind == "say":
                    self._tell(what)
                else:
                    rows = tuple(what) if kind == "rows" else ()
                    failure = what if kind == "failed" else None
                    child.outcome = WorkOutcome(child.name, rows, failure)
                    del open_[pipe]
        return [child.outcome for child in self._children.values() if child.outcome is not None]


@dataclass(slots=True)
class _Child:
    name: str
    process: Any  # multiprocessing names no type that all of its contexts share
    outcome: WorkOutcome | None = None

    def interrupt(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        """Wait for the process, and terminate it if it doesn't end by itself."""
        self.process.join(5)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


def _received(pipe: Connection, child: _Child) -> tuple[_Kind, Any]:
    """Return what a process sent; if it died, that is the failure."""
    try:
        kind, what = pipe.recv()
    except (EOFError, OSError):
        child.process.join(5)
        died = f"the process for {child.name} ended with code {child.process.exitcode}"
        return "failed", HarnessError(died, "repeat the command: it continues where it stopped")
    return kind, what


def _kept(runs: Keeper, record: Any) -> DeployError | None:
    try:
        runs.append(record)
    except DeployError as error:
        return error
    return None


def _timing(
    device: Device,
    runs: Journal,
    on_event: Callable[[measure.BenchEvent], None],
    *,
    subjects: Sequence[Artifact | Missing],
    pairs: Sequence[PairedSubjects],
    plan: Plan,
) -> list[RowSummary]:
    """Time models as ``measure.time_models`` does, in the order that work has its arguments in."""
    return measure.time_models(device, subjects, plan, runs, on_event, pairs)


class _Elsewhere:
    """The records, in a device's process: the parent writes them."""

    def __init__(self, pipe: Connection, records: tuple[Any, ...]) -> None:
        self._pipe = pipe
        self._records = list(records)

    @property
    def records(self) -> tuple[Any, ...]:
        return tuple(self._records)

    def append(self, record: Any) -> None:
        """Return when the parent has the record on disk."""
        self._pipe.send(("record", record))
        failure = self._pipe.recv()
        if failure is not None:
            raise failure
        self._records.append(record)


def _child(pipe: Connection, make: DeviceMaker) -> None:
    """Make one device, then time what is asked for; the last message says how it ended."""
    # A terminal's Ctrl-C reaches a whole group; here it must come once, from the parent.
    os.setpgid(0, 0)
    # The parent may ignore Ctrl-C (a script's ``bench &``), and passes SIGTERM on as Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def send(kind: _Kind, what: object) -> None:
        pipe.send((kind, what))

    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        device = make(lambda text: send("say", text))
        device.facts(())
        send("ready", None)
        work, records = pipe.recv()
        send("rows", work(device, _Elsewhere(pipe, records), lambda event: send("event", event)))
    except DeployError as error:
        send("failed", error)
    except KeyboardInterrupt:
        with suppress(OSError):
            send("interrupted", None)
    except (OSError, EOFError):
        return  # the parent is gone; the device was restored
