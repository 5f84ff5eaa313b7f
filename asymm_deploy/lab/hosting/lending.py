"""A host lends its phones to a lab, from the first greeting to the end."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench.phone.pushed_files import Program
from asymm_deploy.errors import ExitCode, UsageError
from asymm_deploy.lab.hosting.worker_server import start_worker_server
from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.dask_settings import settle_dask, silence_asyncio
from asymm_deploy.lab.joining.ending import told_to_end
from asymm_deploy.lab.joining.greeting import require_lab
from asymm_deploy.lab.joining.lab_address import LabAddress
from asymm_deploy.safe import excerpt

_LONGEST_NAME = 64
_PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Lending:
    """Which phones go to which lab."""

    at: LabAddress
    files: Certificates | None
    runner: Path
    """For all phones of this host."""
    name: str | None = None
    """Of this host in the lab; None for the machine's own."""
    serials: tuple[str, ...] = ()
    """Phones to lend; all where none is named."""
    ports: range | None = None
    """Where its workers may listen; None for what the system chooses."""


def lend_phones(lending: Lending, tell: Callable[[str], None]) -> ExitCode:
    """Lend phones until a signal or `lab stop` ends it.

    Raises what ``require_lab`` does, and UsageError for a name that is none or is taken,
    and for an empty serial number.
    """
    host = host_name(lending.name)
    if not all(serial.strip() for serial in lending.serials):
        raise UsageError(
            "--serial is empty", "`asymm-deploy devices` lists the phones that adb sees"
        )
    _require_runner(lending.runner)
    settle_dask()
    silence_asyncio()
    require_lab(lending.at, lending.files)
    return asyncio.run(_lend(lending, host, start_worker_server(), tell))


def port_range(text: str) -> range:
    """Return the ports of ``FIRST-LAST``; raise UsageError for what is none, or too few."""
    found = _PORTS.fullmatch(text.strip())
    first, last = (int(found[1]), int(found[2])) if found is not None else (0, 0)
    if not 0 < first < last < 2**16:
        raise UsageError(
            f"--ports {excerpt(text, 40)!r} names no ports that can be",
            "give FIRST-LAST, two ports for each phone and at most 65535: --ports 9000-9099",
        )
    return range(first, last + 1)


def host_name(given: str | None) -> str:
    """Return what a host is called in a lab; raise UsageError for what can't be shown or typed."""
    name = socket.gethostname() if given is None else given
    if (
        not name
        or len(name) > _LONGEST_NAME
        or not name.isprintable()
        or set(name) & set("/ ,=*?[]")
    ):
        raise UsageError(
            f"a host can't be called {excerpt(name, 80)!r} in a lab",
            f"give --name: letters, digits, dots and dashes, at most {_LONGEST_NAME}",
        )
    return name


async def _lend(lending: Lending, host: str, folder: Path, tell: Callable[[str], None]) -> ExitCode:
    from asymm_deploy.lab.hosting.attended_phone import Hosting
    from asymm_deploy.lab.hosting.host_agent import HostAgent
    from asymm_deploy.lab.joining.lab_security import lab_security

    security = lab_security(lending.files)
    hosting = Hosting(lending.at, security, host, lending.runner, folder, tell, lending.ports)
    agent = HostAgent(hosting, os.environ, frozenset(lending.serials))
    with told_to_end(asyncio.get_running_loop()) as told:
        return await agent.serve(told)


def _require_runner(path: Path) -> None:
    """Raise UsageError for a runner that can't be read; what it is of, benches judge."""
    try:
        Program.at(path)
    except OSError as error:
        raise UsageError(
            f"can't read the runner {path}: {error.strerror}",
            "give --runner the native runner, or build it: `asymm-deploy runner build`",
        ) from error
