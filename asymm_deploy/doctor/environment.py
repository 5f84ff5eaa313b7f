"""What is examined: variables, folders, user and programs. Tests put others in their place."""

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
    """Who we run as."""

    name: str
    is_root: bool
    groups: frozenset[str]
    """In force for this process."""
    promised_groups: frozenset[str]
    """In force after the next login."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A machine as a program sees it."""

    variables: Mapping[str, str]
    system: str
    """As ``platform.system()`` says it."""
    user: User
    artifacts: Path
    results: Path
    root: Path = Path("/")

    def which(self, program: str) -> Path | None:
        """Return where PATH has a program."""
        found = shutil.which(program, path=self.variables.get("PATH", ""))
        return None if found is None else Path(found)

    def said(self, *command: str | Path, timeout_s: float) -> tuple[int, str] | None:
        """Return a program's exit code and all that it printed; None if it can't be run."""
        return _said(command, self.variables, timeout_s)


def here(artifacts: Path, results: Path) -> Environment:
    """Return the machine that we run on."""
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
