"""What a phone's worker process knows of its phone, and what it tells of its work.

A worker process has one phone for its whole life. What is kept here is of that process alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asymm_deploy.lab.roster import PhoneActivity, PhoneFacts


@dataclass(frozen=True, slots=True)
class ThisPhone:
    """The phone of this process, and the runner that its host has for it."""

    facts: PhoneFacts
    runner: Path


@dataclass(slots=True)
class _State:
    phone: ThisPhone | None = None
    what: str = ""
    for_whom: str = ""
    since: float = 0.0
    closers: list[Callable[[], None]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


_state = _State()


def become_phone(phone: ThisPhone) -> None:
    """Have this process be a phone's."""
    _state.phone = phone


def is_phone() -> bool:
    """Whether this process is a phone's worker."""
    return _state.phone is not None


def this_phone() -> ThisPhone:
    """Return the phone of this process, which is a worker's."""
    assert _state.phone is not None, "only a worker process has a phone"
    return _state.phone


def tell_activity(what: str, for_whom: str) -> None:
    """Say what the phone does from now on; `lab status` shows it within a heartbeat or two."""
    with _state.lock:
        _state.what, _state.for_whom, _state.since = what, for_whom, time.monotonic()


def tell_idle() -> None:
    """Say that nobody has the phone."""
    with _state.lock:
        _state.what = _state.for_whom = ""


def activity() -> PhoneActivity | None:
    """Return what the phone does; None while nobody has it."""
    with _state.lock:
        if not (_state.what or _state.for_whom):
            return None
        return PhoneActivity(_state.what, _state.for_whom, time.monotonic() - _state.since)


def before_the_end(close: Callable[[], None]) -> None:
    """Have ``close`` called, in a thread, before the worker ends: to put the phone back.

    It has some 15 s, and is called once.
    """
    _state.closers.append(close)


def close_phone() -> None:
    """Do what ``before_the_end`` was told; the rest is done though some of it fails."""
    while _state.closers:
        with suppress(Exception):
            _state.closers.pop()()
