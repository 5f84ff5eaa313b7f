"""Launches of the runner on a phone: what each reports, and what faults order it to do.

A runner tells its phone over a socket where it is, and does what the phone answers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.phone.faults import LaunchFault

if TYPE_CHECKING:
    from tests.phone.phone import Phone


_UNSEEN_S = 4.0
"""So long a phone that warms up does so unseen."""
_LEFT_ALONE_S = 5.0
"""After so long nobody is there to look any more."""


@dataclass
class Launch:
    """A start of the runner."""

    number: int
    pid: int
    argv: tuple[str, ...]
    running: bool = True
    overlaps: bool = False
    """Another launch held the phone as this one began, by a lock of the kernel; if it can tell."""
    cools_after_s: float | None = None
    seconds: int = 0
    """How many it has told of, if it is one that lasts."""
    clock_share: float = 1.0
    """The pinned core's clock before the timed loop, of what its hardware can do."""

    @property
    def model(self) -> Path:
        """Where the model lies on this machine."""
        return Path(self._argument("--model"))

    @property
    def second_model(self) -> Path:
        """Where the other one lies, of a launch of two."""
        return Path(self._argument("--second-model"))

    @property
    def cores(self) -> tuple[int, ...]:
        """The phone's cores that it asked for."""
        text = self._argument("--cpu")
        return () if text == "none" else tuple(map(int, text.split(",")))

    def _argument(self, name: str) -> str:
        return self.argv[self.argv.index(name) + 1]


class LaunchFollower:
    """Follows every launch on one phone."""

    def __init__(
        self,
        phone: Phone,
        cores: list[int],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Take this machine's cores that stand for the phone's, and what starts a task."""
        self._phone = phone
        self._cores = cores
        self._spawn = spawn

    async def follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one runner until it ends."""
        launch: Launch | None = None
        claim: frozenset[int] = frozenset()
        try:
            while line := await reader.readline():
                said = json.loads(line)
                if launch is None:
                    launch = Launch(
                        len(self._phone.launches),
                        said["pid"],
                        tuple(said["argv"]),
                        overlaps=said.get("overlaps", False),
                    )
                    self._phone.launches.append(launch)
                    claim = self._phone.world.busy(launch.cores)
                orders = self._orders(launch, said)
                await self._until_seen()
                if said["event"] == "done":
                    self._end(launch, claim)
                self._phone.world.show()  # a running command may read it
                writer.write(json.dumps(orders).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if launch is not None:
                self._end(launch, claim)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _until_seen(self) -> None:
        """Have a phone that warms up do so no quicker than it is looked at.

        Else one that nobody could look at for a moment would seem hot from the start.
        """
        deadline = time.monotonic() + _LEFT_ALONE_S
        while self._phone.world.unseen_s > _UNSEEN_S and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    def _end(self, launch: Launch, claim: frozenset[int]) -> None:
        """Note that a launch is over: it has said so, or has vanished."""
        if launch.running:
            launch.running = False
            self._phone.world.idle(claim)
            if launch.cools_after_s is not None:
                self._spawn(self._cool(launch.cools_after_s))

    def _orders(self, launch: Launch, said: dict[str, Any]) -> dict[str, Any]:
        event = said["event"]
        core = next(iter(launch.cores), None)
        orders: dict[str, Any] = {}
        if event == "second" and core is not None:
            self._phone.world.work(said["wall_ns"] / 1e9, said["cpu_ns"] / said["wall_ns"])
            launch.seconds += 1
        if event == "start":
            orders = {"cores": self._cores, "number": launch.number}
        if event == "model" and core is not None:
            launch.clock_share = self._phone.world.clock_share(core)
        if event in {"model", "second"} and core is not None:
            orders |= {
                "share": self._phone.world.clock_share(core),
                "khz": self._phone.world.cap_khz(self._phone.world.policy_of(core)),
                "hurry": self._phone.world.hurry,
            }
        for fault in self._phone.faults.of(LaunchFault):
            if event == "second" and launch.seconds <= fault.after_seconds:
                continue
            if fault.at == event and fault.launch in {None, launch.number}:
                self._phone.faults.happened(fault)
                orders |= fault.happen(self._phone, launch)
        if event == "looped" and core is not None:
            orders["shares"] = (launch.clock_share, self._phone.world.clock_share(core))
        return orders

    async def _cool(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._phone.world.cool()
