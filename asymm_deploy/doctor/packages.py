"""Python and the installed packages against the versions that the project requires.

No package is imported except ``packaging``, which compares versions by the rules that pip follows
(PEP 440, and PEP 508 for markers).
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import asymm_deploy
from asymm_deploy.doctor.checklist import Check
from asymm_deploy.doctor.environment import Environment
from asymm_deploy.safe import excerpt

_DISTRIBUTION = "asymm-deploy"
_ON_THEIR_OWN_LINE = ("torch", "onnx", "onnxruntime", "onnxsim", "MNN", "adbutils")
"""The other packages share one line."""
_IMPORT_TIMEOUT_S = 20.0


def package_checks(environment: Environment) -> Iterator[Check]:
    """Yield a check of Python, one of each important package, and one of whether MNN loads."""
    version = platform.python_version()
    try:
        python = metadata.metadata(_DISTRIBUTION)["Requires-Python"] or ""
        required = _required()
        # CPython built from a checkout ends in "+", which is no version by PEP 440.
        good = satisfies(version.removesuffix("+"), python)
    except metadata.PackageNotFoundError:
        found = "not installed as a package"
        yield Check(_DISTRIBUTION, "host", "missing", found, _install())
        return
    except ImportError:
        # Every other version is compared by it, so there is nothing more to tell.
        yield Check("packaging", "host", "missing", "not installed", _install())
        return
    except ValueError as error:  # packaging's InvalidRequirement and InvalidSpecifier
        found = f"its metadata can't be read: {excerpt(str(error))}"
        yield Check(_DISTRIBUTION, "host", "wrong", found, _install())
        return
    to_do = "" if good else f"install Python {python} and create the environment again with it"
    yield Check("python", "host", "ok" if good else "wrong", version, to_do)
    engine = f"MNN{required.get('mnn', '')}"
    for name in _ON_THEIR_OWN_LINE:
        yield _package(name, required.pop(name.lower(), ""))
    others = [_package(name, bounds) for name, bounds in required.items()]
    bad = [check for check in others if check.status != "ok"]
    yield Check(
        "other packages",
        "host",
        "wrong" if bad else "ok",
        ", ".join(f"{check.name}: {check.found}" for check in bad) or f"all {len(others)}",
        _install() if bad else "",
    )
    yield _engine_loads(environment, engine)


def satisfies(version: str, bounds: str) -> bool:
    """Whether ``version`` is within ``bounds``, which are PEP 440's: ``>=3.6.1,<3.7``.

    A pre-release counts as what it is, earlier than its release: ``3.0rc1`` is below ``>=3.0`` and
    within ``>=2.9``. A local label (``2.13.0+cpu``) doesn't matter. Text that is no version
    satisfies nothing. Raises ValueError if the bounds can't be parsed.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    wanted = SpecifierSet(bounds)
    try:
        return wanted.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _required() -> dict[str, str]:
    """Return the bounds by package of what this Python on this system needs, without extras."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    required: dict[str, SpecifierSet] = {}
    for line in metadata.requires(_DISTRIBUTION) or []:
        requirement = Requirement(line)
        # As pip sees it where no extra was asked for.
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            name = canonicalize_name(requirement.name)
            required[name] = required.get(name, SpecifierSet()) & requirement.specifier
    return {name: str(bounds) for name, bounds in required.items()}


def _package(name: str, bounds: str) -> Check:
    try:
        # None where an interrupted pip has left metadata without a version.
        version = metadata.version(name) or "of no known version"
    except metadata.PackageNotFoundError:
        return Check(name, "host", "missing", "not installed", _install())
    if satisfies(version, bounds):
        return Check(name, "host", "ok", excerpt(version))
    return Check(name, "host", "wrong", f"{excerpt(version)}, not {bounds}", _install())


def _install() -> str:
    """Return how to get what is missing: from the checkout that this code runs in, or by name."""
    folder = Path(asymm_deploy.__file__).parent.parent
    if all((folder / name).is_file() for name in ("pyproject.toml", "constraints.txt")):
        return f"run `pip install -c constraints.txt -e .` in {excerpt(str(folder))}"
    # pip looks at the requirements of a package that is already there, too.
    return f"run `pip install {_DISTRIBUTION}=={asymm_deploy.__version__}`"


def _engine_loads(environment: Environment, requirement: str) -> Check:
    """Load the engine as the runner does, in a process of its own: a broken wheel may crash.

    It also tells which back ends MNN has here.
    """
    said = environment.said(
        *(sys.executable, "-I", "-m", "asymm_deploy.engines.mnn_backends"),
        timeout_s=_IMPORT_TIMEOUT_S,
    )
    if said is not None and said[0] == 0:
        return Check("MNN loads", "host", "ok", f"yes, in a process of its own{_backends(said[1])}")
    last = said[1].strip().rpartition("\n")[2] if said is not None else "the import does not end"
    found = excerpt(last) or f"the import ended with {said[0] if said else None}"
    to_do = f"install MNN again: `pip install --force-reinstall --no-deps '{requirement}'`"
    return Check("MNN loads", "host", "wrong", found, to_do)


def _backends(output: str) -> str:
    """Return what the engine says of its back ends, to follow other words."""
    told = re.search(r"^(back ends: [a-z, ]+)$", output, re.MULTILINE)
    return f"; {told[1]}" if told else ""
