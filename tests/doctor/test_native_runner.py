"""The runner that would be pushed is the one that is shown; without one, how to build it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

import asymm_deploy
from asymm_deploy import doctor
from asymm_deploy.bench import native_build
from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.doctor.native_runner import runner_check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doctor.conftest import Machine


@pytest.fixture
def built(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a runner for phones is looked for; nothing is there yet."""
    monkeypatch.delenv(native_build.VARIABLE, raising=False)
    monkeypatch.setattr(native_build, "folder_of", lambda _: machine.folder / "runner")
    return machine.folder / "runner" / native_build.PROGRAM


def record(mnn_version: str | None) -> str:
    made = native_build.Built(
        protocol=PROTOCOL,
        version=asymm_deploy.__version__,
        preset="android-arm64",
        mnn_version=mnn_version,
        files={},
    )
    return msgspec.json.encode(made).decode()


def needs(machine: Machine) -> dict[str, str]:
    return {check.name: check.need for check in doctor.examine(machine.environment)}


@pytest.mark.usefixtures("built")
def test_without_a_runner_it_says_how_to_build_one(machine: Machine) -> None:
    found = runner_check()
    assert (found.status, found.need) == ("missing", "phone")
    assert "asymm-deploy runner build" in found.to_do
    assert needs(machine)["linux-arm64 compiler"] == "phone"


def test_with_a_runner_the_tools_to_build_one_are_options(machine: Machine, built: Path) -> None:
    machine.file("runner/asymm-runner")
    machine.file("runner/runner.json", record("3.6.1"))
    found = runner_check()
    assert (found.status, found.found) == ("ok", f"{built}, with MNN 3.6.1")
    assert needs(machine)["linux-arm64 compiler"] == "option"


def test_a_runner_without_mnn_will_not_do(machine: Machine, built: Path) -> None:
    machine.file("runner/asymm-runner")
    machine.file("runner/runner.json", record(None))
    found = runner_check()
    assert (found.status, "without MNN" in found.found) == ("missing", True)
    assert str(built) in found.found


@pytest.mark.usefixtures("built")
def test_a_runner_of_the_users_own_is_shown(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = machine.program("mine")
    monkeypatch.setenv(native_build.VARIABLE, str(own))
    assert (runner_check().status, runner_check().found) == ("ok", str(own))
    monkeypatch.setenv(native_build.VARIABLE, f"{own}\n\x1b[2J")
    found = runner_check()
    assert found.status == "missing"
    assert "\x1b" not in found.found
