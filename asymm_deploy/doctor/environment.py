"""What the checks look at: variables, folders, user and programs. Tests substitute their own."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MAX_SAID = 64 * 2**10


@dataclass(frozen=True, slots=True)
class User:
    """The user that this process runs as."""

    name: str
    is_root: bool
    groups: frozenset[str]
    """The groups of this process."""
    promised_groups: frozenset[str]
    """The groups that the next login will have."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A machine as the checks see it."""

    variables: Mapping[str, str]
    system: str
    """``Linux``, ``Darwin``, ...: what ``platform.system()`` returns."""
    user: User
    artifacts: Path
    results: Path
    root: Path = Path("/")

    def which(self, program: str) -> Path | None:
        """Return the path of a program on PATH, or None."""
        found = shutil.which(program, path=self.variables.get("PATH", ""))
        return None if found is None else Path(found)

    def said(self, *command: str | Path, timeout_s: float) -> tuple[int, str] | None:
        """Return a program's exit code and its output, stderr included, up to 64 KiB.

        None if it can't be started or doesn't end within ``timeout_s`` seconds.
        """
        return _said(command, self.variables, timeout_s)


def here(artifacts: Path, results: Path) -> Environment:
    """Return the machine that this process runs on."""
    return Environment(os.environ, platform.system(), _user(), artifacts, results)


def _user() -> User:
    import grp

    # Containers have users and groups without names.
    groups, name = set(), str(os.getuid())
    for number in {os.getegid(), *os.getgroups()}:
        with suppress(KeyError):
            groups.add(grp.getgrgid(number).gr_name)
    with suppress(KeyError, OSError):
        name = getpass.getuser()
    promised = {group.gr_name for group in grp.getgrall() if name in group.gr_mem}
    return User(name, os.geteuid() == 0, frozenset(groups), frozenset(groups | promised))


def _said(
    command: Sequence[str | Path], variables: Mapping[str, str], timeout_s: float
) -> tuple[int, str] | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**variables, "LC_ALL": "C"},
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode, done.stdout[:_MAX_SAID].decode(errors="replace")
