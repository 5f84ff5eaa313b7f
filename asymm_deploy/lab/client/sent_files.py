"""The files of a bench sent to a phone's host: only what is missing there, and once for a host."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import opened_regular
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.client.lab_calls import LabCalls, Lease
from asymm_deploy.lab.host_store import CHUNK_BYTES
from asymm_deploy.lab.session_messages import unpacked
from asymm_deploy.safe import excerpt

_TRIES = 3


def send_missing(calls: LabCalls, lease: Lease, host: str, files: Mapping[str, Path]) -> None:
    """Send those ``files``, by their SHA-256, that a host lacks, through the lease's worker.

    Raises UsageError for one that can't be read, HarnessError for one that does not arrive intact
    or can't be kept there.
    """
    with calls.alone_on(host):
        asked = calls.now(lease.worker, phone_calls.missing_files, list(files), lease=lease)
        missing: tuple[str, ...] = unpacked(asked, tuple[str, ...])
        for sha256 in missing:
            if sha256 in files:
                _send(calls, lease, host, sha256, files[sha256])


def _send(calls: LabCalls, lease: Lease, host: str, sha256: str, path: Path) -> None:
    for _ in range(_TRIES):
        try:
            if _sent(calls, lease, sha256, path):
                return
        except HarnessError as error:
            if type(error) is HarnessError:  # the host's own disk, not a worker that is lost
                raise error.about(excerpt(host, 80)) from error
            raise
    raise HarnessError(
        f"{path.name} did not arrive intact on {excerpt(host, 80)} ({_TRIES} times)",
        "look after the network between this machine and that host; then repeat the command",
    )


def _sent(calls: LabCalls, lease: Lease, sha256: str, path: Path) -> bool:
    """Send a file once, each of its parts again if it was refused; return whether it is there."""
    sender = secrets.token_hex(8)
    here = refused = 0
    try:
        with opened_regular(path) as file:
            size = file.seek(0, 2)
            while True:
                file.seek(here)
                chunk = file.read(CHUNK_BYTES)
                digest = hashlib.sha256(chunk).hexdigest()
                arrived = unpacked(
                    calls.now(
                        lease.worker,
                        phone_calls.receive_chunk,
                        *(sha256, sender, here, chunk, digest, size),
                        lease=lease,
                    ),
                    object,
                )
                if arrived == size:
                    return True
                if isinstance(arrived, int) and here < arrived < size:
                    here = arrived
                    continue
                refused += 1
                if refused == _TRIES:
                    return False
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "repeat the command"
        ) from error
