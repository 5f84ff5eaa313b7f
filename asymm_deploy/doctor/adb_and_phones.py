"""adb: the program, the server if one runs, and the phones that it sees. Starts no server."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

from asymm_deploy.bench.phone.parse.adb_output import ListedPhone, listed_phones
from asymm_deploy.bench.phone.server import Address, adb_binaries, address, version_of
from asymm_deploy.bench.phone.states import explained
from asymm_deploy.doctor.checklist import Check
from asymm_deploy.doctor.environment import Environment
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt

_TIMEOUT_S = 1.0
_GET_ADB = (
    "`pip install adbutils` ships one; or install Android's platform-tools (`sudo apt install adb`)"
)


def adb_checks(environment: Environment) -> Iterator[Check]:
    """Yield how adb is, and each phone."""
    binaries = {path: version_of(path) for path in _binaries()}
    usable = {path: version for path, version in binaries.items() if version is not None}
    try:
        at = address(environment.variables)
    except UsageError as error:
        yield _program(usable, len(binaries), None)
        yield Check("adb server", "phone", "wrong", excerpt(error.what), error.hint)
        return
    serving = _ask(at, "host:version")
    version = _version(serving)
    yield _program(usable, len(binaries), version)
    yield _server(at, serving, version)
    yield from _phones(at, version)


def _binaries() -> list[Path]:
    try:
        return adb_binaries()
    except ImportError:
        return []


def _program(usable: dict[Path, int], there: int, serving: int | None) -> Check:
    """Check the program as it would be chosen: the first of the running server's version."""
    if not usable:
        found = f"{there} that can't be started" if there else "none"
        return Check("adb", "phone", "wrong" if there else "missing", found, _GET_ADB)
    matching = [path for path, version in usable.items() if version == serving]
    path = next(iter(matching or usable))
    found = f"{excerpt(str(path))}, version 1.0.{usable[path]}"
    if serving is None or matching:
        return Check("adb", "phone", "ok", found)
    to_do = (
        f"the server that runs is of version {serving}, and using this adb would end it for all "
        "programs: put the adb that started it on PATH, or end it with its `adb kill-server`"
    )
    return Check("adb", "phone", "wrong", found, to_do)


def _server(at: Address, serving: str | None, version: int | None) -> Check:
    place = excerpt(f"{at.host}:{at.port}")
    if version is not None:
        return Check("adb server", "phone", "ok", f"version {version} at {place}")
    if serving is not None:
        found = f"what listens at {place} is no adb server"
        to_do = "set ANDROID_ADB_SERVER_PORT to the port of one"
        return Check("adb server", "phone", "wrong", found, to_do)
    if at.is_local:
        found = f"none runs at {place}; it is started when a phone is asked for"
        return Check("adb server", "phone", "ok", found)
    to_do = (
        "start one there with `adb -a nodaemon server`, or unset ADB_SERVER_SOCKET and "
        "ANDROID_ADB_SERVER_HOST"
    )
    return Check("adb server", "phone", "missing", f"none answers at {place}", to_do)


def _phones(at: Address, version: int | None) -> Iterator[Check]:
    if version is None:
        to_do = "`asymm-deploy devices` starts a server and lists them"
        yield Check("phone", "phone", "unknown", "no adb server runs that would see one", to_do)
        return
    phones = listed_phones(_ask(at, "host:devices-l") or "")
    if not phones:
        to_do = "plug one in with USB debugging on, or pass --device HOST:PORT to bench"
        yield Check("phone", "phone", "missing", "none is attached", to_do)
    ready = any(phone.state == "device" for phone in phones)
    for phone in phones:
        yield _phone(phone, another_is_ready=ready)


def _phone(phone: ListedPhone, *, another_is_ready: bool) -> Check:
    name = f"phone {excerpt(phone.serial, 40)}"
    model = excerpt(phone.model or "", 40)
    if phone.state == "device":
        return Check(name, "phone", "ok", model or "ready")
    what, to_do = explained(phone.state)
    found = f"{what} ({excerpt(phone.advice)})" if phone.advice else what
    return Check(name, "option" if another_is_ready else "phone", "wrong", found, to_do)


def _version(answer: str | None) -> int | None:
    found = re.fullmatch(r"[0-9a-f]{4}", answer or "")
    return int(found[0], 16) if found else None


def _ask(at: Address, request: str) -> str | None:
    """Return the server's answer; empty for what is none, None if nothing listens there.

    By hand, since adb and adbutils both start a server where there is none.
    """
    try:
        connection = socket.create_connection((at.host, at.port), timeout=_TIMEOUT_S)
    except OSError:
        return None
    try:
        with connection, connection.makefile("rb") as stream:
            connection.sendall(f"{len(request):04x}{request}".encode())
            if stream.read(4) != b"OKAY":
                return ""
            length = int(stream.read(4), 16)
            return stream.read(max(0, length)).decode(errors="replace")
    except (OSError, ValueError):
        return ""
