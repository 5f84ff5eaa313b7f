"""Phones of a lab chosen by kind and taken together: all that are wanted, or none yet."""

from __future__ import annotations

import getpass
import os
import platform
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.errors import HarnessError
from asymm_deploy.lab.client.choose_phones import (
    PhoneKind,
    chosen_phones,
    in_words,
    meant_trait,
    usable_phones,
)
from asymm_deploy.lab.client.lab_calls import LabCalls, LabGoneError, WorkerLostError
from asymm_deploy.lab.client.lab_device import LabDevice
from asymm_deploy.lab.client.leased_phone import LeasedPhone
from asymm_deploy.lab.roster import WaitingJob, phones, tell_waiting
from asymm_deploy.lab.session_messages import PhoneBusyError
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import ignoring_signals

if TYPE_CHECKING:
    from asymm_deploy.lab.roster import LabPhone

_GRACE_S = 3.0
"""For phones that were attached, or a scheduler that was started, just now."""
_ABSENT_S = 20.0
"""How long a phone with launches of these rows is waited for, before another begins anew."""
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class PhonesWanted:
    """Which phones, and how many of each kind."""

    kinds: Sequence[PhoneKind]
    count: int = 1
    waits: bool = False
    """Whether to wait for a kind that nobody has."""

    @property
    def total(self) -> int:
        """How many phones that are."""
        return len(self.kinds) * self.count

    def lacking(self, there: Sequence[LabPhone]) -> str:
        """Return what is wanted and not there, in words."""
        for kind in self.kinds:
            fitting = len({phone.facts.serial for phone in there if kind.fits(phone)})
            if fitting < self.count:
                if not there:
                    return "the lab has no phone"
                named = "with serial number" if kind.is_a_serial_number else "of"
                that = f" {named} {excerpt(kind.text, 80)}" if kind.traits else ""
                if not fitting and (meant := meant_trait(kind, there)):
                    that += f"; did you mean {excerpt(meant, 80)}?"
                number = "no phone" if not fitting else f"{fitting} of the {self.count} phones"
                return f"the lab has {number}{that}"
        return f"the lab has fewer phones than the {self.total} that are wanted"


def require_phones(calls: LabCalls, wanted: PhonesWanted) -> None:
    """Wait until a lab has the phones that are wanted, whether they are free or not.

    Raises HarnessError if it doesn't have them and ``wanted`` doesn't wait.
    """
    _Choice(calls, wanted, {}).there()


@contextmanager
def taken_phones(
    calls: LabCalls, wanted: PhonesWanted, options: PhoneOptions, held: Mapping[str, int]
) -> Iterator[list[LabDevice]]:
    """Yield the phones that are wanted, all ours; they are given back in the end.

    Those that have launches in ``held`` are preferred. Waits for those that are busy, without
    keeping some meanwhile: two who want the same ones would wait for each other.
    """
    choice = _Choice(calls, wanted, held)
    taken: list[LabDevice] = []
    try:
        while not taken:
            chosen = choice.there()
            busy = next((each for each in chosen if each.state == "busy"), None)
            if busy is not None:
                choice.wait(f"{excerpt(busy.facts.serial, 80)} is busy{_for_whom(busy)}", busy.name)
                continue
            try:
                for place in chosen:
                    phone = LeasedPhone(calls, place, options, whom())
                    taken.append(LabDevice(phone))
                    phone.take()
            except (PhoneBusyError, WorkerLostError) as error:
                _give_back(taken)
                choice.wait(error.what, error.what)
        choice.waits_no_more()
        names = ", ".join(f"{each.phone.name} on {excerpt(each.phone.host, 80)}" for each in taken)
        calls.tell(f"timing on {names}")
        yield list(taken)
    finally:
        with ignoring_signals():
            _give_back(taken)


def whom() -> str:
    """Return who this process is, for others who wait for what it has."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "someone"
    return excerpt(f"{user}@{platform.node()} (process {os.getpid()})", 200)


class _Choice:
    """Looks at what a lab has until it is what is wanted."""

    def __init__(self, calls: LabCalls, wanted: PhonesWanted, held: Mapping[str, int]) -> None:
        self._calls = calls
        self._wanted = wanted
        self._held = held
        self._began = time.monotonic()
        self._said = ""

    def there(self) -> list[LabPhone]:
        """Return the phones to take; raise HarnessError if there are too few of a kind."""
        while True:
            there = self._usable()
            chosen = chosen_phones(self._wanted.kinds, self._wanted.count, there, self._held)
            for_s = time.monotonic() - self._began
            if chosen is not None:
                absent = self._absent(there, chosen)
                if absent is None or for_s > _ABSENT_S:
                    return chosen
                self.wait(
                    f"{excerpt(absent, 80)} has launches of these rows, and for {_ABSENT_S:g} s "
                    "it may come back to the lab",
                    absent,
                )
            elif self._wanted.waits:
                lacking = self._wanted.lacking(there)
                self.wait(f"{lacking} ({in_words(there)})", lacking, lacking)
            elif for_s > _GRACE_S:
                raise HarnessError(
                    self._wanted.lacking(there),
                    f"{in_words(there)}; --wait waits for what is not there",
                )
            else:
                self._calls.pause(_LOOK_S)

    def wait(self, why: str, reason: str, shown: str = "") -> None:
        """Wait a moment; tell people why, and `lab status` too, once for each ``reason``.

        What there is, `lab status` shows anyway: ``shown`` is what it says in place of ``why``.
        """
        if reason != self._said:
            self._calls.tell(f"{why}; waiting")
            kinds = "; ".join(kind.text for kind in self._wanted.kinds)
            self._told_status(
                WaitingJob(whom(), excerpt(kinds), self._wanted.count, excerpt(shown or why))
            )
        self._said = reason
        # Two who want the same phones, and let them go again, must not do so at the same time.
        self._calls.pause(_LOOK_S * (1 + random.random()))  # noqa: S311

    def waits_no_more(self) -> None:
        """Have `lab status` know that nothing is waited for."""
        if self._said:
            self._told_status(None)

    def _told_status(self, job: WaitingJob | None) -> None:
        with suppress(Exception):  # a courtesy, and Dask raises what it likes
            tell_waiting(self._calls.client, job)

    def _usable(self) -> list[LabPhone]:
        self._calls.require_scheduler()
        try:
            return usable_phones(phones(self._calls.client))
        except Exception as error:  # of Dask
            self._calls.require_scheduler()
            raise LabGoneError(
                f"the lab's scheduler at {self._calls.address} does not answer "
                f"({excerpt(str(error))})",
                "look at what `asymm-deploy lab scheduler` printed, and repeat the command",
            ) from error

    def _absent(self, there: Sequence[LabPhone], chosen: Sequence[LabPhone]) -> str | None:
        """Return a phone that has launches, and in whose place one without was chosen."""
        if all(phone.facts.serial in self._held for phone in chosen):
            return None
        known = {phone.facts.serial for phone in there}
        away = [serial for serial in self._held if serial not in known]
        return max(away, key=self._held.__getitem__, default=None)


def _for_whom(phone: LabPhone) -> str:
    """Return for whom a phone works, at what and since when, as far as is known."""
    doing = f" with {excerpt(phone.what)}" if phone.what else ""
    whose = f", for {excerpt(phone.for_whom)}" if phone.for_whom else ""
    since = "" if phone.since_s is None else f", since {phone.since_s:.0f} s"
    return doing + whose + since


def _give_back(taken: list[LabDevice]) -> None:
    while taken:
        taken.pop().give_back()
