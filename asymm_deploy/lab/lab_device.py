"""A phone of a lab as a ``Device``, which says what each method promises.

Everything is done by the phone's worker on its own host. If that worker is lost, the phone is
looked for anew, on whatever host it is then, and the launch in flight is repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from asymm_deploy.bench.device import Completed, Runner
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.records import DeviceFacts, Engine
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import sha256_of
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.lab_calls import LabCalls, LabGoneError, Lease, WorkerLostError
from asymm_deploy.lab.roster import LabPhone, phones
from asymm_deploy.lab.sent_files import send_missing
from asymm_deploy.lab.session_messages import (
    CoolAsked,
    CoresAsked,
    FactsAsked,
    FileAbsentError,
    HoldAsked,
    LeaseEndedError,
    Opening,
    PhoneBusyError,
    PutAsked,
    RunAsked,
    RunnerAsked,
    SessionRequest,
    packed,
    unpacked,
)
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import ignoring_signals

ValueT = TypeVar("ValueT")

RETURN_S = 60.0
"""How long a phone is waited for whose worker was lost; less if the user has less patience."""
_LOOK_S = 1.0
_DEATHS = 2
"""Of workers by one and the same launch, which is then to blame."""
_TRIES = 6
"""Of one launch, whoever is to blame."""
_BUSY_LOOK_S = 3.0


class LabDevice:
    """A phone of a lab, known by its serial number, wherever it is attached."""

    def __init__(self, calls: LabCalls, phone: LabPhone, options: PhoneOptions, whom: str) -> None:
        """Take where the phone is now; nothing is asked of it yet.

        ``whom`` is who has it, in words for others who wait for it.
        """
        self._calls = calls
        self._phone = phone
        self._options = options
        self._whom = whom
        self._lease: Lease | None = None
        self._is_lost = False
        """Whether people were told so last."""
        self._held: tuple[tuple[int, ...], dict[str, Path]] | None = None
        self._facts: dict[tuple[int, ...], DeviceFacts] = {}
        self._runner: Runner | None = None
        self._placed: dict[str, str] = {}
        """Where each file was put first, by its hash: launches name it so from then on."""
        self.doing = ""
        """What it is used for at the moment, in words for others."""
        self._moved: dict[str, str] = {}
        """What such a path, or a part of the runner's command, is called by the present worker."""

    @property
    def serial(self) -> str:
        """The phone's serial number."""
        return self._phone.facts.serial

    @property
    def host(self) -> str:
        """The host that it is attached to, as far as is known."""
        return self._phone.facts.host

    def take(self) -> None:
        """Have the phone; raise PhoneBusyError if somebody else has it."""
        if self._lease is not None:
            return
        lease = Lease(self.serial, self._phone.address)
        opening = Opening(
            lease=lease.token, serial=self.serial, whom=self._whom, options=self._options
        )
        self._lease = lease  # on Ctrl-C it is given back, whether the worker has heard of it or not
        try:
            self._calls.now(lease.worker, phone_calls.open_phone, packed(opening))
        except Exception:
            self._lease = None
            raise
        self._calls.keep(lease)

    def give_back(self) -> None:
        """Let the phone go, put back as it was found."""
        self._held = None
        self._let_go()

    def _let_go(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            self._calls.give_back(lease)

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        """Return what the phone says; its serial number is ours."""
        key = tuple(cpus[:1])
        if key not in self._facts:
            self._facts[key] = self._until_done(lambda: self._known(key))
        return self._facts[key]

    def choose_cpus(
        self, wanted: int | None, threads: int, earlier: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Have the phone's worker choose."""
        asked = CoresAsked(wanted, threads, earlier)
        return self._until_done(lambda: self._now(asked, tuple[int, ...]))

    def runner(self, engine: Engine) -> Runner:
        """Return how to start the runner that the phone's host has for it."""
        if self._runner is None:
            self._runner = self._until_done(lambda: self._known_runner(engine))
        return self._runner

    def put(self, source: Path) -> str:
        """Push a file that is on the phone's host by now."""
        sha256 = sha256_of(source)
        if self._held is not None and sha256 not in self._held[1]:
            raise HarnessError(f"{source} has changed since the bench began", "repeat the command")
        return self._until_done(lambda: self._put(sha256))

    @contextmanager
    def held(self, cpus: Sequence[int], files: Sequence[Path]) -> Iterator[None]:
        """Send the files to the phone's host, and have the phone held by its worker."""
        wanted = (tuple(cpus), {sha256_of(path): path for path in files})
        try:
            self._until_done(lambda: self._hold(wanted))
            yield
        finally:
            with ignoring_signals():
                self.give_back()

    def cool_down(self, *, is_hot: bool) -> None:
        """Have the phone left alone; a worker that is lost meanwhile is the next launch's care."""
        with suppress(WorkerLostError, LeaseEndedError, PhoneBusyError):
            self._in_turn(CoolAsked(is_hot), type(None))

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run it on the phone; a launch that is lost with its worker is repeated.

        One that kills its worker twice has failed.
        """

        def launched() -> Completed:
            words = tuple(self._moved.get(word, word) for word in argv)
            found: Completed = self._in_turn(RunAsked(words, timeout_s, self.doing), Completed)
            return found

        try:
            return self._until_done(launched)
        except _DeadlyError:
            said = f"the launch was lost: it killed the phone's worker {_DEATHS} times"
            return Completed(b"", said.encode(), 1)

    def _until_done(self, work: Callable[[], ValueT]) -> ValueT:
        """Do what needs the phone; find it again and do it anew where its worker was lost.

        Raises HarnessError once that makes no sense any more.
        """
        deaths = tries = 0
        busy_since: float | None = None
        while tries < _TRIES:
            try:
                self._be_joined()
                return work()
            except LabGoneError:
                raise
            except (WorkerLostError, LeaseEndedError) as lost:
                tries += 1
                deaths += isinstance(lost, WorkerLostError) and lost.died
                self._lose(lost.what)
                if deaths == _DEATHS:
                    raise _DeadlyError(lost.what) from lost
            except PhoneBusyError as busy:  # a bench of the phone's own host has it
                self._let_go()
                if busy_since is None:
                    busy_since = time.monotonic()
                    patience = f"waiting up to {self._options.patience_s:g} s"
                    self._calls.tell(f"{busy.what}; {patience}")
                if time.monotonic() - busy_since > self._options.patience_s:
                    raise HarnessError(busy.what, busy.hint) from busy
                self._calls.pause(min(_BUSY_LOOK_S, self._options.patience_s))
        raise WorkerLostError(f"{self._name} lost its worker {_TRIES} times in a row")

    @property
    def _name(self) -> str:
        return excerpt(self.serial, 80)

    def _lose(self, why: str) -> None:
        """Know that the phone is ours no more."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._is_lost = True
            self._calls.tell(f"{self._name}: {why}; looking for the phone")
            self._calls.drop(lease)

    def _be_joined(self) -> None:
        """Have the phone, and have it held if it was: unless it is so already."""
        if self._lease is not None and not self._lease.lost.is_set():
            return
        returns = bool(self._facts)
        if self._lease is not None:
            self._lose("its worker can't be reached")
        if returns:
            self._find_again()
            self._require_same()
        else:
            self._wait_for_turn()
        if self._held is not None:
            self._hold(self._held)
            for sha256 in list(self._placed):
                self._put(sha256)
        if self._is_lost:
            self._is_lost = False
            self._calls.tell(f"{self._name} is back, on {excerpt(self.host, 80)}")

    def _find_again(self) -> None:
        """Have the phone again, wherever it is; raise HarnessError once that takes too long."""
        wait_s = min(RETURN_S, self._options.patience_s)
        deadline = time.monotonic() + wait_s
        while True:
            for place in self._listed() or [self._phone]:
                self._phone = place
                try:
                    self._wait_for_turn()
                except WorkerLostError:
                    continue  # the scheduler does not know yet
                return
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"{self._name} did not come back within {wait_s:g} s after its worker was lost",
                    "`asymm-deploy lab status` says what there is; repeat the command once the "
                    "phone is back: it continues where it stopped",
                )
            self._calls.pause(_LOOK_S)

    def _listed(self) -> list[LabPhone]:
        """Return where the phone is, as far as the scheduler knows."""
        self._calls.require_scheduler()
        try:
            return [each for each in phones(self._calls.client) if each.facts.serial == self.serial]
        except Exception:  # of Dask; the next look may be answered
            self._calls.require_scheduler()
            return []

    def _wait_for_turn(self) -> None:
        """Have the phone once nobody else of the lab has it."""
        said = False
        while True:
            try:
                self.take()
            except PhoneBusyError as busy:
                if not said:
                    self._calls.tell(f"{busy.what}; waiting")
                said = True
                self._calls.pause(_BUSY_LOOK_S)
            else:
                return

    def _require_same(self) -> None:
        """Raise HarnessError where another phone, or another runner, is there in its place."""
        (key, before), *_ = self._facts.items()
        if _identity(self._known(key)) != _identity(before):
            raise HarnessError(
                f"another phone now answers as {self._name}",
                "repeat the command to time that one",
            )
        if self._runner is None:
            return
        now = self._known_runner("mnn")
        if now.identity != self._runner.identity or len(now.command) != len(self._runner.command):
            raise HarnessError(
                f"{self._name} is now on {excerpt(self.host, 80)}, which has another runner",
                "give all hosts of the lab the same runner, and repeat the command",
            )
        self._moved.update(zip(self._runner.command, now.command, strict=True))

    def _known(self, cpus: tuple[int, ...]) -> DeviceFacts:
        found: DeviceFacts = self._now(FactsAsked(cpus), DeviceFacts)
        if found.device != self.serial:
            raise HarnessError(
                f"the worker of {self._name} has another phone: {excerpt(found.device, 80)}",
                "`asymm-deploy lab status` says what each worker has",
            )
        return found

    def _known_runner(self, engine: Engine) -> Runner:
        command, identity = self._now(RunnerAsked(engine), tuple[tuple[str, ...], str])
        return Runner(command, identity)

    def _hold(self, wanted: tuple[tuple[int, ...], dict[str, Path]]) -> None:
        cpus, files = wanted
        for attempt in (1, 2):
            send_missing(self._calls, self._own_lease(), self.host, files)
            try:
                self._in_turn(HoldAsked(cpus, tuple(files)), type(None))
            except FileAbsentError:
                if attempt == 2:
                    raise
            else:
                break
        self._held = wanted

    def _put(self, sha256: str) -> str:
        path = self._in_turn(PutAsked(sha256), str)
        self._moved[self._placed.setdefault(sha256, path)] = path
        return self._placed[sha256]

    def _now(self, request: SessionRequest, kind: Any) -> Any:
        """Have something short done; return the value, which is a ``kind``."""
        lease = self._own_lease()
        data = self._calls.now(
            lease.worker, phone_calls.ask_now, lease.token, packed(request), lease=lease
        )
        return unpacked(data, kind)

    def _in_turn(self, request: SessionRequest, kind: Any) -> Any:
        return unpacked(self._calls.in_turn(self._own_lease(), request), kind)

    def _own_lease(self) -> Lease:
        if self._lease is None:
            raise LeaseEndedError("the phone was let go", "repeat the command")
        return self._lease


def _identity(facts: DeviceFacts) -> tuple[object, ...]:
    """Return what tells a phone, and the build of its system, from others."""
    return (facts.soc, facts.cores, facts.abi, facts.product, facts.fingerprint)


class _DeadlyError(WorkerLostError):
    """One launch has killed its worker so often that it is to blame."""
