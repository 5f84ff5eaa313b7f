"""A phone of a lab that a client has, or looks for: known by its serial number, wherever it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from asymm_deploy.bench.judge.conditions import OF_HEAT
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.client.lab_calls import LabCalls, Lease, WorkerLostError
from asymm_deploy.lab.roster import LabPhone, phones
from asymm_deploy.lab.session_messages import (
    LeaseEndedError,
    Opening,
    PhoneBusyError,
    SessionRequest,
    packed,
    unpacked,
)
from asymm_deploy.safe import excerpt

RETURN_S = 60.0
"""How long a phone is waited for whose worker was lost; less if the user has less patience."""
_OPEN_S = 10.0
"""For a worker to say whether its phone is free."""
_LOOK_S = 1.0
_BUSY_LOOK_S = 3.0


class LeasedPhone:
    """A phone, and our lease of it while we have one."""

    def __init__(self, calls: LabCalls, phone: LabPhone, options: PhoneOptions, whom: str) -> None:
        """Take where the phone is now; nothing is asked of it yet.

        ``whom`` is who has it, in words for others who wait for it.
        """
        self.calls = calls
        self.options = options
        self._phone = phone
        self._whom = whom
        self._lease: Lease | None = None
        self._is_lost = False
        """Whether people were told so last."""
        self.may_be_hot = False
        """Whether we have timed on it: then heat is no reason not to go on."""

    @property
    def serial(self) -> str:
        """The phone's serial number."""
        return self._phone.facts.serial

    @property
    def name(self) -> str:
        """The same, fit to be shown."""
        return excerpt(self.serial, 80)

    @property
    def host(self) -> str:
        """The host that it is attached to, as far as is known."""
        return self._phone.facts.host

    @property
    def is_ours(self) -> bool:
        """Whether we have it, as far as is known."""
        return self._lease is not None and not self._lease.lost.is_set()

    @property
    def lease(self) -> Lease:
        """Our lease; raises LeaseEndedError while there is none."""
        if self._lease is None:
            raise LeaseEndedError("the phone was let go", "repeat the command")
        return self._lease

    def take(self) -> None:
        """Have the phone; raise PhoneBusyError if somebody else has it."""
        if self._lease is not None:
            return
        lease = Lease(self.serial, self._phone.address)
        options = self.options
        if self.may_be_hot:
            options = replace(options, allow=(*options.allow, *OF_HEAT))
        opening = Opening(lease.token, self.serial, self._whom, options)
        self._lease = lease  # on Ctrl-C it is given back, whether the worker has heard of it or not
        try:
            self.calls.now(lease.worker, phone_calls.open_phone, packed(opening), within_s=_OPEN_S)
        except Exception:
            self._lease = None
            raise
        self.calls.keep(lease)

    def take_in_turn(self) -> None:
        """Have the phone, once nobody else of the lab has it."""
        said = False
        while True:
            try:
                self.take()
            except PhoneBusyError as busy:
                if not said:
                    self.calls.tell(f"{busy.what}; waiting")
                said = True
                self.calls.pause(_BUSY_LOOK_S)
            else:
                return

    def take_again(self) -> None:
        """Have the phone that was lost, wherever it is; raise HarnessError if that takes too long.

        Whoever had it first may have it until then.
        """
        wait_s = min(RETURN_S, self.options.patience_s)
        deadline = time.monotonic() + wait_s
        while True:
            for place in self._listed():
                self._phone = place
                try:
                    self.take_in_turn()
                except WorkerLostError:
                    continue  # the scheduler does not know yet
                return
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"{self.name} did not come back within {wait_s:g} s after its worker was lost",
                    "`asymm-deploy lab status` says what there is; repeat the command once the "
                    "phone is back: what was finished is kept",
                )
            self.calls.pause(_LOOK_S)

    def lose(self, why: str) -> None:
        """Know that the phone is ours no more, and say so."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._is_lost = True
            self.calls.tell(f"{self.name}: {why}; looking for the phone")
            self.calls.drop(lease)

    def tell_back(self) -> None:
        """Say that the phone is back, if people were told that it is lost."""
        if self._is_lost:
            self._is_lost = False
            self.calls.tell(f"{self.name} is back, on {excerpt(self.host, 80)}")

    def give_back(self) -> None:
        """Let the phone go, put back as it was found."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self.calls.give_back(lease)

    def now(self, request: SessionRequest, kind: Any) -> Any:
        """Have something short done; return the value, which is a ``kind``."""
        lease = self.lease
        with self._named():
            data = self.calls.now(
                lease.worker, phone_calls.ask_now, lease.token, packed(request), lease=lease
            )
        return unpacked(data, kind)

    def in_turn(self, request: SessionRequest, kind: Any) -> Any:
        """Have done what may take long; return the value, which is a ``kind``."""
        with self._named():
            data = self.calls.in_turn(self.lease, request)
        return unpacked(data, kind)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Have what fails on the phone, or on its host, say which those are."""
        try:
            yield
        except (HarnessError, UsageError) as error:
            if type(error) in (HarnessError, UsageError) and self.name not in error.what:
                raise error.about(f"{self.name} on {excerpt(self.host, 80)}") from error
            raise

    def _listed(self) -> list[LabPhone]:
        """Return where the phone is, as far as the scheduler knows."""
        self.calls.require_scheduler()
        try:
            return [
                each
                for each in phones(self.calls.client)
                if each.facts.serial == self.serial and each.state != "lost"
            ]
        except Exception:  # of Dask; the next look may be answered
            self.calls.require_scheduler()
            return []
