"""What the native runner is built with: CMake, a generator, and a compiler or an NDK."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from asymm_deploy.bench.native.programs import run_program
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.safe import excerpt

_CMAKE_LEAST = (3, 22)  # CMakePresets.json says so too
_SPLIT_BY = ('"', "$", ";", "\\", "|")
_ANSWER_S = 60


def require_build_tools(preset: str) -> str:
    """Return the name of a CMake generator; raise if something needed to build is missing."""
    found = _cmake_version()
    if found < _CMAKE_LEAST:
        raise HarnessError(
            f"cmake is too old: {_dotted(found)}; {_dotted(_CMAKE_LEAST)} is needed",
            "install a newer one, for instance with `pip install cmake`",
        )
    if preset == "android-arm64":
        _check_ndk()
    elif preset == "linux-arm64":
        _check_compiler("aarch64-linux-gnu-g++", "apt install g++-aarch64-linux-gnu")
    else:
        _check_compiler("c++", "apt install g++")
    if shutil.which("ninja"):
        return "Ninja"
    if shutil.which("make"):
        return "Unix Makefiles"
    raise HarnessError(
        "neither ninja nor make is installed, and CMake needs one of them",
        "install one, for instance with `apt install ninja-build` or `pip install ninja`",
    )


def require_cmake_paths(paths: Iterable[Path]) -> None:
    """Raise UsageError for a path that CMake, or what it writes for ninja, would take apart."""
    for path in paths:
        found = next((each for each in _SPLIT_BY if each in str(path)), None)
        if found is not None or any(character < " " for character in str(path)):
            raise UsageError(
                f"CMake can't build with {excerpt(str(path))}: its path has "
                f"{found or 'a line end or another control character'}",
                f"choose a folder without any of {' '.join(_SPLIT_BY)} in its path",
            )


def _cmake_version() -> tuple[int, ...]:
    hint = "install it, for instance with `apt install cmake` or `pip install cmake`"
    try:
        told = run_program(["cmake", "--version"], limit_s=_ANSWER_S)
    except FileNotFoundError:
        raise HarnessError("cmake is not installed", hint) from None
    except OSError as error:
        raise HarnessError(f"cmake can't be started: {error.strerror or error}", hint) from error
    if told.returncode != 0:
        said = excerpt(told.stderr) or f"it ended with code {told.returncode}"
        raise HarnessError(f"cmake can't be started: {said}", hint)
    found = re.search(r"cmake version (\d+)\.(\d+)", told.stdout)
    if found is None:
        raise HarnessError("cmake does not tell its version", hint)
    return tuple(map(int, found.groups()))


def _check_ndk() -> None:
    named = os.environ.get("ANDROID_NDK_HOME")
    hint = "set ANDROID_NDK_HOME to an unpacked NDK, or unset it and leave out --preset to build "
    hint += "without one; docs/android.md says how"
    if not named:
        raise UsageError("ANDROID_NDK_HOME is not set, so there is no NDK to build with", hint)
    toolchain = Path(named) / "build" / "cmake" / "android.toolchain.cmake"
    if not toolchain.is_file():
        raise UsageError(
            f"ANDROID_NDK_HOME names {named}, which is not an NDK: it has no {toolchain}", hint
        )


def _check_compiler(name: str, install: str) -> None:
    if shutil.which(name) is None:
        raise HarnessError(
            f"the compiler {name} is not installed", f"install it, for instance with `{install}`"
        )


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
