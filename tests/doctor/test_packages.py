"""Versions are compared as pip does it; what is missing, too old or broken has its remedy."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

import asymm_deploy
from asymm_deploy.doctor import packages
from asymm_deploy.doctor.checklist import Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doctor.conftest import Machine


def by_name(machine: Machine) -> dict[str, Check]:
    return {check.name: check for check in packages.package_checks(machine.environment)}


@pytest.mark.parametrize(
    ("version", "bounds", "good"),
    [
        ("3.6.1", ">=3.6.1,<3.7", True),
        ("3.6.10", "<3.7,>=3.6.9", True),
        ("3.6.0", ">=3.6.1,<3.7", False),
        ("3.7.0", ">=3.6.1,<3.7", False),
        ("3.10", ">=3.9", True),
        ("3", ">=3.0", True),
        ("2", "<2.0", False),
        ("1.0", "", True),
        # Pre-releases come before their release, and count as what they are.
        ("3.0rc1", ">=3.0", False),
        ("3.0.dev1", ">=3.0", False),
        ("3.1rc1", ">=3.0,<4", True),
        ("3.7rc1", ">=3.6,<3.7", False),
        ("1.17.0rc1", ">=1.17", False),
        ("1.18.0rc1", ">=1.17,<2", True),
        # Post-releases come after it.
        ("3.0.post1", ">=3.0", True),
        ("3.0.post1", "<=3.0", False),
        # An epoch outweighs every number.
        ("1!2.0", "<2", False),
        ("1!2.0", ">=3", True),
        ("1!2.0", "<1!3", True),
        # A local label doesn't matter.
        ("2.13.0+cpu", ">=2.13,<2.14", True),
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.14.0a0+gitabc", "<2.14", False),
        # The other operators.
        ("1.5", "~=1.4", True),
        ("2.0", "~=1.4", False),
        ("1.4.9", "~=1.4.2", True),
        ("1.5.0", "~=1.4.2", False),
        ("1.5", "!=1.5", False),
        ("1.5.1", "!=1.5", True),
        ("1.5.1", "!=1.5.*", False),
        ("1.5", "==1.5.0", True),
        ("1.5.1", "==1.5", False),
        ("1.5.1", "==1.5.*", True),
        ("1.5", ">1.5", False),
        ("1.5", "<=1.5", True),
        # No version satisfies nothing, not even the empty bounds.
        ("nonsense", ">=1", False),
        ("nonsense", "", False),
        ("", ">=1", False),
        ("3.6.1-beta-of-mine", ">=3", False),
    ],
)
def test_versions_are_compared_as_pip_compares_them(version: str, bounds: str, good: bool) -> None:
    assert packages.satisfies(version, bounds) is good


def test_every_lower_and_upper_bound_of_the_project_bites(machine: Machine) -> None:
    for name, bounds in packages._required().items():
        assert packages.satisfies(metadata.version(name), bounds), name
        assert not packages.satisfies("0.0.1", bounds), name
        assert not packages.satisfies("1000", bounds), name


@pytest.fixture
def requires(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the project require other packages than it does."""

    def require(*lines: str) -> None:
        monkeypatch.setattr(metadata, "requires", lambda _: list(lines))

    return require


def test_markers_and_extras_decide_what_is_needed(requires: Callable[..., None]) -> None:
    requires(
        "here<2; sys_platform == '" + sys.platform + "'",
        "elsewhere<2; sys_platform == 'amiga'",
        "Now_And.Then>=1; python_version >= '3.11'",
        "never>=1; python_version < '3.0'",
        "developing>=1; extra == 'dev'",
        "either>=1; python_version >= '3' or extra == 'dev'",
        "with-extra[fast,small]>=3,<4",
        "from-a-file @ file:///tmp/it.whl",
        "twice>=1",
        "twice<3",
        "bare",
    )

    assert packages._required() == {
        "here": "<2",
        "now-and-then": ">=1",
        "either": ">=1",
        "with-extra": "<4,>=3",
        "from-a-file": "",
        "twice": "<3,>=1",
        "bare": "",
    }


def test_a_package_that_only_another_system_needs_is_not_missed(
    machine: Machine, requires: Callable[..., None]
) -> None:
    requires("no-such-package>=1; sys_platform == 'amiga'", "packaging")
    assert by_name(machine)["other packages"].status == "ok"
    requires("no-such-package>=1", "packaging")
    assert by_name(machine)["other packages"].found == "no-such-package: not installed"


@pytest.mark.parametrize("line", ["what is this", "onnx>=", "onnx; sys_platform"])
def test_metadata_that_can_not_be_read_is_wrong_and_no_traceback(
    machine: Machine, requires: Callable[..., None], line: str
) -> None:
    requires("packaging", line)
    (check,) = packages.package_checks(machine.environment)
    assert (check.name, check.need, check.status) == ("asymm-deploy", "host", "wrong")
    assert check.found.startswith("its metadata can't be read: ")
    assert "\n" not in check.found
    assert "pip install" in check.to_do


def test_without_packaging_it_says_so_and_stops(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "packaging":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "packaging", None)
    (check,) = packages.package_checks(machine.environment)
    assert (check.name, check.need, check.status) == ("packaging", "host", "missing")
    assert "pip install" in check.to_do


@pytest.mark.parametrize("version", [None, "nonsense"])
def test_metadata_without_a_version_is_wrong(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: version if name == "onnx" else real(name))
    found = by_name(machine)["onnx"]
    assert found.status == "wrong"
    assert found.found.startswith(version or "of no known version")


@pytest.mark.parametrize(
    ("version", "status"),
    [("3.11.0", "ok"), ("3.13.1+", "ok"), ("3.14.0a2", "ok"), ("3.11.0rc1", "wrong")],
)
def test_pythons_own_versions_are_understood(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, version: str, status: str
) -> None:
    # packaging asks sys for the version that markers see, not platform.
    monkeypatch.setattr(platform, "python_version", lambda: version)
    found = by_name(machine)["python"]
    assert (found.status, found.found) == (status, version)


def test_who_has_a_checkout_is_told_to_install_from_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asymm_deploy, "__file__", str(machine.file("src/asymm_deploy/x.py")))
    machine.file("src/pyproject.toml")
    machine.file("src/constraints.txt")
    assert packages._install() == (
        f"run `pip install -c constraints.txt -e .` in {machine.folder / 'src'}"
    )


def test_who_has_a_wheel_is_told_to_install_it_by_name_and_version(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In site-packages, other packages may leave a pyproject.toml behind, but no constraints.
    monkeypatch.setattr(asymm_deploy, "__file__", str(machine.file("lib/asymm_deploy/x.py")))
    machine.file("lib/pyproject.toml")
    to_do = f"run `pip install asymm-deploy=={asymm_deploy.__version__}`"
    assert packages._install() == to_do

    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "2.1.0" if name == "torch" else real(name)
    )
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found = by_name(machine)
    assert found["torch"].to_do == to_do
    assert {name: check for name, check in found.items() if "constraints" in check.to_do} == {}


def test_an_installation_that_has_all_is_ok(machine: Machine) -> None:
    found = by_name(machine)
    assert {"python", "torch", "onnx", "onnxruntime", "onnxsim", "MNN", "adbutils"} < found.keys()
    assert {name: check.status for name, check in found.items() if check.status != "ok"} == {}
    assert found["MNN"].found == metadata.version("MNN")
    assert re.match(r"yes, .*; back ends: cpu", found["MNN loads"].found)


def test_other_versions_are_wrong_and_missing_packages_missing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name == "onnx":
            raise metadata.PackageNotFoundError(name)
        return {"torch": "2.1.0", "pandas": "1.0"}.get(name, real(name))

    real = metadata.version
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(platform, "python_version", lambda: "3.10.4")
    found = by_name(machine)
    assert (found["python"].status, found["python"].found) == ("wrong", "3.10.4")
    assert found["onnx"].status == "missing"
    assert found["torch"].status == "wrong"
    assert "2.1.0, not " in found["torch"].found
    assert "pip install" in found["torch"].to_do
    assert found["other packages"].status == "wrong"
    assert "pandas: 1.0, not " in found["other packages"].found


def test_a_copy_that_was_never_installed_says_so(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_DISTRIBUTION", "asymm-deploy-of-nobody")
    (check,) = packages.package_checks(machine.environment)
    assert (check.name, check.status) == ("asymm-deploy-of-nobody", "missing")
    assert "`pip install -c constraints.txt -e .` in " in check.to_do  # these tests' checkout


def test_an_engine_that_does_not_load_is_wrong(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found = by_name(machine)["MNN loads"]
    assert (found.status, found.found) == ("wrong", "the import ended with 1")
    bounds = packages._required()["mnn"]
    assert found.to_do == (
        f"install MNN again: `pip install --force-reinstall --no-deps 'MNN{bounds}'`"
    )


def test_nothing_heavy_is_imported_and_nothing_needs_a_network(free_port: int) -> None:
    """Sockets are forbidden, and modules counted, in a process of its own."""
    code = """
import sys
from pathlib import Path
def forbid(event, arguments):
    if event == "socket.connect" and arguments[1][0] not in ("127.0.0.1", "::1", "localhost"):
        sys.exit(f"it connects to {arguments[1]}")
sys.addaudithook(forbid)
from asymm_deploy import doctor
from asymm_deploy.doctor.environment import here
names = [check.name for check in doctor.examine(here(Path("artifacts"), Path("results")))]
assert "torch" in names and "adb server" in names, names
heavy = {"torch", "onnx", "onnxruntime", "onnxsim", "MNN", "_mnncengine", "pandas"}
sys.exit(", ".join(heavy & set(sys.modules)) or None)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"ANDROID_ADB_SERVER_PORT": str(free_port)},
    )
    assert done.returncode == 0, done.stderr
