"""Keeps the wheel's ``mnnconvert`` command to converting: no log upload, no pip, no network.

Python imports this by itself where this folder is in PYTHONPATH. The command imports a logging
module that installs a package with pip and asks a server for credentials, and then uploads what it
was asked to do. That module is replaced by one without a logger, which the command takes for
"can't log", and whatever would start a program or reach for the network ends the process.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

STOPPED = 97
"""Exit code of a process that tried something forbidden."""

_FORBIDDEN = frozenset(
    (
        *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen"),
        *("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"),
        *("urllib.Request", "http.client.connect", "ensurepip.bootstrap"),
    )
)


def _forbid(event: str, arguments: tuple[object, ...]) -> None:
    if event in _FORBIDDEN:
        # Not an exception: the command swallows all of them.
        os.write(2, f"stopped by {__file__}: {event} {arguments!r}\n".encode())
        os._exit(STOPPED)


sys.addaudithook(_forbid)
_log = ModuleType("MNN.tools.utils.log")
_log.mnn_logger = None  # type: ignore[attr-defined]  # the wheel's own word for "no logging"
sys.modules[_log.__name__] = _log
