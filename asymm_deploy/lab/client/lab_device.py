"""A phone of a lab as a ``Device``, which says what each method promises.

Everything is done by the phone's worker on its own host. If that worker is lost, the phone is
looked for anew, on whatever host it is then, and the launch in flight is repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from asymm_deploy.bench.device import Completed, Runner
from asymm_deploy.bench.records import DeviceFacts, Engine
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import sha256_of
from asymm_deploy.lab.client.lab_calls import LabGoneError, WorkerLostError
from asymm_deploy.lab.client.leased_phone import LeasedPhone
from asymm_deploy.lab.client.sent_files import send_missing
from asymm_deploy.lab.session_messages import (
    CoolAsked,
    CoresAsked,
    FactsAsked,
    FileAbsentError,
    GoesOnAsked,
    HoldAsked,
    LeaseEndedError,
    PhoneBusyError,
    PutAsked,
    RunAsked,
    RunnerAsked,
)
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import ignoring_signals

_T = TypeVar("_T")

_DEATHS = 2
"""Of workers by one and the same launch, which is then to blame."""
_TRIES = 6
"""Of one launch, whoever is to blame."""
_BUSY_LOOK_S = 3.0


class LabDevice:
    """A phone of a lab, known by its serial number, wherever it is attached."""

    def __init__(self, phone: LeasedPhone) -> None:
        """Take a phone, ours already or not."""
        self.doing = ""
        """What it is used for at the moment, in words for others."""
        self.spared: str | None = None
        """A launch that may go on: it isn't ended where the phone has to be taken again."""
        self._phone = phone
        self._options = phone.options
        self._held: tuple[tuple[int, ...], dict[str, Path]] | None = None
        self._facts: dict[tuple[int, ...], DeviceFacts] = {}
        self._runner: Runner | None = None
        self._placed: dict[str, str] = {}
        """Where each file was put first, by its hash: launches name it so from then on."""
        self._moved: dict[str, str] = {}
        """What such a path, or a part of the runner's command, is called by the present worker."""

    @property
    def phone(self) -> LeasedPhone:
        """The phone, and whether we have it."""
        return self._phone

    def give_back(self) -> None:
        """Let the phone go, put back as it was found."""
        self._held = None
        self._phone.give_back()

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        """Return what the phone says; its serial number is ours."""
        key = tuple(cpus[:1])
        if key not in self._facts:
            self._facts[key] = self.until_done(lambda: self._known(key))
        return self._facts[key]

    def choose_cpus(
        self, wanted: int | None, threads: int, earlier: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Have the phone's worker choose."""
        asked = CoresAsked(wanted, threads, earlier)
        return self.until_done(lambda: self._phone.now(asked, tuple[int, ...]))

    def runner(self, engine: Engine) -> Runner:
        """Return how to start the runner that the phone's host has for it."""
        if self._runner is None:
            self._runner = self.until_done(lambda: self._known_runner(engine))
        return self._runner

    def put(self, source: Path) -> str:
        """Send a file to the phone's host unless it is there, and push it."""
        sha256 = sha256_of(source)
        if self._held is not None:
            self._held[1].setdefault(sha256, source)
        return self.until_done(lambda: self._put(sha256, source))

    @contextmanager
    def held(self, cpus: Sequence[int], files: Sequence[Path]) -> Iterator[None]:
        """Send the files to the phone's host, and have the phone held by its worker."""
        wanted = (tuple(cpus), {sha256_of(path): path for path in files})
        try:
            self.until_done(lambda: self._hold(wanted))
            yield
        finally:
            with ignoring_signals():
                self.give_back()

    def cool_down(self, *, is_hot: bool) -> None:
        """Have the phone left alone; a worker that is lost meanwhile is the next launch's care."""
        with suppress(WorkerLostError, LeaseEndedError, PhoneBusyError):
            self._phone.in_turn(CoolAsked(is_hot), type(None))

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run it on the phone; a launch that is lost with its worker is repeated.

        One that kills its worker twice has failed.
        """

        def launched() -> Completed:
            asked = RunAsked(self.words(argv), timeout_s, self.doing)
            found: Completed = self._phone.in_turn(asked, Completed)
            return found

        try:
            return self.until_done(launched)
        except _DeadlyError:
            said = f"the launch was lost: it killed the phone's worker {_DEATHS} times"
            return Completed(b"", said.encode(), 1)

    def words(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return a command as the phone's present worker calls the files in it."""
        return tuple(self._moved.get(word, word) for word in argv)

    def until_done(self, work: Callable[[], _T]) -> _T:
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
                self._phone.lose(lost.what)
                if deaths == _DEATHS:
                    raise _DeadlyError(lost.what) from lost
            except PhoneBusyError as busy:  # a bench of the phone's own host has it
                self._phone.give_back()
                if busy_since is None:
                    busy_since = time.monotonic()
                    patience = f"waiting up to {self._options.patience_s:g} s"
                    self._phone.calls.tell(f"{busy.what}; {patience}")
                if time.monotonic() - busy_since > self._options.patience_s:
                    raise HarnessError(busy.what, busy.hint) from busy
                self._phone.calls.pause(min(_BUSY_LOOK_S, self._options.patience_s))
        raise WorkerLostError(f"{self._phone.name} lost its worker {_TRIES} times in a row")

    def _be_joined(self) -> None:
        """Have the phone, and have it held if it was: unless it is so already."""
        if self._phone.is_ours:
            return
        self._phone.lose("its worker can't be reached")
        if self._facts:
            self._phone.take_again()
            self._require_same()
        else:
            self._phone.take_in_turn()
        if self.spared is not None:
            self._phone.in_turn(GoesOnAsked(self.spared), bool)
        if self._held is not None:
            self._hold(self._held)
            for sha256 in list(self._placed):
                self._put(sha256, self._held[1][sha256])
        self._phone.tell_back()

    def _require_same(self) -> None:
        """Raise HarnessError where another phone, or another runner, is there in its place."""
        (key, before), *_ = self._facts.items()
        if _identity(self._known(key)) != _identity(before):
            raise HarnessError(
                f"another phone now answers as {self._phone.name}",
                "repeat the command to time that one",
            )
        if self._runner is None:
            return
        now = self._known_runner("mnn")
        if now.identity != self._runner.identity or len(now.command) != len(self._runner.command):
            raise HarnessError(
                f"{self._phone.name} is now on {excerpt(self._phone.host, 80)}, which has another "
                "runner",
                "give all hosts of the lab the same runner, and repeat the command",
            )
        self._moved.update(zip(self._runner.command, now.command, strict=True))

    def _known(self, cpus: tuple[int, ...]) -> DeviceFacts:
        found: DeviceFacts = self._phone.now(FactsAsked(cpus), DeviceFacts)
        if found.device != self._phone.serial:
            raise HarnessError(
                f"the worker of {self._phone.name} has another phone: {excerpt(found.device, 80)}",
                "`asymm-deploy lab status` says what each worker has",
            )
        return found

    def _known_runner(self, engine: Engine) -> Runner:
        command, identity = self._phone.now(RunnerAsked(engine), tuple[tuple[str, ...], str])
        return Runner(command, identity)

    def _hold(self, wanted: tuple[tuple[int, ...], dict[str, Path]]) -> None:
        cpus, files = wanted
        for left in reversed(range(len(files) + 1)):  # each may be found spoilt, one by one
            self._send(files)
            try:
                self._phone.in_turn(HoldAsked(cpus, tuple(files)), type(None))
            except FileAbsentError as error:
                if not left:
                    raise HarnessError(
                        f"files do not stay intact on {excerpt(self._phone.host, 80)}",
                        "look after the disk with that host's cache folder, and repeat the command",
                    ) from error
            else:
                break
        self._held = wanted
        self._phone.may_be_hot = True

    def _put(self, sha256: str, source: Path) -> str:
        try:
            path = self._phone.in_turn(PutAsked(sha256), str)
        except FileAbsentError:  # it was not known when the phone was held
            self._send({sha256: source})
            path = self._phone.in_turn(PutAsked(sha256), str)
        self._moved[self._placed.setdefault(sha256, path)] = path
        return self._placed[sha256]

    def _send(self, files: dict[str, Path]) -> None:
        send_missing(self._phone.calls, self._phone.lease, self._phone.host, files)


def _identity(facts: DeviceFacts) -> tuple[object, ...]:
    """Return what tells a phone, and the build of its system, from others."""
    return (facts.soc, facts.cores, facts.abi, facts.product, facts.fingerprint)


class _DeadlyError(WorkerLostError):
    """One launch has killed its worker so often that it is to blame."""
