"""A host of a lab: it looks for its phones every second, and gives each a worker.

It says once what changes: a phone that comes or goes or needs something, a scheduler or an adb
server that is away. It ends by a signal, by `lab stop`, and by a scheduler of another version.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from asymm_deploy import __version__
from asymm_deploy.bench.phone.link import DEVICE
from asymm_deploy.bench.phone.parse.adb_output import ListedPhone
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.bench.phone.states import explained
from asymm_deploy.errors import DeployError, ExitCode, UsageError
from asymm_deploy.lab.hosting.attended_phone import AttendedPhone, Hosting
from asymm_deploy.lab.hosting.in_thread import in_thread
from asymm_deploy.lab.joining.greeting import require_same
from asymm_deploy.lab.joining.introduction import introduced
from asymm_deploy.lab.joining.roster_tables import CLOCK_S
from asymm_deploy.lab.roster import LabHost, UnreadyPhone
from asymm_deploy.safe import excerpt

_LOOK_S = 1.0
_MISSES = 2
"""Looks in a row without a phone, after which it has gone."""
_ANSWER_S = 5.0
"""For the scheduler. One that is busy for longer is away, and a phone's worker goes with it."""
_TAKEN_S = 12.0
"""How long another agent of this name may still be known that was killed."""


class _Answer(msgspec.Struct, frozen=True):
    """What the scheduler said to a report."""

    time: float
    """By its clock, in seconds since 1970."""
    every_s: float
    """Until the next report."""
    unknown: tuple[str, ...]
    """Serial numbers of phones whose workers it does not know."""
    is_stopping: bool
    is_taken: bool
    """Whether another agent has this host's name."""
    clock_ahead_s: float = 0.0
    """Ours, before its."""


class HostAgent:
    """The phones of this host in a lab."""

    def __init__(
        self, hosting: Hosting, environment: Mapping[str, str], only: frozenset[str]
    ) -> None:
        """Take the serial numbers of the ``only`` phones to lend; all of them if it is empty."""
        self._hosting = hosting
        self._server = Server(address(environment))
        self._only = only
        self._agent = uuid.uuid4().hex
        self._phones: dict[str, AttendedPhone] = {}
        self._unready: dict[str, UnreadyPhone] = {}
        self._trouble = ""
        self._told: set[str] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_away = False
        self._clock_ahead_s = 0.0
        self._report_at = 0.0
        self._looking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._looking.set_result(None)
        self._taken_since: float | None = None

    async def serve(self, told: asyncio.Event) -> ExitCode:
        """Lend phones until ``told`` to end, or until the scheduler says so.

        Raises UsageError when a scheduler of another version has taken the place of the first, or
        if another agent has this host's name.
        """
        from distributed.core import rpc

        arguments = self._hosting.security.get_connection_args("worker")
        async with rpc(str(self._hosting.at), connection_args=arguments) as scheduler:
            try:
                return await self._serve(scheduler, told)
            finally:
                await self._leave(scheduler)

    async def _serve(self, scheduler: Any, told: asyncio.Event) -> ExitCode:
        while not told.is_set():
            if time.monotonic() >= self._report_at or self._is_away:
                answer = await self._report(scheduler)
                if answer is not None and answer.is_stopping:
                    self._hosting.tell("the lab is stopped; the phones are put back")
                    return ExitCode.OK
                if self._is_free(answer):
                    self._report_at = time.monotonic() + answer.every_s if answer else 0.0
            self._look_again()
            try:
                await asyncio.wait_for(told.wait(), _LOOK_S)
            except TimeoutError:
                continue
        self._hosting.tell("ending; the phones are put back")
        return ExitCode.INTERRUPTED

    async def _report(self, scheduler: Any) -> _Answer | None:
        """Tell the scheduler how things are here; None if it is away."""
        report = LabHost(
            self._hosting.host,
            __version__,
            self._agent,
            tuple(self._unready.values()),
            self._trouble,
            tuple(serial for serial, phone in self._phones.items() if phone.is_lent),
            self._clock_ahead_s,
        )
        try:
            answer = await asyncio.wait_for(self._asked(scheduler, report), 2 * _ANSWER_S)
        except DeployError:
            raise
        except Exception:  # whatever Dask makes of a port where nobody listens, or a stranger
            if not self._is_away:
                self._hosting.tell(
                    f"the scheduler at {self._hosting.at} does not answer; trying until it does"
                )
            self._is_away = True
            return None
        if self._is_away:
            self._hosting.tell("the scheduler is back")
            self._is_away = False
        self._compare_clocks(answer.clock_ahead_s)
        for serial, phone in self._phones.items():
            phone.is_known(serial not in answer.unknown)
        return answer

    async def _asked(self, scheduler: Any, report: LabHost) -> _Answer:
        if self._is_away:  # what is back may be of another version
            hello = await asyncio.wait_for(scheduler.lab_hello(), _ANSWER_S)
            require_same(self._hosting.at, introduced(hello))
        before = time.time()
        said = await asyncio.wait_for(
            scheduler.lab_host(report=msgspec.to_builtins(report)), _ANSWER_S
        )
        answer = msgspec.convert(said, _Answer)
        ahead_s = (before + time.time()) / 2 - answer.time
        return msgspec.structs.replace(answer, clock_ahead_s=ahead_s)

    def _is_free(self, answer: _Answer | None) -> bool:
        """Whether no other agent has this host's name; raise UsageError if one keeps it."""
        if answer is None:
            return True
        if not answer.is_taken:
            self._taken_since = None
            self._told.discard("taken")
            at = f"this host is {excerpt(self._hosting.host)} in the lab at {self._hosting.at}"
            self._tell_once("host", at)
            return True
        now = time.monotonic()
        self._taken_since = self._taken_since or now
        taken = f"a host called {excerpt(self._hosting.host)} is in the lab already"
        self._tell_once("taken", f"{taken}; it has {_TAKEN_S:.0f} s to leave")
        if now - self._taken_since > _TAKEN_S:
            raise UsageError(taken, "give this one another --name, or end the other agent")
        return False

    def _compare_clocks(self, ahead_s: float) -> None:
        self._clock_ahead_s = ahead_s
        if abs(ahead_s) > CLOCK_S:
            self._tell_once(
                "clock",
                f"this host's clock is {abs(ahead_s):,.0f} s "
                f"{'ahead of' if ahead_s > 0 else 'behind'} the scheduler's; nothing depends on "
                "it, but logs will be hard to read side by side",
            )
        else:
            self._told.discard("clock")

    def _look_again(self) -> None:
        """Look for phones, unless adb is still at it; reports don't wait for that."""
        if not self._looking.done():
            return
        self._looking.result()
        if not self._is_away and self._taken_since is None:
            self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        """Ask adb which phones there are, and have each that is ready attended."""
        try:
            listed = await in_thread(self._server.listed)
        except DeployError as error:
            self._trouble = f"{error.what}; {error.hint}"
            self._tell_once("adb", self._trouble)
            return
        if self._trouble:
            self._trouble = ""
            self._told.discard("adb")
            self._hosting.tell("adb answers again")
        wanted = [phone for phone in listed if not self._only or phone.serial in self._only]
        self._unready = {}
        for phone in wanted:
            self._see(phone)
        here = {phone.serial for phone in wanted if phone.state == DEVICE}
        for serial in [serial for serial in self._phones if serial not in here]:
            await self._miss(serial)
        for serial in self._only - {phone.serial for phone in listed}:
            self._is_unready(serial, *explained(None))

    def _see(self, phone: ListedPhone) -> None:
        if phone.state != DEVICE:
            self._is_unready(phone.serial, *explained(phone.state))
            return
        self._told = {key for key in self._told if not key.startswith(f"{phone.serial}:")}
        known = self._phones.get(phone.serial)
        if known is None:
            known = AttendedPhone(self._hosting, self._server, phone.serial)
            self._phones[phone.serial] = known
        known.looks_missed = 0
        known.attend(phone)
        if known.problem is not None:
            self._unready[phone.serial] = UnreadyPhone(
                phone.serial, known.problem.what, known.problem.hint
            )

    def _is_unready(self, serial: str, what: str, to_do: str) -> None:
        self._unready[serial] = UnreadyPhone(serial, f"{excerpt(serial)} {what}", to_do)
        self._tell_once(f"{serial}:{what}", f"{excerpt(serial)} {what}; {to_do}")

    async def _miss(self, serial: str) -> None:
        """Count a look without a phone; after some its worker is ended.

        While somebody uses the phone, the worker waits for it instead, as long as that one's
        patience lasts: a launch goes on without a cable.
        """
        phone = self._phones[serial]
        phone.looks_missed += 1
        if phone.looks_missed < _MISSES or await phone.is_in_use():
            return
        del self._phones[serial]
        # One that is listed has not gone: what is wrong with it was told.
        gone = "is no longer lent" if serial in self._unready else "has gone"
        self._hosting.tell(f"{excerpt(serial)} {gone}")
        ending = asyncio.get_running_loop().create_task(phone.end())
        self._leaving.add(ending)
        ending.add_done_callback(self._leaving.discard)

    async def _leave(self, scheduler: Any) -> None:
        """End the workers, all at once, and tell the scheduler."""
        self._looking.cancel()
        ends = [phone.end() for phone in self._phones.values()]
        await asyncio.gather(*ends, *self._leaving, return_exceptions=True)
        if self._is_away:
            return
        try:
            await asyncio.wait_for(
                scheduler.lab_host_leaves(name=self._hosting.host, agent=self._agent), _ANSWER_S
            )
        except (OSError, TimeoutError):
            return

    def _tell_once(self, key: str, line: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._hosting.tell(line)
