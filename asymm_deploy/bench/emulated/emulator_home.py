"""Where the counted runner and the plugin are kept, and whether they are as they were built."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import msgspec

from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.qemu import QEMU_VARIABLE, Qemu, ask, candidates, require_plugins
from asymm_deploy.bench.native_build import PROGRAM, sources
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import data_folder, read_regular, sha256_of

SETUP_HINT = "asymm-deploy emulator setup"
SETUP_PREFIX = ".setup."
"""Of folders that a setup works in."""
RECORD_FILE = "emulator.json"
PLUGIN_FILE = "count.so"
RUNNER_FOLDER = "runner"
SYSROOT = Path("/usr/aarch64-linux-gnu")
"""Of Debian's and Ubuntu's cross compiler; the runner is linked to it and runs on it."""
LIBC_PACKAGES = ("libc6-arm64-cross", "libstdc++6-arm64-cross")
_SCHEMA_VERSION = 1
_BUILT_FROM = ("CMakeLists.txt", "CMakePresets.json", "cmake", "declared_mnn", "emulator", "src")


class EmulatorParts(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``emulator.json``: what lies beside it."""

    schema_version: int = _SCHEMA_VERSION
    engine_version: str
    sources_sha256: str
    engine_file: str
    """Name of the engine's library, in the runner's folder."""
    qemu: tuple[str, ...]
    """Starts the emulator that counted when it was tried."""
    qemu_version: str
    files: dict[str, str]
    """SHA-256 of each file, by its path from the folder."""
    wheel: str | None = None
    """Name of the file that the engine came in; None: kept by a version that did not say."""
    wheel_sha256: str | None = None


def emulator_home() -> Path:
    """Return the folder that holds all that setup makes."""
    return data_folder() / "emulator"


def parts_folder() -> Path:
    """Return the folder for this program's sources and the version of MNN that exports here."""
    return emulator_home() / f"mnn-{engine_version()}-{sources_sha256()[:12]}"


def engine_version() -> str:
    """Return the version of MNN here: models are counted with the engine that made them."""
    return metadata.version("MNN")


def sources_sha256() -> str:
    """Return the SHA-256 over all that the runner and the plugin are built from."""
    total = hashlib.sha256()
    for path in _source_files(sources()):
        total.update(f"{path.relative_to(sources())}\0{sha256_of(path)}\n".encode())
    return total.hexdigest()


def find_emulator() -> Emulator:
    """Return the emulator that was set up, if it is whole and of these sources.

    Raises HarnessError that says what is missing, with what to do.
    """
    folder = parts_folder()
    if not folder.is_dir():
        others = sorted(path.name for path in emulator_home().glob("mnn-*") if path.is_dir())
        because = (
            f" for MNN {engine_version()} and this version of asymm-deploy (there is "
            f"{', '.join(others)})"
            if others
            else ""
        )
        raise HarnessError(f"the emulator is not set up{because}", SETUP_HINT)
    return read_emulator(folder)


def read_parts(folder: Path) -> EmulatorParts:
    """Return what is in ``folder``; raise HarnessError if it is not as it was set up."""
    parts = _read_record(folder)
    changed = next(_changed(folder, parts.files), None)
    if changed is not None:
        raise HarnessError(
            f"the emulator is not as it was set up: {changed} is missing or was changed", SETUP_HINT
        )
    return parts


def kept_setups(version: str = "") -> Iterator[tuple[Path, EmulatorParts]]:
    """Yield each setup's folder with its record, of one version of MNN or of all; none damaged."""
    for folder in sorted(emulator_home().glob(f"mnn-{version or '*'}-*")):
        with suppress(HarnessError):
            yield folder, _read_record(folder)


def kept_engine(version: str) -> tuple[Path, EmulatorParts] | None:
    """Return MNN's library of a version from any setup, with its record, if it is as it was.

    What it needs lies beside it.
    """
    for folder, parts in kept_setups(version):
        libraries = {
            name: sha256 for name, sha256 in parts.files.items() if ".so" in Path(name).name
        }
        libraries.pop(PLUGIN_FILE, None)
        engine = folder / RUNNER_FOLDER / parts.engine_file
        if parts.engine_version == version and not any(_changed(folder, libraries)):
            return engine, parts
    return None


def _read_record(folder: Path) -> EmulatorParts:
    try:
        return msgspec.json.decode(read_regular(folder / RECORD_FILE), type=EmulatorParts)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HarnessError(
            f"{folder / RECORD_FILE} does not say what the emulator is", SETUP_HINT
        ) from error


def _changed(folder: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that are missing or have another hash."""
    for name, sha256 in files.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != sha256:
            yield path


def read_emulator(folder: Path) -> Emulator:
    """Return the emulator whose parts are in ``folder``; raise HarnessError if it is not whole.

    QEMU is the one that was tried, in the version that was tried, or the one that the environment
    names.
    """
    parts = read_parts(folder)
    found = emulator_of(folder, parts, _qemu_of(parts))
    with suppress(OSError):  # of another user, or read-only
        os.utime(folder / RECORD_FILE)  # when it was used last
    return found


def emulator_of(folder: Path, parts: EmulatorParts, qemu: Qemu) -> Emulator:
    """Return the emulator with its parts in ``folder``, whole or not, and QEMU."""
    runner = folder / RUNNER_FOLDER / PROGRAM
    return Emulator(
        qemu=qemu.command,
        qemu_version=qemu.version,
        sysroot=SYSROOT,
        runner=runner,
        plugin=folder / PLUGIN_FILE,
        engine_version=parts.engine_version,
        runner_sha256=parts.files[f"{RUNNER_FOLDER}/{PROGRAM}"],
        library_sha256=parts.files[f"{RUNNER_FOLDER}/{parts.engine_file}"],
        plugin_sha256=parts.files[PLUGIN_FILE],
        libc=_libc_sha256(SYSROOT),
    )


def _qemu_of(parts: EmulatorParts) -> Qemu:
    if os.environ.get(QEMU_VARIABLE):
        require_plugins(emulator_home())
        return ask(candidates(emulator_home())[0])
    try:
        qemu = ask(parts.qemu)
    except HarnessError as error:
        raise HarnessError(error.what, f"{SETUP_HINT}, which looks for another") from error
    if qemu.version != parts.qemu_version:
        raise HarnessError(
            f"{qemu.command[-1]} is of version {qemu.version} now, and it was tried in version "
            f"{parts.qemu_version}",
            f"{SETUP_HINT}, which tries it again",
        )
    return qemu


def _libc_sha256(sysroot: Path) -> str:
    total = hashlib.sha256()
    for name in ("libc.so.6", "libm.so.6"):
        path = sysroot / "lib" / name
        if not path.is_file():
            raise HarnessError(
                f"there is no C library of 64-bit ARM Linux: no {path}",
                f"sudo apt-get install {' '.join(LIBC_PACKAGES)}",
            )
        total.update(sha256_of(path).encode())
    return total.hexdigest()


def _source_files(root: Path) -> Iterator[Path]:
    for name in _BUILT_FROM:
        path = root / name
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        else:
            yield path
