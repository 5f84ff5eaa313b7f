"""The runner for phones: the NDK's if there is one, else one that brings its own C library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path

from asymm_deploy.bench import native_build
from asymm_deploy.bench.native import arm_wheel
from asymm_deploy.bench.native.own_libc import CROSS_COMPILER, CROSS_PACKAGE
from asymm_deploy.bench.native_build import PROGRAM, VARIABLE, Built, Preset, Say
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.locks import scratch_folder

BY_NDK: Preset = "android-arm64"
WITH_LIBC: Preset = "linux-arm64"

_BUILD = "asymm-deploy runner build"
_NO_RUNNER = "there is no runner for phones yet"
_PACKAGES = {CROSS_COMPILER: CROSS_PACKAGE, "cmake": "cmake"}


def is_ndk_named() -> bool:
    """Whether the environment names an NDK, right or wrong."""
    return bool(os.environ.get("ANDROID_NDK_HOME"))


def build_with_libc(
    *,
    wheel: Path | None = None,
    source: Path | None = None,
    into: Path | None = None,
    say: Say = lambda _line: None,
) -> Built:
    """Build the runner with the cross compiler, MNN's wheel and a C library that goes with it.

    ``wheel`` is a file to take instead of fetching MNN's wheel by pip. Raises HarnessError if a
    tool is missing, or if something can't be fetched or built, UsageError for a wrong wheel.
    """
    source = source or native_build.sources()
    _require_tools()
    version = metadata.version("MNN")
    into = into or native_build.folder_of(WITH_LIBC)
    with _folder_beside(into) as scratch:
        if wheel is None:
            engine = arm_wheel.fetched_engine(version, scratch, say).engine
        else:
            engine = arm_wheel.unpack_engine(wheel, version, scratch / "engine")
        return native_build.build_native_runner(
            WITH_LIBC,
            source=source,
            into=into,
            mnn_library=engine,
            with_libc=True,
            say=say,
        )


def where_for_phones(say: Say = lambda _line: None) -> Path:
    """Return the program to push to a phone: the NDK's if it is of use, else the other.

    ``say`` is told why the NDK's is passed over. Raises UsageError if the environment names one
    that does not exist, HarnessError if there is none of use.
    """
    if os.environ.get(VARIABLE):
        return native_build.where()
    useless: HarnessError | None = None
    for preset in (BY_NDK, WITH_LIBC):
        folder = native_build.folder_of(preset)
        if not (folder / PROGRAM).is_file():
            continue
        try:
            program = _usable(preset)
        except HarnessError as error:
            useless = useless or error
            continue
        if useless is not None:
            say(f"{useless.what}; taking {program}")
        return program
    raise useless or HarnessError(_NO_RUNNER, f"{_BUILD}; docs/android.md says what it needs")


def _usable(preset: Preset) -> Path:
    """Return what was built for a preset; raise HarnessError if it is of no use on a phone."""
    if preset == BY_NDK:
        return native_build.where(preset)
    try:
        program = native_build.where(preset)
    except HarnessError as error:
        raise HarnessError(error.what, _BUILD) from error
    if native_build.read(program.parent).libc is None:
        raise HarnessError(f"{program} has no C library beside it, and phones lack it", _BUILD)
    return program


@contextmanager
def _folder_beside(into: Path) -> Iterator[Path]:
    """Give a folder for what is needed on the way; raise UsageError where it can't be made."""
    with ExitStack() as kept:
        try:
            into.parent.mkdir(parents=True, exist_ok=True)
            aside = kept.enter_context(scratch_folder(into.parent, f".{into.name}."))
        except OSError as error:
            raise UsageError(
                f"can't build in {into.parent}: {error.strerror or error}",
                "give a folder that you may write to, with space left",
            ) from error
        yield aside


def _require_tools() -> None:
    """Raise HarnessError that names all that is missing, with one line to install it."""
    missing = {name: package for name, package in _PACKAGES.items() if shutil.which(name) is None}
    if shutil.which("ninja") is None and shutil.which("make") is None:
        missing["ninja"] = "ninja-build"
    if missing:
        raise HarnessError(
            f"not installed: {', '.join(missing)}",
            f"sudo apt-get install {' '.join(missing.values())}; "
            "or set ANDROID_NDK_HOME to build with an NDK",
        )
