"""Cores, core affinity and space on the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from asymm_deploy.doctor.checklist import Check
from asymm_deploy.doctor.environment import Environment
from asymm_deploy.safe import excerpt

_MIB = 2**20
ARTIFACTS_MIB = 1024
"""The 30 networks of Table 5 have 105 M parameters, 4 bytes each, in two files: 842 MB."""
RESULTS_MIB = 16
"""30 networks, 1000 runs each, 9 characters a sample, several times over."""


def machine_checks(environment: Environment) -> Iterator[Check]:
    """Yield how this machine is for timing, and for keeping what comes of it."""
    yield _cores(environment)
    yield _affinity(environment)
    yield _space("artifacts", environment.artifacts, ARTIFACTS_MIB)
    yield _space("results", environment.results, RESULTS_MIB)


def _cores(environment: Environment) -> Check:
    number = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if environment.system == "Linux" else number
    found = f"{usable} of {number} may be used"
    if usable > 1:
        return Check("cores", "option", "ok", found)
    to_do = "give this process a second core: with one, the harness disturbs what it times"
    return Check("cores", "option", "wrong", found, to_do)


def _affinity(environment: Environment) -> Check:
    if environment.system != "Linux":
        to_do = "time on Linux or on a phone; here rows are flagged 'unpinned' and stay valid"
        found = f"{environment.system} has none"
        return Check("core affinity", "option", "missing", found, to_do)
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    try:
        os.sched_setaffinity(0, {core})
        os.sched_setaffinity(0, allowed)
    except OSError as error:
        found = f"core {core} is refused: {error.strerror}"
        to_do = "run outside of the sandbox or container that forbids it"
        return Check("core affinity", "option", "wrong", found, to_do)
    return Check("core affinity", "option", "ok", f"can pin to core {core}")


def _space(name: str, folder: Path, needed_mib: int) -> Check:
    """Check the folder, or the one that it would be made in."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    at = excerpt(str(folder.absolute()))
    check = f"space for {name}"
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        to_do = f"choose a folder that you may write to, by --{_OPTIONS[name]}"
        return Check(check, "host", "wrong", f"can't write to {at}", to_do)
    free_mib = shutil.disk_usage(there).free // _MIB
    if free_mib >= needed_mib:
        return Check(check, "host", "ok", f"{free_mib:,} MiB in {at}")
    to_do = f"free {needed_mib:,} MiB, or choose another disk by --{_OPTIONS[name]}"
    return Check(check, "host", "wrong", f"{free_mib:,} MiB in {at}", to_do)


_OPTIONS = {"artifacts": "artifacts", "results": "out"}
