"""Python and packages against what the project asks for, without importing any of them."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from asymm_deploy.doctor.check import Check
from asymm_deploy.doctor.environment import Environment
from asymm_deploy.safe import excerpt

_DISTRIBUTION = "asymm-deploy"
_SHOWN = ("torch", "onnx", "onnxruntime", "onnxsim", "MNN", "adbutils")
"""Have a line of their own; the others share one."""
_INSTALL = "install the project again: `pip install -c constraints.txt -e .` in its folder"
_IMPORT_TIMEOUT_S = 20.0


def checks(environment: Environment) -> Iterator[Check]:
    """Yield how Python and the packages are."""
    try:
        asked = metadata.metadata(_DISTRIBUTION)["Requires-Python"]
        wanted = dict(_requirements())
    except metadata.PackageNotFoundError:
        to_do = "run `pip install -c constraints.txt -e .` in the project's folder"
        yield Check(_DISTRIBUTION, "host", "missing", "not installed as a package", to_do)
        return
    version = platform.python_version()
    good = satisfies(version, asked)
    to_do = "" if good else f"install Python {asked} and make the environment again with it"
    yield Check("python", "host", "ok" if good else "wrong", version, to_do)
    for name in _SHOWN:
        yield _package(name, wanted.pop(name.lower(), ""))
    others = [_package(name, asked) for name, asked in wanted.items()]
    bad = [one for one in others if one.status != "ok"]
    yield Check(
        "other packages",
        "host",
        "wrong" if bad else "ok",
        ", ".join(f"{one.name}: {one.found}" for one in bad) or f"all {len(others)}",
        _INSTALL if bad else "",
    )
    yield _engine(environment)


def satisfies(version: str, asked: str) -> bool:
    """Tell whether a version is within ``>=3.6.1,<3.7``; the other operators aren't used here.

    What stands behind the numbers (``2.13.0+cpu``, ``3.0rc1``) doesn't count.
    """
    bounds = re.findall(r"(>=|<)\s*([0-9.]+)", asked)
    mine = _numbers(version)
    return all(
        mine >= _numbers(bound) if operator == ">=" else mine < _numbers(bound)
        for operator, bound in bounds
    )


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    return (*numbers, 0, 0, 0, 0)[:4]


def _requirements() -> Iterator[tuple[str, str]]:
    """Yield name and version of what the project requires, extras left out."""
    for line in metadata.requires(_DISTRIBUTION) or []:
        requirement, _, marker = line.partition(";")
        found = re.match(r"[A-Za-z0-9._-]*[A-Za-z0-9]", requirement)
        if found is not None and "extra" not in marker:
            yield found[0].lower(), requirement[found.end() :].strip()


def _package(name: str, asked: str) -> Check:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, "host", "missing", "not installed", _INSTALL)
    if satisfies(version, asked):
        return Check(name, "host", "ok", excerpt(version))
    return Check(name, "host", "wrong", f"{excerpt(version)}, not {asked}", _INSTALL)


def _engine(environment: Environment) -> Check:
    """Import the engine as the runner does, in a process of its own: a broken wheel may crash."""
    said = environment.said(
        *(sys.executable, "-I", "-c", "import asymm_deploy.engines.mnn_session"),
        timeout_s=_IMPORT_TIMEOUT_S,
    )
    if said is not None and said[0] == 0:
        return Check("MNN loads", "host", "ok", "yes, in a process of its own")
    last = said[1].strip().rpartition("\n")[2] if said is not None else "it does not end"
    found = excerpt(last) or f"it ended with {said[0] if said else None}"
    to_do = "install MNN again: `pip install --force-reinstall -c constraints.txt MNN`"
    return Check("MNN loads", "host", "wrong", found, to_do)
