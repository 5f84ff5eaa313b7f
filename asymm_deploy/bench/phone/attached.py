"""What `asymm-deploy devices` lists: the phones that adb sees, and what each one needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asymm_deploy.bench.phone import adb_text, fitness, phone_facts
from asymm_deploy.bench.phone.link import DEVICE, Link
from asymm_deploy.bench.phone.server import LostError, Server, address
from asymm_deploy.bench.phone.states import explained
from asymm_deploy.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asymm_deploy.bench.phone.adb_text import Listed

_PATIENCE_S = 5.0
"""Someone waits for the list, and a phone that doesn't answer is one that can't be timed."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A phone, as far as it can be asked."""

    serial: str
    state: str
    """adb's word, or ``unfit`` for one that adb can use and that should not be timed as it is."""
    model: str
    soc: str
    system: str
    core: str
    """That `bench` would pin to."""
    to_do: str

    @property
    def is_ready(self) -> bool:
        """Whether it can be timed."""
        return self.state == DEVICE


def attached(tell: Callable[[str], None]) -> list[Attached]:
    """Return every phone that adb sees; raise HarnessError where there is no adb to ask."""
    server = Server(address(os.environ))
    try:
        listed = server.listed()
    except LostError as lost:
        raise HarnessError(f"the adb server stopped: {lost}", "try again") from lost
    return [_examined(server, phone, tell) for phone in listed]


def _examined(server: Server, listed: Listed, tell: Callable[[str], None]) -> Attached:
    serial, model = adb_text.shown(listed.serial), adb_text.shown(listed.model or "")
    state = adb_text.shown(listed.state)
    if listed.state != DEVICE:
        what, to_do = explained(listed.state)
        return Attached(serial, state, model, "", "", "", f"it {what}: {to_do}")
    link = Link(server, listed.serial, patience_s=_PATIENCE_S, tell=tell)
    try:
        phone = phone_facts.read(link)
        core = phone.best_core
        found = fitness.problems(link, phone, core, needed_bytes=0)
    except HarnessError as error:
        return Attached(serial, "offline", model, "", "", "", f"{error.what}: {error.hint}")
    facts = phone.facts(core)
    return Attached(
        serial,
        "unfit" if found else state,
        phone.product or model,
        facts.soc or "",
        facts.os,
        "" if core is None else f"{core}",
        "; ".join(f"{problem.what}: {problem.to_do}" for problem in found),
    )
