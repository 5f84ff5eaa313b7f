"""The qemu-user of apt's package lists with its libraries, unpacked without installing it."""

from __future__ import annotations

import shutil
from pathlib import Path

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.emulated.emulator_home import SETUP_PREFIX
from asymm_deploy.bench.emulated.qemu import QEMU, ask, unpacked_command
from asymm_deploy.bench.native.programs import run_program
from asymm_deploy.errors import HarnessError
from asymm_deploy.locks import scratch_folder

_HINT = (
    "on Debian 12, or with its package lists in apt, `sudo apt-get install qemu-user` installs it; "
    "this option needs apt-get, dpkg and a Debian whose lists have qemu-user 7 or 8"
)
_PACKAGE = "qemu-user"
_LONGEST_S = 1200.0


def unpack_qemu(home: Path, say: Tell) -> None:
    """Download qemu-user and all that it needs by apt-get, and unpack it into the data folder.

    Nothing is installed. Raises HarnessError if a step fails, or if what was unpacked can't load
    plugins; the folder then is as it was.
    """
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise HarnessError(f"{tool} is not installed, so no package can be fetched", _HINT)
    say("fetching qemu-user and its libraries by apt-get")
    with scratch_folder(home, SETUP_PREFIX) as scratch:
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
    try:
        done = run_program(command, limit_s=_LONGEST_S, folder=folder, starts_others=True)
    except OSError as error:
        raise HarnessError(
            f"`{' '.join(command[:3])}` failed: {error.strerror or error}", _HINT
        ) from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise HarnessError(f"`{' '.join(command[:3])}` failed: {last[:300]}", _HINT)
    return done.stdout
