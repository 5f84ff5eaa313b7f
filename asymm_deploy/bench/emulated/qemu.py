"""The qemu-aarch64 that counts: the system's own, or one that setup has unpacked.

Not every build of it can load plugins, and the plugin is for version 1 of their interface, which
QEMU 4.2 to 8.2 have. Which it is shows by loading the plugin, and by nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from asymm_deploy.bench.native.programs import run_program
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import require_text
from asymm_deploy.safe import excerpt

QEMU = "qemu-aarch64"
QEMU_VARIABLE = "ASYMM_DEPLOY_QEMU"
"""Names another qemu-aarch64 than the first in PATH: its path, or its name there."""
APT_PACKAGES = ("qemu-user", "g++-aarch64-linux-gnu")
FETCH_HINT = (
    "Debian 12's qemu-user can: `asymm-deploy emulator setup --fetch-qemu` unpacks it into your "
    f"data folder; or set {QEMU_VARIABLE} to one that can"
)
_INSTALL_HINT = (
    f"sudo apt-get install {APT_PACKAGES[0]}; or set {QEMU_VARIABLE} to the path of a {QEMU}"
)
_LONGEST_S = 60
UNPACKED = "qemu"
"""The folder of the one that setup has unpacked, beside the rest."""


@dataclass(frozen=True, slots=True)
class Qemu:
    """An emulator that answers."""

    command: tuple[str, ...]
    version: str
    """``7.2.22``."""
    has_plugins: bool
    """Whether it knows the option; it may still refuse ours."""


def candidates(home: Path) -> list[tuple[str, ...]]:
    """Return the commands that may start it, the best first: named, or unpacked and the system's.

    Raises UsageError if the variable names no program.
    """
    named = os.environ.get(QEMU_VARIABLE)
    if named:
        program = shutil.which(os.path.expanduser(named))  # noqa: PTH111  no shell has seen it
        if program is None:
            raise UsageError(
                f"${QEMU_VARIABLE} names {excerpt(named)}, which is not a program",
                f"set it to the path of a {QEMU}, or unset it to use the one that is installed",
            )
        require_text(Path(program), "rename it, or make a link to it")
        return [(str(Path(program).absolute()),)]
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
    folder = home / UNPACKED
    program = folder / QEMU
    loader = next(iter(sorted(folder.glob("ld-linux*.so*"))), None)
    if not program.is_file() or loader is None:
        return None
    return (str(loader), "--library-path", str(folder), str(program))


def ask(command: tuple[str, ...]) -> Qemu:
    """Return what an emulator says of itself; raise HarnessError if it can't be started."""
    said = _run([*command, "--version"])
    found = re.search(rf"{QEMU} version (\d+\.\d+\.\d+)", said)
    if found is None:
        raise HarnessError(
            f"{command[-1]} does not say that it is a {QEMU}, but {excerpt(said, 80)!r}",
            _INSTALL_HINT,
        )
    return Qemu(command, found[1], "-plugin" in _run([*command, "-h"]))


def require_plugins(home: Path) -> None:
    """Raise HarnessError unless an emulator is there that can load plugins, saying why each can't.

    Whether it takes ours shows only when it is tried.
    """
    complaints = []
    for command in candidates(home):
        try:
            qemu = ask(command)
        except HarnessError as error:
            complaints.append(error)
            continue
        if qemu.has_plugins:
            return
        complaints.append(
            HarnessError(
                f"{command[-1]} (version {qemu.version}) can't load plugins, and so can't count "
                "instructions",
                FETCH_HINT,
            )
        )
    if not complaints:
        raise HarnessError(f"{QEMU} is not installed", f"sudo apt-get install {APT_PACKAGES[0]}")
    raise HarnessError("; ".join(error.what for error in complaints), complaints[-1].hint)


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
        done = run_program(command, limit_s=_LONGEST_S)
    except OSError as error:
        raise HarnessError(
            f"{command[0]} can't be started: {error.strerror or error}", _INSTALL_HINT
        ) from error
    return done.stdout + done.stderr
