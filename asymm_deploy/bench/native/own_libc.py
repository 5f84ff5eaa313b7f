"""A C library of its own for a runner: phones have Android's, and not the GNU one.

The loader is started with the runner as its argument, and looks for libraries in their folder.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from asymm_deploy.bench.native.programs import run_program
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

LIBC = "glibc"
"""What ``runner.json`` calls it."""
LOADER = "ld-linux-aarch64.so.1"
"""By this name every program for 64-bit ARM Linux asks for it."""
CROSS_COMPILER = "aarch64-linux-gnu-g++"
CROSS_PACKAGE = "g++-aarch64-linux-gnu"

_ANSWER_S = 60
_READELF = "aarch64-linux-gnu-readelf"
_NEEDED = re.compile(r"\(NEEDED\)[^\n]*\[([^\]\n]+)\]")


def put_libc_beside(folder: Path) -> None:
    """Copy the loader, and each library that the files in ``folder`` need, from the compiler's.

    What those need in turn comes along. Raises HarnessError if one is missing.
    """
    there = {path.name for path in folder.iterdir()}
    pending = [*sorted(there), LOADER]
    while pending:
        name = pending.pop()
        if name not in there:
            shutil.copyfile(_library(name), folder / name)
            there.add(name)
        pending += sorted(_needed(folder / name) - there)
    (folder / LOADER).chmod(0o755)


def _needed(path: Path) -> set[str]:
    """Return the names of the libraries that a program or a library asks for."""
    return set(_NEEDED.findall(_said([_READELF, "--dynamic", str(path)])))


def _library(name: str) -> Path:
    """Return where the compiler has a library; it repeats the name of one that it hasn't."""
    found = Path(_said([CROSS_COMPILER, f"-print-file-name={name}"]).strip())
    if not found.is_absolute() or not found.is_file():
        raise HarnessError(
            f"{CROSS_COMPILER} has no {name}, which the runner needs", _install(CROSS_PACKAGE)
        )
    return found


def _said(command: Sequence[str]) -> str:
    try:
        done = run_program(command, limit_s=_ANSWER_S)
    except OSError as error:
        why = error.strerror or str(error)
    else:
        if done.returncode == 0:
            return done.stdout
        why = excerpt(done.stderr) or f"it ended with code {done.returncode}"
    raise HarnessError(
        f"can't ask {command[0]} about the runner's libraries: {why}", _install(CROSS_PACKAGE)
    )


def _install(*packages: str) -> str:
    return f"sudo apt-get install --reinstall {' '.join(packages)}"
