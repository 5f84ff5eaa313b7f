"""What ``--device`` means: the serial numbers of the phones to time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.phone.link import DEVICE
from asymm_deploy.bench.phone.server import LostError, Server
from asymm_deploy.bench.phone.states import explained, not_ready
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from asymm_deploy.bench.phone.parse.adb_output import ListedPhone

AUTO, ALL = "auto", "all"


def serials(
    server: Server, name: str, environment: Mapping[str, str], tell: Tell
) -> tuple[str, ...]:
    """Return the phones that ``name`` stands for: auto, all, a serial number or HOST:PORT.

    Connects to a HOST:PORT that adb doesn't know yet. Raises HarnessError, with what to do, where
    there is no such phone, or several and none is named.
    """
    try:
        listed = server.listed()
        if name == AUTO:
            return (_only(listed, environment.get("ANDROID_SERIAL")),)
        if name == ALL:
            return _ready(listed, tell)
        if all(phone.serial != name for phone in listed):
            _connect(server, name, listed)
    except LostError as lost:
        raise HarnessError(f"the adb server stopped: {lost}", "try again") from lost
    return (name,)


def _only(listed: Sequence[ListedPhone], wanted: str | None) -> str:
    """Return the phone that ``auto`` means; ``wanted`` is $ANDROID_SERIAL."""
    if wanted:
        if any(phone.serial == wanted for phone in listed):
            return wanted
        raise HarnessError(
            f"ANDROID_SERIAL is {excerpt(wanted)}, but that phone is not attached",
            f"{_what_is_attached(listed)}; unset ANDROID_SERIAL, or pass --device SERIAL",
        )
    if not listed:
        raise HarnessError(
            "no phone is attached",
            "plug one in with USB debugging on, or pass --device HOST:PORT",
        )
    ready = [phone for phone in listed if phone.state == DEVICE]
    if len(ready) > 1:
        raise HarnessError(
            f"{_count(len(ready))} phones attached: {_named(ready)}",
            f"pass --device {excerpt(ready[0].serial)}, or --device all for each of them",
        )
    if not ready:
        raise not_ready(listed[0].serial, listed[0].state)
    return ready[0].serial


def _ready(listed: Sequence[ListedPhone], tell: Tell) -> tuple[str, ...]:
    """Return the phones that ``all`` means; say which are left out."""
    for phone in listed:
        if phone.state != DEVICE:
            what, to_do = explained(phone.state)
            tell(f"left out: {excerpt(phone.serial)} {what}; {to_do}")
    ready = tuple(phone.serial for phone in listed if phone.state == DEVICE)
    if not ready:
        raise HarnessError("no phone is ready", "`asymm-deploy devices` says what each one needs")
    return ready


def _connect(server: Server, name: str, listed: Sequence[ListedPhone]) -> None:
    printable = excerpt(name) if name.strip() else repr(name)
    if ":" not in name:
        raise HarnessError(f"no phone {printable} is attached", _what_is_attached(listed))
    outcome, words = server.connect(name)
    if outcome in ("connected", "already"):
        return
    to_do = {
        "unauthorized": "unlock the phone and accept 'Allow USB debugging', then try again",
        "refused": "run `adb tcpip 5555` over USB, or give the port of its wireless debugging",
        "unresolved": "check the name, or give its IP address",
    }
    raise HarnessError(
        f"can't connect to {printable}: {words}",
        to_do.get(
            outcome, "make sure that the phone is on this network, with adb over TCP turned on"
        ),
    )


def _what_is_attached(listed: Sequence[ListedPhone]) -> str:
    return f"attached: {_named(listed)}" if listed else "no phone is attached"


def _named(listed: Sequence[ListedPhone]) -> str:
    return ", ".join(excerpt(phone.serial) for phone in listed)


def _count(number: int) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(number, str(number))
