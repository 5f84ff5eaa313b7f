"""Who is in a lab: its hosts, their phones, what runs on them, for whom, and what waits.

Asked of the scheduler alone: no worker is disturbed, and no task is run. A phone's work is as old
as its worker's last heartbeat: half a second in a small lab.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from distributed import Client

PhoneState = Literal["free", "busy", "lost"]


class PhoneFacts(msgspec.Struct, frozen=True):
    """What a phone is, as its host found when its worker started; what it doesn't say is None."""

    host: str
    serial: str
    soc: str | None
    model: str | None
    """As people call it: ``Pixel 4``."""
    product: str | None
    """As its maker calls it: ``flame``."""
    abi: str | None
    android: str | None
    fingerprint: str | None
    version: str
    lab_protocol: int
    started_at: str
    """By its host's clock, in ISO form."""


class PhoneActivity(msgspec.Struct, frozen=True):
    """What a phone is doing, in the words of who has it."""

    what: str
    """Such as ``asymmnet_small_035 launch 3/10``."""
    for_whom: str
    since_s: float
    """How long for already."""


class LabPhone(msgspec.Struct, frozen=True):
    """A phone of the lab."""

    name: str
    """``HOST/SERIAL``, which nobody else in the lab has."""
    address: str
    """Of its Dask worker."""
    facts: PhoneFacts
    state: PhoneState
    """``lost``: its worker has not been heard of for a while."""
    what: str = ""
    for_whom: str = ""
    since_s: float | None = None
    """How long it has been doing that."""
    silent_s: float = 0.0
    """Since its worker was heard of."""


class UnreadyPhone(msgspec.Struct, frozen=True):
    """A phone that a host sees and can't use."""

    serial: str
    what: str
    to_do: str


class LabHost(msgspec.Struct, frozen=True):
    """A host's report of itself."""

    name: str
    version: str
    agent: str
    """Changes with each start."""
    unready: tuple[UnreadyPhone, ...] = ()
    trouble: str = ""
    """What keeps it from using any phone."""
    lent: tuple[str, ...] = ()
    """Serial numbers of phones that have a worker."""
    clock_ahead_s: float = 0.0
    """Of its clock, before the scheduler's."""
    silent_s: float = 0.0
    """Since its last report; the scheduler's part."""


class WaitingJob(msgspec.Struct, frozen=True):
    """Somebody who waits for phones."""

    who: str
    kind: str
    """As ``--device`` was given."""
    count: int
    why: str
    since_s: float = 0.0


class Roster(msgspec.Struct, frozen=True):
    """All of a lab at one moment."""

    hosts: tuple[LabHost, ...]
    phones: tuple[LabPhone, ...]
    waiting: tuple[WaitingJob, ...]
    clients: int = 0
    """Connected ones that measure or wait."""


def roster(client: Client) -> Roster:
    """Ask a client's scheduler; raise OSError where it is gone."""
    return read_roster(client.sync(client.scheduler.lab_roster))


def phones(client: Client) -> list[LabPhone]:
    """Return the phones of a client's lab, by name."""
    return list(roster(client).phones)


def tell_waiting(client: Client, job: WaitingJob | None) -> None:
    """Have `lab status` show what a client waits for; None when it no longer does."""
    said = None if job is None else msgspec.to_builtins(job)
    client.sync(client.scheduler.lab_waiting, client=client.id, job=said)


def read_roster(said: Any) -> Roster:
    """Return what a scheduler of this version has said."""
    return msgspec.convert(said, Roster)
