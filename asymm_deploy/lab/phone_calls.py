"""What Dask runs in a phone's worker process for a client: each takes and returns plain bytes.

Short calls are made by the worker's event loop. Those that may take long are tasks, so that a
worker's death is noticed and `lab status` can tell what runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import cache

from asymm_deploy.bench.device import Device, Tell
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.errors import DeployError
from asymm_deploy.lab.host_store import ChunkRefusedError, HostStore
from asymm_deploy.lab.phone_session import PhoneDesk
from asymm_deploy.lab.session_messages import (
    Opening,
    SessionAnswer,
    failure_of,
    packed,
    request_in,
    unpacked,
)
from asymm_deploy.lab.this_phone import (
    before_the_end,
    is_phone,
    tell_activity,
    tell_idle,
    this_phone,
)

DESK = PhoneDesk(tell_activity, tell_idle)
"""Of this process."""
_PUT_BACK_S = 15.0
"""For the phone to be put back before the worker ends."""


@cache
def host_store() -> HostStore:
    """Return this host's store, in the user's cache folder."""
    from platformdirs import user_cache_path

    return HostStore(user_cache_path("asymm-deploy").absolute() / "lab")


def open_phone(opening: bytes) -> bytes:
    """Open a session; the answer has no value."""
    try:
        _offer_this_phone()
        DESK.open(unpacked(opening, Opening), host_store())
    except DeployError as error:
        return packed(SessionAnswer(failure=failure_of(error)))
    return packed(SessionAnswer())


@cache
def _offer_this_phone() -> None:
    """Let clients use the phone of this process, if it is a phone's worker."""
    if not is_phone():
        return
    phone = this_phone()
    serial, runner = phone.facts.serial, phone.runner

    def make(options: PhoneOptions, tell: Tell) -> Device:
        from asymm_deploy.bench.phone.phone_device import AdbDevice

        return AdbDevice(Server(address(os.environ)), serial, runner, options, tell)

    DESK.offer(serial, make)
    before_the_end(lambda: DESK.end_all(_PUT_BACK_S))


async def ask_now(lease: str, request: bytes) -> bytes:
    """Have a short request done; the answer's value is what the request promises."""
    try:
        asked = DESK.session(lease).ask(request_in(request))
    except DeployError as error:
        return packed(SessionAnswer(failure=failure_of(error)))
    return await asyncio.wrap_future(asked)


def ask_in_turn(lease: str, request: bytes) -> bytes:
    """Have a long request done, as a task."""
    try:
        return DESK.session(lease).ask(request_in(request)).result()
    except DeployError as error:
        return packed(SessionAnswer(failure=failure_of(error)))


def renew_lease(lease: str) -> bytes:
    """Let a lease last; the answer has the remarks meanwhile."""
    try:
        return packed(SessionAnswer(said=DESK.session(lease).renew()))
    except DeployError as error:
        return packed(SessionAnswer(failure=failure_of(error)))


async def give_back_phone(lease: str, within_s: float) -> bytes:
    """End a session, and wait until its phone is put back; the answer has its last remarks."""
    try:
        session = DESK.session(lease)
    except DeployError:
        return packed(SessionAnswer())
    session.end()
    await asyncio.to_thread(session.closed.wait, within_s)
    return packed(SessionAnswer(said=session.take_said()))


async def missing_files(hashes: Sequence[str]) -> bytes:
    """SessionAnswer which of these files the host's store lacks."""
    try:
        return packed(
            SessionAnswer(value=packed(await asyncio.to_thread(host_store().missing, hashes)))
        )
    except DeployError as error:
        return packed(SessionAnswer(failure=failure_of(error)))


async def receive_chunk(
    sha256: str, sender: str, offset: int, chunk: bytes, chunk_sha256: str, size: int
) -> bytes:
    """Take a part of a file; the answer is how much of it is here, or None if it was refused."""
    try:
        here = await asyncio.to_thread(
            host_store().receive, sha256, sender, offset, chunk, chunk_sha256, size
        )
    except ChunkRefusedError as error:
        return packed(SessionAnswer(value=packed(None), said=(error.what,)))
    except DeployError as error:
        return packed(SessionAnswer(failure=failure_of(error)))
    return packed(SessionAnswer(value=packed(here)))
