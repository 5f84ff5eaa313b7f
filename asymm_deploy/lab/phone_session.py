"""A phone's side of a lab: what a client's calls do in the phone's own worker process.

A client has the phone for as long as it renews its lease. Then the phone is put back, whatever it
was doing: with the client gone, nobody waits for the result. What is asked of the phone is done by
a thread of the session's own, one request after the other; Dask's threads only wait for it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from asymm_deploy.bench.device import Device, Tell
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.errors import HarnessError
from asymm_deploy.lab.host_store import HostStore
from asymm_deploy.lab.session_following import SessionFollowing
from asymm_deploy.lab.session_messages import (
    CoolAsked,
    CoresAsked,
    EndAsked,
    FactsAsked,
    FollowAsked,
    GoesOnAsked,
    HoldAsked,
    LeaseEndedError,
    Opening,
    PhoneBusyError,
    PutAsked,
    RestAsked,
    RunAsked,
    RunnerAsked,
    SessionAnswer,
    SessionRequest,
    failure_of,
    packed,
)
from asymm_deploy.lab.thread_interrupt import raise_in, raised_anew
from asymm_deploy.safe import excerpt

MakeSessionDevice: TypeAlias = Callable[[PhoneOptions, Tell], Device]
"""Makes a phone's device, in the thread that will use it."""

LEASE_LASTS_S = 15.0
"""Without a renewal. The client renews three times as often."""
_MOST_REMARKS = 50


class SessionEndedError(BaseException):
    """Raised in a session's thread, wherever it is, once nobody has the lease any more."""


@dataclass(slots=True)
class _Job:
    request: SessionRequest
    answer: Future[bytes] = field(default_factory=Future)

    def settle(self, answer: bytes) -> None:
        """Hand over the answer, unless there is one or nobody waits for it."""
        with suppress(InvalidStateError):
            self.answer.set_result(answer)


class PhoneSession:
    """One client's use of one phone, from the opening to the putting back."""

    def __init__(
        self,
        opening: Opening,
        make: MakeSessionDevice,
        store: HostStore,
        tell_doing: Callable[[str], None],
        tell_idle: Callable[[], None],
    ) -> None:
        """Start the session; the device is made in its thread.

        ``tell_doing`` is told in words what the phone does, ``tell_idle`` that it was put back.
        """
        self.opening = opening
        self.since = time.monotonic()
        self._files: dict[str, Path] = {}
        self.closed = threading.Event()
        self._make = make
        self._store = store
        self._tell_doing = tell_doing
        self._tell_idle = tell_idle
        self._renewed_at = time.monotonic()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._said: list[str] = []
        self._lock = threading.Lock()
        self._is_busy = False
        self._is_ending = False
        self._following: SessionFollowing | None = None
        name = f"phone {opening.serial}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name=f"{name}: lease", daemon=True).start()

    def ask(self, request: SessionRequest) -> Future[bytes]:
        """Have something done; the future holds a ``SessionAnswer``, and raises nothing."""
        job = _Job(request)
        with self._lock:
            if self._is_ending:
                job.settle(_failed(_ended()))
            else:
                self._jobs.put(job)
        return job.answer

    def renew(self) -> tuple[str, ...]:
        """Let the lease last from now on; return the remarks since the last time."""
        self._renewed_at = time.monotonic()
        return self.take_said()

    def take_said(self) -> tuple[str, ...]:
        """Return the remarks that nobody has been told yet."""
        with self._lock:
            said, self._said = tuple(self._said), []
        return said

    def end(self) -> None:
        """Stop what is done, put the phone back and close; ``closed`` tells when that is so."""
        with self._lock:
            if self._is_ending:
                return
            self._is_ending = True
            self._jobs.put(None)
        self._interrupt()

    def _interrupt(self) -> None:
        with self._lock:
            if self._is_busy:
                # Delivered while the thread is in its loop: it gives up ``_is_busy`` by this lock.
                raise_in(self._thread, SessionEndedError)

    def _watch(self) -> None:
        while not self.closed.wait(max(0.1, self._renewed_at + LEASE_LASTS_S - time.monotonic())):
            if time.monotonic() - self._renewed_at >= LEASE_LASTS_S:
                self.end()
                self.closed.wait()

    def _work(self) -> None:
        try:
            with (
                raised_anew(SessionEndedError, self._interrupt),
                suppress(SessionEndedError),
                ExitStack() as held,
            ):
                self._serve(held)
        finally:
            with self._lock:
                self._is_ending = True
            with suppress(queue.Empty):
                while True:
                    job = self._jobs.get_nowait()
                    if job is not None:
                        job.settle(_failed(_ended()))
            self._tell_idle()
            self.closed.set()

    def _serve(self, held: ExitStack) -> None:
        device: Device | None = None
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._is_busy = not self._is_ending
                if self._is_ending:
                    job.settle(_failed(_ended()))
                    return
            try:
                if device is None:
                    device = self._make(self.opening.options, self._tell)
                value = self._done(job.request, device, held)
                self._answer(job, packed(value))
            except Exception as error:
                self._answer(job, error)
            except BaseException:
                job.settle(_failed(_ended()))
                raise
            finally:
                with self._lock:
                    self._is_busy = False

    def _done(self, request: SessionRequest, device: Device, held: ExitStack) -> object:
        """Do what is asked, and return what ``Device`` says of it."""
        value: object = None
        match request:
            case FactsAsked():
                value = device.facts(request.cpus)
            case CoresAsked():
                value = device.choose_cpus(request.wanted, request.threads, request.earlier)
            case RunnerAsked():
                runner = device.runner(request.engine)
                value = (runner.command, runner.identity)
            case HoldAsked():
                self._hold(request, device, held)
            case PutAsked():
                if request.sha256 not in self._files:
                    path = held.enter_context(self._store.in_use(request.sha256))
                    self._files[request.sha256] = path
                value = device.put(self._files[request.sha256])
            case CoolAsked():
                device.cool_down(is_hot=request.is_hot)
            case RunAsked():
                self._tell_doing(excerpt(request.doing))
                value = device.run(request.argv, timeout_s=request.timeout_s)
            case GoesOnAsked() | FollowAsked() | EndAsked() | RestAsked():
                if self._following is None:
                    self._following = SessionFollowing(device, self._tell_doing)
                value = self._following.done(request)
        return value

    def _hold(self, request: HoldAsked, device: Device, held: ExitStack) -> None:
        with ExitStack() as kept:
            files = {sha: kept.enter_context(self._store.in_use(sha)) for sha in request.files}
            kept.enter_context(device.held(request.cpus, list(files.values())))
            self._files = files
            held.push(kept.pop_all())

    def _answer(self, job: _Job, value: bytes | Exception) -> None:
        said = self.take_said()
        if isinstance(value, bytes):
            answer = SessionAnswer(value=value, said=said)
        else:
            answer = SessionAnswer(failure=failure_of(value), said=said)
        job.settle(packed(answer))

    def _tell(self, text: str) -> None:
        with self._lock:
            self._said = [*self._said, excerpt(text, 500)][-_MOST_REMARKS:]


class PhoneDesk:
    """All phones of one worker process, and who has each: in truth there is one."""

    def __init__(
        self,
        tell_activity: Callable[[str, str], None] = lambda _what, _whom: None,
        tell_idle: Callable[[], None] = lambda: None,
    ) -> None:
        """Take whom to tell what a phone does and for whom, and that nobody has it."""
        self._tell_activity = tell_activity
        self._tell_idle = tell_idle
        self._makers: dict[str, MakeSessionDevice] = {}
        self._sessions: dict[str, PhoneSession] = {}
        self._lock = threading.Lock()

    def offer(self, serial: str, make: MakeSessionDevice) -> None:
        """Let clients open sessions with a phone."""
        with self._lock:
            self._makers[serial] = make

    def open(self, opening: Opening, store: HostStore) -> PhoneSession:
        """Begin a session; raise PhoneBusyError while another one has the phone.

        Raises HarnessError for a phone that this worker doesn't have.
        """
        with self._lock:
            make = self._makers.get(opening.serial)
            if make is None:
                raise HarnessError(
                    f"that worker has no phone {excerpt(opening.serial, 80)}",
                    "`asymm-deploy lab status` says which worker has it",
                )
            other = self._sessions.get(opening.serial)
            if other is not None and not other.closed.is_set():
                if other.opening.lease == opening.lease:
                    return other
                since_s = time.monotonic() - other.since
                raise PhoneBusyError(
                    f"{excerpt(opening.serial, 80)} is busy: "
                    f"{excerpt(other.opening.whom)} has it since {since_s:.0f} s",
                    "wait for it to end",
                )
            whom = excerpt(opening.whom)
            self._tell_activity("", whom)
            session = PhoneSession(
                opening, make, store, lambda what: self._tell_activity(what, whom), self._tell_idle
            )
            self._sessions[opening.serial] = session
            return session

    def session(self, lease: str) -> PhoneSession:
        """Return the session of a lease; raise LeaseEndedError if it has ended."""
        for session in list(self._sessions.values()):
            if session.opening.lease == lease and not session.closed.is_set():
                return session
        raise _ended()

    def occupant(self, serial: str) -> PhoneSession | None:
        """Return the session that has a phone now."""
        session = self._sessions.get(serial)
        return None if session is None or session.closed.is_set() else session

    def end_all(self, within_s: float) -> None:
        """End every session, and wait so long for the phones to be put back."""
        deadline = time.monotonic() + within_s
        sessions = list(self._sessions.values())
        for session in sessions:
            session.end()
        for session in sessions:
            session.closed.wait(max(0.0, deadline - time.monotonic()))


def _ended() -> LeaseEndedError:
    return LeaseEndedError(
        "its worker has let the phone go",
        "repeat the command: what was finished is kept",
    )


def _failed(error: Exception) -> bytes:
    return packed(SessionAnswer(failure=failure_of(error)))
