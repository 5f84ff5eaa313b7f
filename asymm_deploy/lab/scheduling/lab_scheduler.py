"""Dask's scheduler with a door: strangers are turned away, and it is written down who is there.

It opens one port. Dask's web pages are not served.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from distributed.comm import Comm
from distributed.core import NoOpAwaitable, Status
from distributed.metrics import time as dask_time
from distributed.scheduler import Scheduler, WorkerState, heartbeat_interval

from asymm_deploy.lab.joining.introduction import LAB_KEY, introduced, introduction
from asymm_deploy.lab.roster import (
    LabHost,
    LabPhone,
    PhoneActivity,
    PhoneFacts,
    Roster,
    WaitingJob,
)
from asymm_deploy.safe import excerpt

_LOST_S = 10.0
"""Of silence after which a phone or a host is called lost, in a lab where heartbeats come every
second or so. In a large one they come less often."""
_MISSED = 3
"""Heartbeats in a row, after which nobody is taken to be there."""
_STOPPED_S = 30.0
"""For hosts to put their phones back before the scheduler ends; a phone may need 15 s."""
_HELLO_S = 5.0


@dataclass(slots=True)
class _Host:
    """A host's last report, and where it came from."""

    report: LabHost
    comm: Comm
    heard: float

    def is_here(self) -> bool:
        return not self.comm.closed()


@dataclass(slots=True)
class _Waiting:
    job: WaitingJob
    since: float = field(default_factory=time.monotonic)


class LabScheduler(Scheduler):  # type: ignore[misc]  # untyped
    """A lab's scheduler."""

    def __init__(self, tell: Callable[[str], None], **options: Any) -> None:
        """Take Dask's own ``options``; ``tell`` says who comes, goes and is turned away."""
        self._tell = tell
        self._hosts: dict[str, _Host] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._turning_away: set[asyncio.Task[None]] = set()
        self._strangers: set[str] = set()
        self.is_stopping = False
        super().__init__(dashboard=False, **options)
        self.handlers |= {
            "lab_hello": self._hello,
            "lab_host": self._host_reports,
            "lab_host_leaves": self._host_leaves,
            "lab_waiting": self._waits,
            "lab_roster": self._roster,
            "lab_stop": self._stop_lab,
        }
        self.task_metadata[LAB_KEY] = msgspec.to_builtins(introduction())
        self._host_watch = asyncio.get_running_loop().create_task(self._watch_hosts())

    def start_http_server(self, *_args: object, **_options: object) -> None:
        """Serve no web pages: a lab has one port."""

    def handle_comm(self, comm: Comm) -> NoOpAwaitable:
        """Serve a member of the lab that is of this version, and nobody else."""
        if introduced(comm.remote_info) == introduction():
            return super().handle_comm(comm)
        task = asyncio.get_running_loop().create_task(self._turn_away(comm))
        self._turning_away.add(task)
        task.add_done_callback(self._turning_away.discard)
        return NoOpAwaitable()

    def remove_client(self, client: str, stimulus_id: str | None = None) -> None:
        """Forget a client and what it waited for."""
        self._waiting.pop(client, None)
        super().remove_client(client, stimulus_id)

    async def close(self, *args: Any, **options: Any) -> Any:
        """End, and with it the workers."""
        self._host_watch.cancel()
        return await super().close(*args, **options)

    async def _turn_away(self, comm: Comm) -> None:
        """Tell a stranger who we are, if it asks, and nothing else."""
        said = introduced(comm.remote_info)
        where = excerpt(str(comm.peer_address).rpartition("://")[2].rpartition(":")[0], 60)
        who = f"{where}: {'no member of a lab' if said is None else said.text()}"
        if who not in self._strangers and len(self._strangers) < 1000:
            self._strangers.add(who)
            self._tell(f"turned away: {who}; this is {introduction().text()}")
        try:
            asked = await asyncio.wait_for(comm.read(), _HELLO_S)
            if isinstance(asked, dict) and asked.get("op") == "lab_hello":
                await comm.write(self._hello())
        except (OSError, TimeoutError, ValueError):
            pass
        finally:
            comm.abort()

    def _hello(self) -> dict[str, Any]:
        return {LAB_KEY: msgspec.to_builtins(introduction())}

    def _host_reports(self, comm: Comm, report: dict[str, Any]) -> dict[str, Any]:
        """Take a host's report; tell it the time, who we are and when to report again."""
        host = msgspec.convert(report, LabHost)
        known = self._hosts.get(host.name)
        answer = {
            "time": time.time(),
            "every_s": heartbeat_interval(len(self._hosts) + 1),
            "unknown": [
                serial for serial in host.lent if f"{host.name}/{serial}" not in self.aliases
            ],
            "is_stopping": self.is_stopping,
            "is_taken": known is not None
            and known.report.agent != host.agent
            and known.is_here()
            and time.monotonic() - known.heard < lost_after_s(len(self._hosts)),
        }
        if answer["is_taken"]:
            return answer
        if known is None or known.report.agent != host.agent:
            self._tell(f"host {excerpt(host.name)} is here")
        self._hosts[host.name] = _Host(host, comm, time.monotonic())
        return answer

    def _host_leaves(self, name: str, agent: str) -> None:
        known = self._hosts.get(name)
        if known is not None and known.report.agent == agent:
            del self._hosts[name]
            self._tell(f"host {excerpt(name)} has left")

    async def _watch_hosts(self) -> None:
        """Forget hosts whose connection has ended."""
        while True:
            await asyncio.sleep(1)
            for name, host in list(self._hosts.items()):
                silent = time.monotonic() - host.heard
                if not host.is_here() and silent > _MISSED * heartbeat_interval(len(self._hosts)):
                    del self._hosts[name]
                    self._tell(f"host {excerpt(name)} is gone")

    def _waits(self, client: str, job: dict[str, Any] | None) -> None:
        if job is None:
            self._waiting.pop(client, None)
        else:
            known = self._waiting.get(client)
            told = _Waiting(msgspec.convert(job, WaitingJob))
            if known is not None and known.job.kind == told.job.kind:
                told.since = known.since
            self._waiting[client] = told

    def _roster(self) -> dict[str, Any]:
        now = time.monotonic()
        hosts = (
            msgspec.structs.replace(host.report, silent_s=now - host.heard)
            for host in self._hosts.values()
        )
        lost_s = lost_after_s(len(self.workers))
        found = (_phone_of(worker, lost_s) for worker in self.workers.values())
        told = Roster(
            tuple(sorted(hosts, key=lambda host: host.name)),
            tuple(sorted(filter(None, found), key=lambda phone: phone.name)),
            tuple(
                msgspec.structs.replace(each.job, since_s=now - each.since)
                for each in self._waiting.values()
            ),
            len(self.client_comms),
        )
        said: dict[str, Any] = msgspec.to_builtins(told)
        return said

    async def _stop_lab(self) -> list[str]:
        """Have hosts end their workers, then end; return the hosts that did not manage in time."""
        self.is_stopping = True
        deadline = time.monotonic() + _STOPPED_S
        while any(host.is_here() for host in self._hosts.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        left = sorted(name for name, host in self._hosts.items() if host.is_here())
        asyncio.get_running_loop().call_later(0.2, self._end)
        return left

    def _end(self) -> None:
        if self.status == Status.running:
            self._ending = asyncio.get_running_loop().create_task(self.close(reason="lab-stop"))


def lost_after_s(members: int) -> float:
    """Return after how much silence one of so many members is called lost."""
    return max(_LOST_S, _MISSED * float(heartbeat_interval(members)))


def _phone_of(worker: WorkerState, lost_s: float) -> LabPhone | None:
    """Return a worker's phone; None for a worker that says nothing of one."""
    try:
        facts = msgspec.convert(worker.extra.get(LAB_KEY), PhoneFacts)
    except msgspec.ValidationError:
        return None
    try:
        activity = msgspec.convert(worker.metrics.get(LAB_KEY), PhoneActivity | None)
    except msgspec.ValidationError:
        activity = None
    silent = max(0.0, dask_time() - worker.last_seen)
    found = LabPhone(
        str(worker.name), worker.address, facts, "busy" if worker.processing else "free"
    )
    if activity is not None:
        found = msgspec.structs.replace(
            found,
            state="busy",
            what=activity.what,
            for_whom=activity.for_whom,
            since_s=activity.since_s,
        )
    is_lost = silent > lost_s
    return msgspec.structs.replace(found, silent_s=silent, state="lost" if is_lost else found.state)
