"""Versions are compared as numbers; what is missing, too old or broken is said with its remedy."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from asymm_deploy.doctor import packages
from asymm_deploy.doctor.check import Check

if TYPE_CHECKING:
    from tests.doctor.conftest import Machine


def by_name(machine: Machine) -> dict[str, Check]:
    return {check.name: check for check in packages.checks(machine.environment)}


@pytest.mark.parametrize(
    ("version", "asked", "good"),
    [
        ("3.6.1", ">=3.6.1,<3.7", True),
        ("3.6.10", "<3.7,>=3.6.9", True),
        ("3.6.0", ">=3.6.1,<3.7", False),
        ("3.7.0", ">=3.6.1,<3.7", False),
        ("3.10", ">=3.9", True),
        ("3", ">=3.0", True),
        ("2.13.0+cpu", ">=2.13,<2.14", True),
        ("2", "<2.0", False),
        ("1.17.0rc1", ">=1.17", True),
        ("nonsense", ">=1", False),
        ("1.0", "", True),
    ],
)
def test_versions_are_numbers(version: str, asked: str, good: bool) -> None:
    assert packages.satisfies(version, asked) is good


def test_an_installation_that_has_all_is_ok(machine: Machine) -> None:
    found = by_name(machine)
    assert {"python", "torch", "onnx", "onnxruntime", "onnxsim", "MNN", "adbutils"} < found.keys()
    assert {name: check.status for name, check in found.items() if check.status != "ok"} == {}
    assert found["MNN"].found == metadata.version("MNN")
    assert found["MNN loads"].found.startswith("yes")


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
    (check,) = packages.checks(machine.environment)
    assert (check.name, check.status) == ("asymm-deploy-of-nobody", "missing")


def test_an_engine_that_does_not_load_is_wrong(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found = by_name(machine)["MNN loads"]
    assert (found.status, found.found) == ("wrong", "it ended with 1")
    assert "--force-reinstall" in found.to_do


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
