"""Who accepts a change: the name that CI gives, else git, else the system."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Mapping

from asymm_deploy.safe import one_line

_TIMEOUT_S = 10.0
_NAMED_BY_CI = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN")


def approver_name(environ: Mapping[str, str]) -> str:
    """Return a name on one line; ``unknown`` if there is none to be found."""
    for variable in _NAMED_BY_CI:
        if environ.get(variable):
            return one_line(environ[variable])
    return one_line(_git_user()) or one_line(_system_user()) or "unknown"


def _git_user() -> str:
    try:
        done = subprocess.run(
            ["git", "config", "user.name"],  # noqa: S607  whichever git the user has
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""
