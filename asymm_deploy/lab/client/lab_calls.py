"""One client's calls to the phones of a lab, from several threads over one connection.

A phone is had by a lease, which is renewed here every few seconds: by that and nothing else is a
phone's worker disturbed while it launches.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from asymm_deploy.bench.device import Tell
from asymm_deploy.errors import HarnessError
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.phone_session import LEASE_LASTS_S
from asymm_deploy.lab.session_messages import (
    LeaseEndedError,
    SessionAnswer,
    SessionRequest,
    packed,
    raised,
    unpacked,
)
from asymm_deploy.safe import excerpt

DaskClient: TypeAlias = Any
"""A ``distributed.Client``, which is typed in part."""

RENEWAL_S = LEASE_LASTS_S / 3
_ANSWER_S = 60.0
"""Of a short call: a phone that was just attached needs a few seconds to say what it is."""
_LOOK_S = 0.5
"""How soon a waiting thread notices that it waits in vain. It looks at this process alone."""
_PUT_BACK_S = 20.0


class WorkerLostError(HarnessError):
    """A phone's worker died, or can't be reached."""

    def __init__(self, what: str, *, died: bool = False) -> None:
        super().__init__(what, "repeat the command: what was finished is kept")
        self.died = died
        """Whether its process died while it did what it was asked."""


class UnansweredError(WorkerLostError):
    """A worker has not answered in time: it may be lost, or the answer, or it has much to do."""


class LabGoneError(HarnessError):
    """The scheduler can't be reached any more."""


@dataclass(slots=True)
class Lease:
    """A phone that this client has, on one worker."""

    serial: str
    worker: str
    """The worker's address."""
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    renewed_at: float = field(default_factory=time.monotonic)
    lost: threading.Event = field(default_factory=threading.Event)
    """Set once the worker has let the phone go, or can't be reached."""


class LabCalls:
    """The way to a lab's workers. Ctrl-C, or ``stop``, ends every call that waits."""

    def __init__(self, client: DaskClient, address: str, tell: Tell) -> None:
        """Take a connected client, the scheduler's address as the user gave it."""
        self.client = client
        self.address = address
        self.tell = tell
        self.stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop
        self._renewing: dict[str, concurrent.futures.Future[None]] = {}
        self._host_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def keep(self, lease: Lease) -> None:
        """Renew a lease from now on, until it is lost or dropped."""
        self._renewing[lease.token] = self._started(self._renew(lease))

    def drop(self, lease: Lease) -> None:
        """Renew a lease no more."""
        renewing = self._renewing.pop(lease.token, None)
        if renewing is not None:
            renewing.cancel()

    def give_back(self, lease: Lease) -> None:
        """Have the phone put back, and wait for that; what goes wrong ends with the lease."""
        self.drop(lease)
        with suppress(HarnessError):
            self.now(
                lease.worker,
                phone_calls.give_back_phone,
                lease.token,
                _PUT_BACK_S,
                within_s=_PUT_BACK_S + 5,
                last=True,
            )

    def stop(self) -> None:
        """Have every call that waits raise KeyboardInterrupt."""
        self.stopping.set()

    def now(
        self,
        worker: str,
        function: Callable[..., Any],
        *arguments: object,
        within_s: float = _ANSWER_S,
        lease: Lease | None = None,
        last: bool = False,
    ) -> bytes:
        """Have a worker's event loop call ``function``; return the value of its ``SessionAnswer``.

        Raises what the answer tells of, WorkerLostError where there is none, LabGoneError without
        a scheduler. The ``last`` call of all is made even after ``stop``.
        """

        async def call() -> object:
            called = self.client.run(function, *arguments, workers=[worker])
            answers: dict[str, object] = await asyncio.wait_for(called, within_s)
            return answers[worker]

        return self._value(self._waited(self._started(call()), lease, heeds_stop=not last))

    def in_turn(self, lease: Lease, request: SessionRequest) -> bytes:
        """Have the phone do what may take long, as a task of its worker; return the value.

        Raises as ``now`` does, and LeaseEndedError once the lease is lost.
        """
        what = type(request).__name__.removesuffix("Asked").lower()
        key = f"{what}-{lease.token[:8]}-{secrets.token_hex(6)}"

        async def call() -> object:
            task = self.client.submit(
                phone_calls.ask_in_turn,
                lease.token,
                packed(request),
                key=key,
                workers=[lease.worker],
                allow_other_workers=False,
                resources={"phone": 1},
                pure=False,
                retries=0,
            )
            try:
                return await task.result()
            finally:
                task.release()

        return self._value(self._waited(self._started(call()), lease))

    def pause(self, seconds: float) -> None:
        """Wait; raise KeyboardInterrupt once everything is to end."""
        if self.stopping.wait(seconds):
            raise KeyboardInterrupt

    def require_scheduler(self) -> None:
        """Raise LabGoneError unless the connection to the scheduler stands."""
        if self.client.status != "running":
            raise LabGoneError(
                f"the lab's scheduler at {self.address} is gone",
                "start it again with `asymm-deploy lab scheduler`, and repeat the command: "
                "what was finished is kept",
            )

    @contextmanager
    def alone_on(self, host: str) -> Iterator[None]:
        """Be the only one of our threads that sends files to a host."""
        lock = self._host_locks[host]
        while not lock.acquire(timeout=_LOOK_S):
            if self.stopping.is_set():
                raise KeyboardInterrupt
        try:
            yield
        finally:
            lock.release()

    def _started(self, call: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    def _waited(
        self,
        call: concurrent.futures.Future[object],
        lease: Lease | None,
        *,
        heeds_stop: bool = True,
    ) -> object:
        """Return what a call comes back with; raise as soon as that can't be any more."""
        try:
            while True:
                concurrent.futures.wait([call], _LOOK_S)
                if call.done():
                    return self._result(call)
                if heeds_stop and self.stopping.is_set():
                    raise KeyboardInterrupt
                self.require_scheduler()
                if lease is not None and lease.lost.is_set():
                    raise LeaseEndedError(
                        "its worker can't be reached, or has let the phone go",
                        "repeat the command: what was finished is kept",
                    )
        finally:
            call.cancel()

    def _result(self, call: concurrent.futures.Future[object]) -> object:
        from distributed import KilledWorker

        try:
            return call.result()
        except KilledWorker as error:
            raise WorkerLostError("its worker died", died=True) from error
        except (TimeoutError, asyncio.CancelledError, concurrent.futures.CancelledError) as error:
            self.require_scheduler()
            raise UnansweredError("its worker does not answer") from error
        except Exception as error:  # whatever Dask, or a worker, raises
            self.require_scheduler()
            if isinstance(error, OSError):  # Dask's words for it are of sockets
                raise WorkerLostError("the connection to its worker broke") from error
            why = excerpt(f"{type(error).__name__}: {error}")
            raise WorkerLostError(f"its worker can't be reached ({why})") from error

    def _value(self, data: object) -> bytes:
        answer = unpacked(data, SessionAnswer)
        for line in answer.said:
            self.tell(excerpt(line, 500))
        if answer.failure is not None:
            raise raised(answer.failure)
        return answer.value

    async def _renew(self, lease: Lease) -> None:
        errors = 0
        while True:
            await asyncio.sleep(1.0 if errors else RENEWAL_S)
            try:
                called = self.client.run(
                    phone_calls.renew_lease, lease.token, workers=[lease.worker]
                )
                answers: dict[str, object] = await asyncio.wait_for(called, RENEWAL_S)
                self._value(answers[lease.worker])
            except LeaseEndedError:
                break
            except TimeoutError:
                if time.monotonic() - lease.renewed_at > LEASE_LASTS_S:
                    break
            except Exception:  # of Dask; the worker's process is gone, most likely
                errors += 1
                if errors == 2:
                    break
            else:
                errors = 0
                lease.renewed_at = time.monotonic()
        lease.lost.set()
