"""What a phone needs from this machine: a port, file modes that hold, and a clean end."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import socket
from pathlib import Path

# Below the ports that Linux hands out by itself, so that a phone can go away and come back on its
# own; away from 5555-5585, where adb looks for emulators.
_PORTS = range(20_000, 32_000)
_PR_CAPBSET_DROP = 24
_ROOM_BYTES = 2**30
_CAPABILITIES = (1, 2, 24)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_RESOURCE


def bound_socket() -> tuple[socket.socket, int]:
    """Return a socket on a free port, which refuses connections until it listens."""
    while True:
        port = random.choice(_PORTS)
        if _is_taken(port):
            continue
        found = socket.socket()
        found.setblocking(False)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            found.close()
        else:
            return found, port


def _is_taken(port: int) -> bool:
    """Whether somebody has the port, though it may not listen yet: another phone, for one."""
    with socket.socket() as probe:  # without SO_REUSEADDR, which lets several have it
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def respect_file_modes() -> None:
    """Have modes and limits bind what this thread starts, even where the tests run as root."""
    if os.geteuid() == 0:
        for capability in _CAPABILITIES:
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def folder_in_memory() -> str | None:
    """Return where folders are quick to make and to remove; None where that is too small."""
    place = Path("/dev/shm")
    if not place.is_dir() or not os.access(place, os.W_OK):
        return None
    found = os.statvfs(place)
    is_large = found.f_bavail * found.f_frsize > _ROOM_BYTES
    return str(place) if is_large and not found.f_flag & os.ST_NOEXEC else None


def remove_tree(folder: Path) -> None:
    """Remove a folder, whatever the modes in it."""
    for here, folders, _files in os.walk(folder):
        for name in folders:
            place = Path(here, name)
            if not place.is_symlink():
                place.chmod(0o700)  # before os.walk goes in
    shutil.rmtree(folder)
