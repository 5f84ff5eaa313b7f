"""The tools that build the native runner: NDK, CMake, build program, MNN, cross compiler."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from asymm_deploy.doctor.checklist import Check, Need
from asymm_deploy.doctor.environment import Environment
from asymm_deploy.files import opened_regular
from asymm_deploy.safe import excerpt

CMAKE_LEAST = (3, 22)
"""The first CMake that reads version 3 of CMakePresets.json; CMakeLists.txt asks for the same."""
_TIMEOUT_S = 5.0
_CROSS_COMPILER = "aarch64-linux-gnu-g++"
_LIBRARY_FOLDERS = ("lib", "lib/arm64-v8a", "arm64-v8a", ".")
"""Where android_harness/cmake/MNN.cmake looks below MNN_ROOT."""


def build_checks(environment: Environment, need: Need) -> Iterator[Check]:
    """Yield a check of each tool; ``need`` is "option" if a runner has been built already.

    Without an NDK the runner is built by the cross compiler, with MNN's wheel.
    """
    by_ndk: Need = need if environment.variables.get("ANDROID_NDK_HOME") else "option"
    yield _ndk(environment, by_ndk)
    yield _cmake(environment, need)
    yield _generator(environment, need)
    yield _mnn(environment, by_ndk)
    yield _cross_compiler(environment, need if by_ndk == "option" else "option")


def _ndk(environment: Environment, need: Need) -> Check:
    name = "Android NDK"
    to_do = (
        "unpack r27c from https://developer.android.com/ndk/downloads and set ANDROID_NDK_HOME to "
        "its folder"
    )
    given = environment.variables.get("ANDROID_NDK_HOME")
    if not given:
        return Check(name, need, "missing", "ANDROID_NDK_HOME is not set", to_do)
    folder = Path(given)
    if not (folder / "build/cmake/android.toolchain.cmake").is_file():
        what = "not an NDK" if folder.is_dir() else "not a folder"
        return Check(name, need, "wrong", f"ANDROID_NDK_HOME is {what}: {excerpt(given)}", to_do)
    revision = re.search(r"(?m)^Pkg\.Revision *= *([\w.-]{1,40})", _text(folder))
    if revision is None:
        found = f"no revision in {excerpt(str(folder / 'source.properties'))}"
        return Check(name, need, "wrong", found, to_do)
    return Check(name, need, "ok", f"{revision[1]} in {excerpt(given)}")


def _text(folder: Path) -> str:
    try:
        with opened_regular(folder / "source.properties") as file:
            return file.read(2**16).decode(errors="replace")
    except OSError:
        return ""


def _cmake(environment: Environment, need: Need) -> Check:
    least = ".".join(map(str, CMAKE_LEAST))
    to_do = f"`pip install 'cmake>={least}'`"
    path = environment.which("cmake")
    if path is None:
        return Check("CMake", need, "missing", "none on PATH", to_do)
    said = environment.said(path, "--version", timeout_s=_TIMEOUT_S)
    version = re.search(
        r"cmake version ([0-9]{1,4})\.([0-9]{1,4})(?:\.[0-9]{1,4})?", said[1] if said else ""
    )
    if version is None:
        return Check("CMake", need, "wrong", f"{excerpt(str(path))} prints no version", to_do)
    found = version[0].removeprefix("cmake version ")
    if (int(version[1]), int(version[2])) < CMAKE_LEAST:
        return Check("CMake", need, "wrong", f"{found}, older than {least}", to_do)
    return Check("CMake", need, "ok", found)


def _generator(environment: Environment, need: Need) -> Check:
    for program in ("ninja", "make"):
        path = environment.which(program)
        if path is not None:
            return Check("build program", need, "ok", excerpt(str(path)))
    return Check("build program", need, "missing", "neither ninja nor make", "`pip install ninja`")


def _mnn(environment: Environment, need: Need) -> Check:
    """Look where the build looks. Without MNN it makes a runner that can only calibrate."""
    name = "MNN for the runner"
    to_do = "put the files of MNN's release that docs/android.md names into one folder"
    root, include, library = (
        Path(value) if (value := environment.variables.get(variable)) else None
        for variable in ("MNN_ROOT", "MNN_INCLUDE_DIR", "MNN_LIBRARY")
    )
    if include is None and root is not None:
        include = root / "include"
    if library is None and root is not None:
        places = [root / folder / "libMNN.so" for folder in _LIBRARY_FOLDERS]
        library = next((place for place in places if place.is_file()), places[0])
    if include is None and library is None:
        to_do = f"{to_do}, and set MNN_ROOT to it or pass it to `asymm-deploy runner build`"
        return Check(name, need, "unknown", "MNN_ROOT is not set", to_do)
    if include is None or library is None:
        unset = "MNN_INCLUDE_DIR" if include is None else "MNN_LIBRARY"
        return Check(name, need, "wrong", f"{unset} is not set", to_do)
    header = include / "MNN/Interpreter.hpp"
    absent = [path for path in (header, library) if not path.is_file()]
    if absent:
        found = "no " + ", no ".join(excerpt(str(path)) for path in absent)
        return Check(name, need, "wrong", found, to_do)
    return Check(name, need, "ok", excerpt(str(library)))


def _cross_compiler(environment: Environment, need: Need) -> Check:
    path = environment.which(_CROSS_COMPILER)
    if path is not None:
        return Check("linux-arm64 compiler", need, "ok", excerpt(str(path)))
    to_do = "to build without an NDK: `sudo apt-get install g++-aarch64-linux-gnu`"
    return Check("linux-arm64 compiler", need, "missing", f"no {_CROSS_COMPILER}", to_do)
