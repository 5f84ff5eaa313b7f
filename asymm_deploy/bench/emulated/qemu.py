"""The qemu-aarch64 that counts: the system's own, or one that setup has unpacked.

Not every build of it can load plugins, and the plugin is for version 1 of their interface, which
QEMU 4.2 to 8.2 have. Which it is shows by loading the plugin, and by nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.safe import excerpt

QEMU = "qemu-aarch64"
QEMU_VARIABLE = "ASYMM_DEPLOY_QEMU"
"""Names another qemu-aarch64 than the first in PATH."""
APT_PACKAGES = ("qemu-user", "g++-aarch64-linux-gnu", "gcc", "cmake", "ninja-build")
FETCH_HINT = (
    "`asymm-deploy emulator setup --fetch-qemu` unpacks Debian 12's, which can, into your data "
    f"folder; or set {QEMU_VARIABLE} to one that can"
)
_LONGEST_S = 60
_UNPACKED = "qemu"


@dataclass(frozen=True, slots=True)
class Qemu:
    """An emulator that answers."""

    command: tuple[str, ...]
    version: str
    """``7.2.22``."""
    has_plugins: bool
    """Whether it knows the option; it may still refuse ours."""


def candidates(home: Path) -> list[tuple[str, ...]]:
    """Return the commands that may start it, the best first: named, unpacked, the system's."""
    named = os.environ.get(QEMU_VARIABLE)
    if named:
        return [(named,)]
    found = []
    unpacked = unpacked_command(home)
    if unpacked is not None:
        found.append(unpacked)
    system = shutil.which(QEMU)
    if system is not None:
        found.append((system,))
    return found


def unpacked_command(home: Path) -> tuple[str, ...] | None:
    """Return how to start the one that setup has unpacked: by the loader that came with it."""
    root = home / _UNPACKED
    program = root / "usr" / "bin" / QEMU
    loaders = sorted(root.glob("lib*/**/ld-linux*.so*")) + sorted(root.glob("lib*/**/ld64*.so*"))
    if not program.is_file() or not loaders:
        return None
    folders = sorted({str(path.parent) for path in root.glob("**/*.so.*") if path.is_file()})
    return (str(loaders[0]), "--library-path", ":".join(folders), str(program))


def ask(command: tuple[str, ...]) -> Qemu:
    """Return what an emulator says of itself; raise HarnessError if it can't be started."""
    said = _run([*command, "--version"])
    found = re.search(r"version (\d+\.\d+\.\d+)", said)
    if found is None:
        raise HarnessError(
            f"{' '.join(command)} does not tell its version: {said[:200]!r}",
            f"install qemu-user, or set {QEMU_VARIABLE} to a {QEMU}",
        )
    return Qemu(command, found[1], "-plugin" in _run([*command, "-h"]))


def find_qemu(home: Path) -> Qemu:
    """Return the first emulator that can load plugins; raise HarnessError if there is none."""
    without = None
    for command in candidates(home):
        qemu = ask(command)
        if qemu.has_plugins:
            return qemu
        without = without or qemu
    if without is not None:
        raise HarnessError(
            f"{' '.join(without.command)} (version {without.version}) can't load plugins, and so "
            "can't count instructions",
            FETCH_HINT,
        )
    raise HarnessError(
        f"{QEMU} is not installed",
        f"sudo apt-get install {' '.join(APT_PACKAGES[:2])}",
    )


def require_cpu(command: tuple[str, ...], name: str) -> None:
    """Raise UsageError unless the emulator knows a processor of this name."""
    listed = _run([*command, "-cpu", "help"])
    known = [line.strip() for line in listed.splitlines() if line.startswith(" ")]
    if known and name not in known:
        near = get_close_matches(name, known, n=3)
        raise UsageError(
            f"QEMU knows no processor {excerpt(name)!r}",
            f"did you mean {' or '.join(near)}?" if near else f"it knows {', '.join(known)}",
        )


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_LONGEST_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(
            f"{command[0]} can't be started: {error}",
            f"install qemu-user, or set {QEMU_VARIABLE} to a {QEMU}",
        ) from error
    return done.stdout + done.stderr
