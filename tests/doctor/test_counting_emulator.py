"""The emulator is shown if it is whole; else what is missing, and how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.bench.emulated import emulator_home
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.doctor.counting_emulator import emulator_check

FOUND = Emulator(
    qemu=("qemu-aarch64",),
    qemu_version="7.2.22",
    sysroot=Path("/sysroot"),
    runner=Path("/data/mnn/runner/asymm-runner"),
    plugin=Path("/data/mnn/count.so"),
    engine_version="3.6.1",
    runner_sha256="0" * 64,
    library_sha256="1" * 64,
    plugin_sha256="2" * 64,
    libc="3" * 64,
)


def test_without_one_the_command_that_sets_it_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    check = emulator_check()
    assert (check.need, check.status) == ("option", "missing")
    assert check.found == "the emulator is not set up"
    assert check.to_do.endswith(": asymm-deploy emulator setup")
    assert not list(tmp_path.iterdir())


def test_one_that_is_not_whole_says_which_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    emulator_home.parts_folder().mkdir(parents=True)
    check = emulator_check()
    assert (check.status, "emulator.json" in check.found) == ("missing", True)


def test_one_that_is_whole_is_shown_with_its_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator_home, "find_emulator", lambda: FOUND)
    check = emulator_check()
    assert (check.need, check.status, check.to_do) == ("option", "ok", "")
    assert check.found == "QEMU 7.2.22 with MNN 3.6.1, /data/mnn"
