"""A phone that a host has lent to the lab: its worker, which is started, watched and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from asymm_deploy import __version__
from asymm_deploy.bench.phone.checks.required_tools import tools_error
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.phone_facts import read_phone
from asymm_deploy.errors import DeployError, HarnessError
from asymm_deploy.lab.hosting.in_thread import in_thread
from asymm_deploy.lab.joining.introduction import LAB_PROTOCOL
from asymm_deploy.lab.joining.lab_address import LabAddress, own_address
from asymm_deploy.lab.roster import PhoneFacts
from asymm_deploy.safe import excerpt, first_words
from asymm_deploy.text import counted

if TYPE_CHECKING:
    from distributed import Nanny

    from asymm_deploy.bench.phone.parse.adb_output import ListedPhone
    from asymm_deploy.bench.phone.server import Server
    from asymm_deploy.lab.joining.lab_security import LabSecurity

_PATIENCE_S = 5.0
"""With a phone that is asked what it is. One that doesn't answer by then is asked again later."""
_END_S = 20.0
"""For a worker to put its phone back, which takes 15 s at the most, before it is killed."""
_IN_USE_S = 2.0
"""For a worker to say whether its phone is in use."""
_KILLED_S = 2.0
"""For a worker that was killed to be gone."""
_UNKNOWN_S = 15.0
"""How long a worker that has died may take to be there again, in another process."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
"""Before a phone whose worker failed is tried again: doubled each time."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """What all phones of a host share."""

    at: LabAddress
    security: LabSecurity
    host: str
    runner: Path
    folder: Path
    """For Dask's files, removed in the end."""
    tell: Callable[[str], None]
    ports: range | None = None
    """Where workers may listen, two for each; None for what the system chooses."""
    with_ports: set[str] = field(default_factory=set)
    """Serial numbers of phones that have two of them, or are about to take them."""


class AttendedPhone:
    """One phone."""

    def __init__(self, hosting: Hosting, server: Server, serial: str) -> None:
        """Take a phone that adb lists."""
        self.serial = serial
        self.problem: DeployError | None = None
        """Why it has no worker just now."""
        self.looks_missed = 0
        """In a row."""
        self._hosting = hosting
        self._server = server
        self._nanny: Nanny | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._unknown_since: float | None = None
        self._pid: int | None = None
        """Of the worker."""
        self._pause_s = _FIRST_PAUSE_S
        self._not_before = 0.0

    @property
    def is_lent(self) -> bool:
        """Whether a worker has been started for it, and not been ended."""
        return self._nanny is not None

    def is_known(self, known: bool) -> None:
        """Hear whether the scheduler knows the worker; one that it doesn't for long is ended.

        It may hang, or Dask may have failed to start a process in place of one that died.
        """
        if known or self._nanny is None:
            self._unknown_since = None
            return
        now = time.monotonic()
        self._unknown_since = self._unknown_since or now
        if now - self._unknown_since > _UNKNOWN_S:
            self._unknown_since = None
            nanny, self._nanny = self._nanny, None
            self._ending = asyncio.get_running_loop().create_task(_close(nanny))

    def attend(self, listed: ListedPhone) -> None:
        """Start a worker unless there is one, or one has just failed."""
        busy = (self._starting, self._ending)
        if any(task is not None and not task.done() for task in busy):
            return
        if self._nanny is not None:
            if self._nanny.status.name not in ("closed", "failed"):
                self._notice(self._nanny.pid)
                return
            self._nanny = None
        if time.monotonic() >= self._not_before:
            self._starting = asyncio.get_running_loop().create_task(self._start(listed))

    async def is_in_use(self) -> bool:
        """Whether somebody has the phone, as its worker says."""
        nanny = self._nanny
        if nanny is None or nanny.worker_address is None:
            return False
        from distributed.core import rpc

        arguments = self._hosting.security.get_connection_args("worker")
        try:
            async with rpc(nanny.worker_address, connection_args=arguments) as worker:
                return bool(await asyncio.wait_for(worker.lab_in_use(), _IN_USE_S))
        except (OSError, TimeoutError):
            return False

    def _notice(self, pid: int | None) -> None:
        """Say that the worker is another one, which Dask has started in place of one that died."""
        if pid is None or pid == self._pid:
            return
        if self._pid is not None:
            self._hosting.tell(f"the worker of {excerpt(self.serial)} died; it has a new one")
        self._pid = pid

    async def end(self) -> None:
        """End the worker, once the phone is put back."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        nanny, self._nanny = self._nanny, None
        if nanny is not None:
            await _close(nanny)
        if self._ending is not None:
            await asyncio.wait([self._ending])
        self._hosting.with_ports.discard(self.serial)

    async def _start(self, listed: ListedPhone) -> None:
        try:
            facts = await in_thread(lambda: self._facts(listed))
            self._take_ports()
            self._nanny = await self._nanny_for(facts)
            self._pid = None
            self._notice(self._nanny.pid)
        except DeployError as error:
            self._failed(error)
        except Exception as error:  # whatever Dask, or a worker's process, raises
            self._failed(self._not_started(error))
        else:
            self.problem = None
            self._pause_s, self._not_before = _FIRST_PAUSE_S, 0.0
            shown = " ".join(filter(None, (facts.model, facts.soc)))
            self._hosting.tell(f"{excerpt(self.serial)} is in the lab: {shown or 'a phone'}")

    def _take_ports(self) -> None:
        """Keep two ports for this phone, lest several take one each and none has both."""
        ports, phones = self._hosting.ports, self._hosting.with_ports
        if ports is not None and len({*phones, self.serial}) > len(ports) // 2:
            raise HarnessError(
                f"no worker could be started for {excerpt(self.serial)}: ports {ports[0]} to "
                f"{ports[-1]} are enough for {counted(len(ports) // 2, 'phone')}",
                "give --ports more of them, two for each phone",
            )
        phones.add(self.serial)

    def _facts(self, listed: ListedPhone) -> PhoneFacts:
        link = Link(self._server, self.serial, patience_s=_PATIENCE_S, tell=lambda _line: None)
        phone = read_phone(link)
        if phone.missing_tools:
            raise tools_error(phone.serial, phone.missing_tools)
        return PhoneFacts(
            host=self._hosting.host,
            serial=self.serial,
            soc=phone.soc,
            model=phone.product,
            product=listed.product and excerpt(listed.product),
            abi=next(iter(phone.abis), None),
            android=phone.android,
            fingerprint=phone.fingerprint,
            version=__version__,
            lab_protocol=LAB_PROTOCOL,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    async def _nanny_for(self, facts: PhoneFacts) -> Nanny:
        from distributed import Nanny

        from asymm_deploy.lab.phone_worker import PhoneWorker

        hosting = self._hosting
        ports = None if hosting.ports is None else list(hosting.ports)  # the first that is free
        own = own_address(hosting.at)  # else Dask would listen at all that this machine has
        options: dict[str, Any] = {
            "facts": msgspec.to_builtins(facts),
            "runner": str(hosting.runner),
        }
        nanny = Nanny(
            str(hosting.at),
            name=f"{hosting.host}/{self.serial}",
            host=f"[{own}]" if ":" in own else own,
            port=ports,
            worker_port=ports,
            nthreads=1,
            resources={"phone": 1},
            memory_limit=0,
            security=hosting.security,
            local_directory=str(hosting.folder),
            worker_class=PhoneWorker,
            **options,
        )
        try:
            return await nanny
        except BaseException:
            await asyncio.shield(_close(nanny, at_once=True))
            raise

    def _not_started(self, error: Exception) -> HarnessError:
        serial = excerpt(self.serial)
        cause: BaseException = error
        while cause.__cause__ is not None:  # Dask's own words are "Nanny failed to start."
            cause = cause.__cause__
        said = excerpt(first_words(cause)).rstrip(".") or type(cause).__name__
        if "name taken" in str(error):
            return HarnessError(
                f"{serial} is in the lab already, by another agent for {self._hosting.host}",
                "end that one, or give this one another --name",
            )
        ports = self._hosting.ports
        if ports is not None and _free(own_address(self._hosting.at), ports) < 2:
            return HarnessError(
                f"no worker could be started for {serial}: ports {ports[0]} to {ports[-1]} are "
                "taken",
                "give --ports more of them, two for each phone",
            )
        return HarnessError(f"no worker could be started for {serial}: {said}", "it is tried again")

    def _failed(self, error: DeployError) -> None:
        """Keep why, say it unless it was said, and wait for longer each time."""
        if self.problem is None or self.problem.what != error.what:
            self._hosting.tell(f"{error.what}; {error.hint}")
        self.problem = error
        self._hosting.with_ports.discard(self.serial)
        self._not_before = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


def _free(host: str, ports: range) -> int:
    """Return at how many of some ports nobody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    free = 0
    for port in ports:
        with suppress(OSError), socket.create_server((host, port), family=family):
            free += 1
    return free


async def _close(nanny: Nanny, *, at_once: bool = False) -> None:
    """End a worker; ``at_once`` for one that hasn't begun, which has nothing to put back."""
    limit_s = _KILLED_S if at_once else _END_S
    with suppress(Exception):  # its process has ended by itself, or was killed; Dask may be cross
        if at_once and nanny.pid is not None:
            os.kill(nanny.pid, signal.SIGKILL)
        await asyncio.wait_for(nanny.close(timeout=limit_s, reason="lab-phone-ended"), 2 * limit_s)
