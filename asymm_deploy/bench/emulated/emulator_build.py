"""What counting needs is made: the engine is fetched, the counted runner and the plugin built."""

from __future__ import annotations

from pathlib import Path

from asymm_deploy.bench import native_build
from asymm_deploy.bench.emulated.emulator_home import (
    PLUGIN_FILE,
    RUNNER_FOLDER,
    EmulatorParts,
    engine_version,
    kept_engine,
    kept_setups,
    sources_sha256,
)
from asymm_deploy.bench.native.arm_wheel import FetchedEngine, fetched_engine, unpack_engine
from asymm_deploy.bench.native.programs import lacks_space, run_program
from asymm_deploy.bench.native_build import Say
from asymm_deploy.errors import DeployError, HarnessError
from asymm_deploy.files import sha256_of

COMPILER_PACKAGES = "gcc libc6-dev"
"""Of this machine's compiler; it can be there without the C library's headers."""
_PLUGIN_SOURCES = ("count.c", "a64.c", "caches.c")
_FAILED_LOG = "failed-build.log"
_COMPILER_S = 600


def build_parts(
    aside: Path, scratch: Path, home: Path, wheel: Path | None, say: Say
) -> EmulatorParts:
    """Build all parts into the new folder ``aside``; return their record, which names no QEMU yet.

    ``scratch`` is for what is needed on the way. Raises HarnessError, or UsageError for a wrong
    ``wheel``; OSError if a file can't be written.
    """
    version = engine_version()
    aside.mkdir()
    say("compiling the plugin")  # first, since it takes a second
    _compile_plugin(aside / PLUGIN_FILE, home)
    found = _engine(version, scratch, wheel, say)
    _build_runner(aside, found.engine, home, say)
    return EmulatorParts(
        engine_version=version,
        sources_sha256=sources_sha256(),
        engine_file=found.engine.name,
        qemu=(),
        qemu_version="",
        files={
            str(path.relative_to(aside)): sha256_of(path)
            for path in sorted(aside.rglob("*"))
            if path.is_file()
        },
        wheel=found.wheel,
        wheel_sha256=found.sha256,
    )


def _engine(version: str, scratch: Path, wheel: Path | None, say: Say) -> FetchedEngine:
    """Take the engine of the wheel that was given, of an earlier setup, or of what pip fetches."""
    if wheel is not None:
        engine = unpack_engine(wheel, version, scratch / "engine")
        return FetchedEngine(engine, wheel.name, sha256_of(wheel))
    kept = kept_engine(version)
    if kept is not None:
        engine, parts = kept
        say(f"taking MNN {version} from an earlier setup")
        return FetchedEngine(engine, parts.wheel, parts.wheel_sha256)
    found = fetched_engine(version, scratch, say)
    _require_same(found, version)
    return found


def _require_same(found: FetchedEngine, version: str) -> None:
    """Raise HarnessError if a file of this name had another content when it was fetched before."""
    for folder, parts in kept_setups(version):
        if parts.wheel == found.wheel and parts.wheel_sha256 != found.sha256:
            raise HarnessError(
                f"pip fetched another {found.wheel} than before: its SHA-256 is {found.sha256}, "
                f"and {folder.name} was made of {parts.wheel_sha256}",
                f"find out why; to trust the new one, give it with --wheel, or remove {folder}",
            )


def _build_runner(aside: Path, engine: Path, home: Path, say: Say) -> None:
    """Build the counted runner. If that fails, what CMake said stays in the data folder."""
    log, kept = aside / f"{RUNNER_FOLDER}.log", home / _FAILED_LOG
    try:
        made = native_build.build_native_runner(
            "linux-arm64", into=aside / RUNNER_FOLDER, mnn_library=engine, is_counted=True, say=say
        )
    except DeployError as error:
        if str(log) not in error.hint:
            raise
        log.replace(kept)
        raise type(error)(error.what, error.hint.replace(str(log), str(kept))) from error
    log.unlink(missing_ok=True)
    kept.unlink(missing_ok=True)
    if made.mnn_version != engine_version():
        raise HarnessError(
            f"the counting runner is for MNN {made.mnn_version}, and MNN {engine_version()} is "
            "installed here",
            f"pip install MNN=={made.mnn_version}",
        )


def _compile_plugin(target: Path, home: Path) -> None:
    folder = native_build.sources() / "emulator"
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared"]
    command += ["-fvisibility=hidden", "-o", str(target)]
    command += [str(folder / name) for name in _PLUGIN_SOURCES]
    install = f"sudo apt-get install {COMPILER_PACKAGES}"
    try:
        done = run_program(command, limit_s=_COMPILER_S)
    except OSError as error:
        raise HarnessError(f"compiling the plugin failed: {error.strerror}", install) from error
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.splitlines() if "error" in line]
    told = "\n".join(lines[:5] or done.stderr.splitlines()[-5:])
    free = f"free some space in {home} and for temporary files"
    raise HarnessError(
        f"compiling the plugin failed:\n{told}", free if lacks_space(done.stderr) else install
    )
