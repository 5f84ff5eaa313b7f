"""What `asymm-deploy devices` lists: the phones that adb sees, and what each needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asymm_deploy.bench.phone.checks.fitness import phone_problems
from asymm_deploy.bench.phone.checks.prime_core import choice_in_words, core_problem
from asymm_deploy.bench.phone.checks.required_tools import tools_error
from asymm_deploy.bench.phone.link import DEVICE, Link
from asymm_deploy.bench.phone.phone_facts import read_phone
from asymm_deploy.bench.phone.server import LostError, Server, address
from asymm_deploy.bench.phone.states import explained
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from asymm_deploy.bench.phone.parse.adb_output import ListedPhone

_PATIENCE_S = 5.0
"""The user is waiting, and a phone that doesn't answer by then can't be timed anyway."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A phone and what is known of it."""

    serial: str
    state: str
    """adb's word, or ``unfit``: adb can use it, but it should not be timed in its present state."""
    model: str
    soc: str
    system: str
    core: str
    """The core that `bench` would pin to."""
    why_core: str
    """Why that one, and what keeps us off a faster one."""
    to_do: str

    @property
    def is_ready(self) -> bool:
        """Whether it can be timed."""
        return self.state == DEVICE


def attached(tell: Callable[[str], None]) -> list[Attached]:
    """Return every phone that adb sees; raise HarnessError where no adb server can be asked."""
    server = Server(address(os.environ))
    try:
        listed = server.listed()
    except LostError as lost:
        raise HarnessError(f"the adb server stopped: {lost}", "try again") from lost
    return [_examined(server, phone, tell) for phone in listed]


def _examined(server: Server, listed: ListedPhone, tell: Callable[[str], None]) -> Attached:
    serial, model = excerpt(listed.serial), excerpt(listed.model or "")
    state = excerpt(listed.state)
    if listed.state != DEVICE:
        what, to_do = explained(listed.state)
        return Attached(serial, state, model, "", "", "", "", f"it {what}: {to_do}")
    link = Link(server, listed.serial, patience_s=_PATIENCE_S, tell=tell)
    try:
        phone = read_phone(link)
        core = phone.best_core
        problems = phone_problems(link, phone, core, needed_bytes=0)
        slower = core_problem(phone, core)
    except HarnessError as error:
        return Attached(serial, "offline", model, "", "", "", "", f"{error.what}: {error.hint}")
    if phone.missing_tools:
        lack = tools_error(serial, phone.missing_tools)
        return Attached(serial, "unfit", model, "", "", "", "", f"{lack.what}: {lack.hint}")
    if slower is not None:
        problems.append(slower)
    facts = phone.facts(core)
    return Attached(
        serial,
        "unfit" if problems else state,
        phone.product or model,
        facts.soc or "",
        facts.os,
        "" if core is None else f"{core}",
        "" if core is None else choice_in_words(phone, core),
        "; ".join(f"{problem.what}: {problem.to_do}" for problem in problems),
    )
