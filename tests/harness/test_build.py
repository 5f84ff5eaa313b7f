"""Every preset that can be built here is, without a warning, and its own tests pass."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "android_harness"


def ctest(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["ctest", "--test-dir", str(folder), "--output-on-failure"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("preset", ["host", "host-asan", "linux-arm64"])
def test_a_preset_is_built_and_its_tests_pass(preset: str, tree: Callable[[str], Any]) -> None:
    built = tree(preset)
    if built.emulator and shutil.which(built.emulator[0]) is None:
        pytest.skip(f"cross-built, but not run: {built.emulator[0]} is not installed")
    code, said = ctest(built.folder)
    assert code == 0, said
    assert "100% tests passed" in said


def test_warnings_are_errors(tree: Callable[[str], Any]) -> None:
    commands = (tree("host").folder / "build.ninja").read_text(encoding="utf-8")
    assert "-Wall -Wextra -Werror" in commands


def test_the_presets_are_those_that_the_program_offers() -> None:
    from asymm_deploy.bench import native_build

    presets = json.loads((SOURCE / "CMakePresets.json").read_text(encoding="utf-8"))
    shown = [one["name"] for one in presets["configurePresets"] if not one.get("hidden")]
    assert shown == [*native_build.PRESETS, "host-asan"]
