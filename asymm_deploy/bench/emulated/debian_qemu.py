"""The qemu-user of apt's package lists with its libraries, unpacked without installing it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from asymm_deploy.bench.emulated.qemu import QEMU, ask, unpacked_command
from asymm_deploy.errors import HarnessError
from asymm_deploy.locks import scratch_folder

_HINT = (
    "on Debian 12, or with its package lists in apt, `sudo apt-get install qemu-user` installs it; "
    "this option needs apt-get, dpkg and a Debian whose lists have qemu-user 7 or 8"
)
_PACKAGE = "qemu-user"


def unpack_qemu(home: Path) -> None:
    """Download qemu-user and all that it needs by apt-get, and unpack it into the data folder.

    Nothing is installed. Raises HarnessError if a step fails, or if what was unpacked can't load
    plugins; the folder then is as it was.
    """
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise HarnessError(f"{tool} is not installed, so no package can be fetched", _HINT)
    with scratch_folder(home, ".setup.") as scratch:
        _told(["apt-get", "download", *_needed_packages()], scratch)
        for package in sorted(scratch.glob("*.deb")):
            _told(["dpkg", "-x", str(package), str(scratch / "qemu")], scratch)
        command = unpacked_command(scratch)
        if command is None:
            raise HarnessError(f"the package {_PACKAGE} has no {QEMU} in it", _HINT)
        qemu = ask(command)
        if not qemu.has_plugins:
            raise HarnessError(
                f"the {QEMU} {qemu.version} of these package lists can't load plugins", _HINT
            )
        target = home / "qemu"
        if target.exists():
            target.rename(scratch / "old")
        (scratch / "qemu").rename(target)


def _needed_packages() -> list[str]:
    """Return the package and those that it depends on, in turn."""
    said = _told(
        [
            *("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests"),
            *("--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", _PACKAGE),
        ],
        Path.cwd(),
    )
    names = [line for line in said.splitlines() if line and not line.startswith((" ", "<"))]
    if _PACKAGE not in names:
        raise HarnessError(f"apt knows no package {_PACKAGE}", "sudo apt-get update")
    return names


def _told(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise HarnessError(f"`{' '.join(command[:3])}` failed: {last[:300]}", _HINT)
    return done.stdout
