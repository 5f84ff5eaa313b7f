"""The process that a host's workers are copies of, and where these processes leave their files.

What they print goes to a file of the agent's: a terminal shows its words alone. Killed workers
leave nothing behind but what is in that folder, and a killed agent's is removed by the next one.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.locks import scratch_folder
from asymm_deploy.safe import excerpt

_PREFIX = "asymm-lab-"
_LONGEST_BYTES = 103
"""Of a socket's path, on macOS; Linux takes four more."""
_SOCKET = f"/{_PREFIX}12345678/pymp-12345678/listener-12345678"
"""Such is a socket's path behind the folder of temporary files."""
_SHORT = "/tmp"  # noqa: S108 - what is made there has a name of its own, and modes that keep others out
_AFTER_ALL = -200
"""When the folder is removed: multiprocessing removes its own, which lies there, at -100."""


def start_worker_server() -> Path:
    """Start the process; return the folder of temporary files. For the main thread, once.

    Both end with the program, however it ends. Raises UsageError where sockets' paths get too long.
    """
    from distributed.utils import get_mp_context

    kept = ExitStack()
    folder = kept.enter_context(scratch_folder(_place(), _PREFIX))
    util.Finalize(None, kept.close, exitpriority=_AFTER_ALL)
    tempfile.tempdir = str(folder)
    get_mp_context()  # sets a list of its own, once
    multiprocessing.set_forkserver_preload([f"{__package__}.preloaded"])
    with _stderr_in(folder / "stderr.txt"):
        resource_tracker.ensure_running()
        vars(forkserver)["ensure_running"]()
    return folder


def _place() -> Path:
    """Return where temporary files go: where they should, or else where sockets can be."""
    for place in (tempfile.gettempdir(), _SHORT):
        fits = len(os.fsencode(place + _SOCKET)) <= _LONGEST_BYTES
        if fits and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    raise UsageError(
        f"the path of TMPDIR, {excerpt(tempfile.gettempdir())}, is too long for sockets",
        "set TMPDIR to a folder whose path is short",
    )


@contextmanager
def _stderr_in(path: Path) -> Iterator[None]:
    """Have processes that are started meanwhile print to a file."""
    kept = os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.dup2(file, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(file)
