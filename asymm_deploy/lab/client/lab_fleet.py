"""Several phones of a lab timed at the same time, each by a thread that waits for its worker.

Only the main thread writes to the results folder. A phone's thread hands it what is to be written,
and waits until that is on disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from asymm_deploy.bench import measure
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.device import Device, Tell
from asymm_deploy.bench.fleet import DeviceOutcome, DeviceWork, Keeper, WorkOutcome
from asymm_deploy.bench.paired.pair_row import PairedSubjects
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.bench.store import Journal, Runs
from asymm_deploy.bench.sustained.curves import Elsewhere
from asymm_deploy.bench.sustained.durations import short_duration
from asymm_deploy.bench.sustained.sustain_models import CurveBegun, CurveTakenUp, Resting
from asymm_deploy.errors import DeployError
from asymm_deploy.lab.client.choose_phones import launches_by_phone, launches_held
from asymm_deploy.lab.client.lab_calls import LabCalls, LabGoneError
from asymm_deploy.lab.client.lab_device import LabDevice
from asymm_deploy.lab.client.take_phones import PhonesWanted, taken_phones
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import ignoring_signals


@dataclass(frozen=True, slots=True)
class _ToDo:
    work: Callable[[], Any]
    done: Future[Any]
    """Settled with what the work returns or raises."""


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    event: object


@dataclass(frozen=True, slots=True)
class _Ended:
    name: str
    how: tuple[Any, ...] | BaseException


_Message: TypeAlias = _ToDo | _Event | _Ended | str
_Mail: TypeAlias = "queue.SimpleQueue[_Message]"

LabWork: TypeAlias = Callable[["LabDevice", Elsewhere, Callable[[Any], None]], Sequence[Any]]
"""What is done on each phone, given how the main thread does something, and where events go."""


class LabFleet:
    """Phones of a lab, chosen and taken once it is known what for: ``WorkingDevices``."""

    def __init__(self, calls: LabCalls, wanted: PhonesWanted, options: PhoneOptions) -> None:
        """Take which phones are wanted; none is taken yet."""
        self._calls = calls
        self._tell = calls.tell
        self._wanted = wanted
        self._options = options

    def time(
        self,
        subjects: Sequence[Artifact | Missing],
        plan: Plan,
        runs: Runs,
        on_event: Callable[[str, measure.BenchEvent], None],
        pairs: Sequence[PairedSubjects] = (),
    ) -> list[DeviceOutcome]:
        """Time every subject on every phone, as ``perform`` does work.

        Phones that have launches of these rows already are preferred.
        """
        models = [subject.model for subject in subjects]
        held = launches_held(runs.records, plan, models, self._wanted.kinds)

        def work(
            device: Device, journal: Journal, show: Callable[[measure.BenchEvent], None]
        ) -> Sequence[RowSummary]:
            return measure.time_models(device, subjects, plan, journal, show, pairs)

        outcomes = self._performed(work, runs, on_event, held)
        return [DeviceOutcome(each.name, each.made, each.failure) for each in outcomes]

    def perform(
        self, work: DeviceWork, runs: Keeper, on_event: Callable[[str, Any], None]
    ) -> list[WorkOutcome]:
        """Do ``work`` on every phone; one that fails stops no other.

        On Ctrl-C every phone is put back before KeyboardInterrupt is raised here. Raises the
        failure of a single phone, and LabGoneError where the scheduler is gone.
        """
        parts = ((each, getattr(each, "launch", None)) for each in runs.records)
        known = [part for both in parts for part in both if isinstance(part, LaunchRecord)]
        return self._performed(work, runs, on_event, launches_by_phone(known, self._wanted.kinds))

    def follow(
        self,
        work: LabWork,
        known: Iterable[LaunchRecord],
        on_event: Callable[[str, Any], None],
    ) -> list[WorkOutcome]:
        """Do on every phone what writes by itself, bit by bit; all else is as in ``perform``.

        Phones that have ``known`` launches are preferred.
        """
        held = launches_by_phone(known, self._wanted.kinds)
        return self._done(work, on_event, held, lambda: "what was told of its launches is kept")

    def _performed(
        self,
        work: DeviceWork,
        runs: Keeper,
        on_event: Callable[[str, Any], None],
        held: Mapping[str, int],
    ) -> list[WorkOutcome]:
        before = len(runs.records)

        def keeping(
            device: LabDevice, elsewhere: Elsewhere, show: Callable[[Any], None]
        ) -> Sequence[Any]:
            return work(device, _Elsewhere(runs, elsewhere), show)

        def kept() -> str:
            count = len(runs.records) - before
            of_it = "1 launch of this bench is" if count == 1 else f"{count} of its launches are"
            return f"{of_it} kept"

        return self._done(keeping, on_event, held, kept)

    def _done(
        self,
        work: LabWork,
        on_event: Callable[[str, Any], None],
        held: Mapping[str, int],
        kept: Callable[[], str],
    ) -> list[WorkOutcome]:
        with taken_phones(self._calls, self._wanted, self._options, held) as devices:
            outcomes = self._done_by(devices, work, on_event)
        failures = [each.failure for each in outcomes if each.failure is not None]
        gone = next((each for each in failures if isinstance(each, LabGoneError)), None)
        if gone is not None:
            raise LabGoneError(f"{gone.what}; {kept()}", gone.hint)
        if len(outcomes) == 1 and failures:
            raise failures[0]
        return outcomes

    def _done_by(
        self,
        devices: Sequence[LabDevice],
        work: LabWork,
        on_event: Callable[[str, Any], None],
    ) -> list[WorkOutcome]:
        mail: _Mail = queue.SimpleQueue()
        waiting = [_PhoneThread(device, mail) for device in devices]
        outcomes: dict[str, WorkOutcome] = {}
        with self._telling(mail.put):
            for each in waiting:
                threading.Thread(target=each.do, args=(work,), name=each.name, daemon=True).start()
            names = {each.name for each in waiting}
            try:
                self._serve(mail, names, outcomes, on_event)
            except BaseException:
                self._calls.stop()
                with ignoring_signals():
                    self._serve(mail, names, outcomes, on_event)
                raise
        return [outcomes[each.name] for each in waiting]

    def _serve(
        self,
        mail: _Mail,
        waiting: set[str],
        outcomes: dict[str, WorkOutcome],
        on_event: Callable[[str, Any], None],
    ) -> None:
        """Do what the threads ask for, until each has said how it ended."""
        while waiting:
            message = mail.get()
            if isinstance(message, str):
                self._tell(message)
            elif isinstance(message, _Event):
                on_event(message.name, message.event)
            elif isinstance(message, _ToDo):
                _do(message)
            else:
                waiting.discard(message.name)
                how = message.how
                if isinstance(how, tuple):
                    outcomes[message.name] = WorkOutcome(message.name, how)
                elif isinstance(how, DeployError):
                    outcomes[message.name] = WorkOutcome(message.name, (), how)
                elif not isinstance(how, KeyboardInterrupt):
                    raise how

    @contextmanager
    def _telling(self, tell: Tell) -> Iterator[None]:
        """Have remarks of other threads go through the mail."""
        self._calls.tell = tell
        try:
            yield
        finally:
            self._calls.tell = self._tell


class _Elsewhere:
    """To a phone's thread, the journal that the main thread keeps."""

    def __init__(self, runs: Keeper, elsewhere: Elsewhere) -> None:
        self._runs = runs
        self._elsewhere = elsewhere
        self._records = list(runs.records)

    @property
    def records(self) -> tuple[Any, ...]:
        return tuple(self._records)

    def append(self, record: Any) -> None:
        """Return when the main thread has the record on disk."""
        self._elsewhere(lambda: self._runs.append(record))
        self._records.append(record)


class _PhoneThread:
    """One phone's thread."""

    def __init__(self, device: LabDevice, mail: _Mail) -> None:
        self.name = device.phone.name
        self._device = device
        self._mail = mail

    def do(self, work: LabWork) -> None:
        """Do the work; the last message says how it ended."""
        how: tuple[Any, ...] | BaseException
        try:
            how = tuple(work(self._device, self._in_main_thread, self._show))
        except BaseException as error:
            how = error
        self._mail.put(_Ended(self.name, how))

    def _in_main_thread(self, work: Callable[[], Any]) -> Any:
        todo = _ToDo(work, Future())
        self._mail.put(todo)
        return todo.done.result()

    def _show(self, event: object) -> None:
        if isinstance(event, measure.LaunchStarted):
            model = excerpt(event.model, 80)
            done = f"{event.done} of {event.total} done"
            self._device.doing = f"{model} launch {event.launch + 1} ({done})"
        elif isinstance(event, CurveBegun | CurveTakenUp):
            started = event.curve.started
            model = excerpt(started.launch.model, 80)
            self._device.doing = f"{model} for {short_duration(started.for_s)}"
        elif isinstance(event, Resting):
            self._device.doing = f"cooling down before {excerpt(event.model, 80)}"
        self._mail.put(_Event(self.name, event))


def _do(message: _ToDo) -> None:
    """Do what a thread waits for; if that ends this one, the other hears of it all the same."""
    try:
        done = message.work()
    except BaseException as error:
        message.done.set_exception(error)
        if not isinstance(error, Exception):
            raise
    else:
        message.done.set_result(done)
