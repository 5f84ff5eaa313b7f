"""A lab's scheduler, from its port to its end."""

from __future__ import annotations

import asyncio
import errno
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import DeployError, ExitCode, HarnessError, UsageError
from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.dask_settings import settle_dask, silence_asyncio
from asymm_deploy.lab.joining.ending import told_to_end
from asymm_deploy.lab.joining.lab_address import is_loopback
from asymm_deploy.locks import scratch_folder
from asymm_deploy.safe import excerpt

_PREFIX = "asymm-lab-"
_END_S = 10.0
"""For connections to be closed. Whoever is at their other end notices anyway."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a scheduler listens, and to whom."""

    host: str
    port: int
    """0 for any that is free."""
    files: Certificates | None
    is_insecure: bool = False
    """Whether the user has asked for a port that others can reach without certificates."""


def serve_lab(
    serving: Serving, tell: Callable[[str], None], ready: Callable[[str], None]
) -> ExitCode:
    """Serve until a signal or `lab stop` ends it; ``ready`` is told the address that others give.

    Raises UsageError for a host or port that this machine can't listen at, or that would let
    strangers in; HarnessError for a port that is taken.
    """
    _require_free(serving)
    if serving.files is None and not is_loopback(serving.host) and not serving.is_insecure:
        raise UsageError(
            f"whoever reaches port {serving.port} of {excerpt(serving.host)} "
            "could run code on every host of the lab",
            "give --tls-ca-file, --tls-cert and --tls-key (docs/lab.md shows how to make them); "
            "or --insecure where everybody in reach is trusted that far",
        )
    settle_dask()
    silence_asyncio()
    return asyncio.run(_serve(serving, tell, ready))


async def _serve(
    serving: Serving, tell: Callable[[str], None], ready: Callable[[str], None]
) -> ExitCode:
    from asymm_deploy.lab.joining.lab_security import lab_security
    from asymm_deploy.lab.scheduling.lab_scheduler import LabScheduler

    with (
        scratch_folder(Path(tempfile.gettempdir()), _PREFIX) as folder,
        told_to_end(asyncio.get_running_loop()) as told,
    ):
        try:
            scheduler = await LabScheduler(
                tell,
                host=f"[{serving.host}]" if ":" in serving.host else serving.host,
                port=serving.port,
                protocol="tcp://" if serving.files is None else "tls://",
                security=lab_security(serving.files),
                local_directory=str(folder),  # else Dask would leave one behind, and locks
            )
        except OSError as error:
            raise _refused(serving, error) from error
        ready(scheduler.address)
        finished = asyncio.ensure_future(scheduler.finished())
        asked = asyncio.ensure_future(told.wait())
        await asyncio.wait({finished, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if finished.done():
            return ExitCode.OK
        tell("ending; the hosts wait until a scheduler is back")
        with suppress(TimeoutError):
            await asyncio.wait_for(scheduler.close(reason="lab-scheduler-ended"), _END_S)
        return ExitCode.INTERRUPTED


def _require_free(serving: Serving) -> None:
    """Raise where this machine can't listen, before anything is imported."""
    try:
        if not serving.host.strip():
            raise socket.gaierror
        found = socket.getaddrinfo(
            serving.host, serving.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, where = found[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(where)
    except (OSError, UnicodeError) as error:  # no name at all
        raise _refused(serving, error) from error


def _refused(serving: Serving, error: OSError | UnicodeError) -> DeployError:
    host, port = excerpt(serving.host) or repr(serving.host), serving.port
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return UsageError(f"--host {host} is no name and no address that is known here", _HOST)
    if error.errno == errno.EADDRINUSE:
        return HarnessError(
            f"port {port} of {host} is taken", "give another --port, or end what listens there"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"--host {host} is not an address of this machine", _HOST)
    if error.errno in (errno.EACCES, errno.EPERM):
        return UsageError(f"this user may not listen at port {port}", "give a --port above 1023")
    return HarnessError(f"can't listen at {host}, port {port}: {error.strerror or error}", _HOST)


_HOST = "give one of this machine's own names or addresses"
