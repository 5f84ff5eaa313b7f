"""Get and build what counting needs: the counted runner and QEMU's plugin, tried before kept."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import structs

from asymm_deploy.bench.emulated import debian_qemu
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.emulator_build import COMPILER_PACKAGES, build_parts
from asymm_deploy.bench.emulated.emulator_home import (
    LIBC_PACKAGES,
    RECORD_FILE,
    SETUP_PREFIX,
    SYSROOT,
    EmulatorParts,
    emulator_home,
    emulator_of,
    parts_folder,
    read_emulator,
    read_parts,
)
from asymm_deploy.bench.emulated.other_setups import PRUNE_HINT, other_setups, remove_setups
from asymm_deploy.bench.emulated.qemu import (
    FETCH_HINT,
    QEMU,
    ask,
    candidates,
    require_plugins,
)
from asymm_deploy.bench.emulated.trial import trial_fault
from asymm_deploy.bench.native.cmake_needs import require_cmake_paths
from asymm_deploy.bench.native_build import Say
from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.files import ensure_folder, is_full, require_text, take_place, write_whole
from asymm_deploy.locks import HeldError, held_alone, remove_abandoned_folders, scratch_folder

_NEEDED = {
    QEMU: "qemu-user",
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "cc": COMPILER_PACKAGES,
    "cmake": "cmake",
}
_LOCK = ".lock"
_ANOTHER_FOLDER = "set XDG_DATA_HOME to a folder that you may write to, with space left"


def set_up(
    *,
    wheel: Path | None = None,
    fetch_qemu: bool = False,
    force: bool = False,
    prune: bool = False,
    say: Say,
) -> Emulator:
    """Make the emulator ready and return it; nothing is done if it is, unless ``force``.

    ``wheel`` is a file to take instead of fetching MNN's wheel. ``fetch_qemu`` unpacks Debian's
    emulator into the data folder first. ``prune`` removes the setups of other versions, which else
    go when nobody has used them for a month. Raises HarnessError if something is missing, can't be
    fetched or built, or if what was built does not count; UsageError for a wrong wheel, for a
    folder that can't be written, or if another setup is at work.
    """
    _require_linux()
    home = _made_home()
    with _alone(home):
        remove_abandoned_folders(home, SETUP_PREFIX)
        try:
            found = _set_up(home, wheel, fetch_qemu=fetch_qemu, force=force, say=say)
            _remove_others(home, say, all_of_them=prune)
        except OSError as error:
            raise (HarnessError if is_full(error) else UsageError)(
                f"can't set up the emulator in {home}: {error.strerror or error}"
                + (f": {error.filename}" if error.filename else ""),
                "leave 200 MB free there" if is_full(error) else _ANOTHER_FOLDER,
            ) from error
    return found


def _set_up(home: Path, wheel: Path | None, *, fetch_qemu: bool, force: bool, say: Say) -> Emulator:
    _check_tools(home, needs_qemu=not fetch_qemu)
    if fetch_qemu:
        debian_qemu.unpack_qemu(home, say)
    require_plugins(home)
    folder = parts_folder()
    if not force and wheel is None and folder.is_dir():
        found = _made_ready(folder, home, say, is_new_qemu=fetch_qemu)
        if found is not None:
            return found
    with scratch_folder(home, SETUP_PREFIX) as scratch:
        aside = scratch / "parts"
        parts = build_parts(aside, scratch, home, wheel, say)
        _write_record(aside, _first_that_counts(aside, parts, home, say))
        take_place(aside, folder)
    return read_emulator(folder)


def _remove_others(home: Path, say: Say, *, all_of_them: bool) -> None:
    try:
        removed = remove_setups(home, SETUP_PREFIX, all_of_them=all_of_them)
    except OSError:
        if all_of_them:
            raise
        removed = []  # nobody asked for it
    for each in removed:
        say(f"removed {each.text()}")
    left = other_setups()
    if left:
        megabytes = sum(each.size_bytes for each in left) / 1e6
        say(f"{len(left)} of other versions take {megabytes:.0f} MB; {PRUNE_HINT}")


def _require_linux() -> None:
    if sys.platform != "linux":
        raise HarnessError(
            "the emulator runs on Linux alone: QEMU runs programs of Linux nowhere else",
            "use a Linux machine, or a container with Debian 12",
        )


def _made_home() -> Path:
    require_text(emulator_home(), "set XDG_DATA_HOME to another folder")
    require_cmake_paths([emulator_home()])
    try:
        return ensure_folder(emulator_home(), "the emulator")
    except DeployError as error:
        raise type(error)(error.what, _ANOTHER_FOLDER) from error


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    try:
        with held_alone(home / _LOCK, _ANOTHER_FOLDER):
            yield
    except HeldError:
        raise UsageError(
            f"another setup is at work in {home}", "wait until it has ended, and try again"
        ) from None


def _made_ready(folder: Path, home: Path, say: Say, *, is_new_qemu: bool) -> Emulator | None:
    """Return the emulator that is there, tried again if QEMU is another; None if it isn't whole."""
    try:
        parts = read_parts(folder)
    except HarnessError as error:
        say(f"{error.what}; setting it up again")
        return None
    if not is_new_qemu:
        try:
            found = read_emulator(folder)
        except HarnessError as error:
            say(error.what)
        else:
            say("it is set up, and whole")
            return found
    _write_record(folder, _first_that_counts(folder, parts, home, say))
    return read_emulator(folder)


def _check_tools(home: Path, *, needs_qemu: bool) -> None:
    """Raise HarnessError that names all that is missing, in one line to install it."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if QEMU in missing and (not needs_qemu or candidates(home)):
        missing.remove(QEMU)
    packages = [_NEEDED[name] for name in missing]
    if shutil.which("ninja") is None and shutil.which("make") is None:
        missing.append("ninja")
        packages.append("ninja-build")
    if "aarch64-linux-gnu-g++" not in missing and not (SYSROOT / "lib" / "libc.so.6").is_file():
        missing.append(f"{SYSROOT}/lib/libc.so.6")
        packages += LIBC_PACKAGES
    if missing:
        fetch = "; or take Debian's emulator without installing it: --fetch-qemu"
        raise HarnessError(
            f"not installed: {', '.join(missing)}",
            f"sudo apt-get install {' '.join(dict.fromkeys(packages))}"
            f"{fetch if missing == [QEMU] else ''}",
        )


def _write_record(folder: Path, parts: EmulatorParts) -> None:
    write_whole(folder / RECORD_FILE, msgspec.json.format(msgspec.json.encode(parts)) + b"\n")


def _first_that_counts(folder: Path, parts: EmulatorParts, home: Path, say: Say) -> EmulatorParts:
    """Return the parts with the first emulator that counts with them; raise if none does."""
    complaints = []
    for command in candidates(home):
        try:
            qemu = ask(command)
        except HarnessError as error:
            complaints.append(error.what)
            continue
        said = (
            trial_fault(emulator_of(folder, parts, qemu))
            if qemu.has_plugins
            else "it can't load plugins, and so can't count instructions"
        )
        if said is None:
            say(f"{QEMU} {qemu.version} counts right")
            return structs.replace(parts, qemu=qemu.command, qemu_version=qemu.version)
        complaints.append(f"{command[-1]} (version {qemu.version}): {said}")
    raise HarnessError("no emulator can count: " + "; ".join(complaints), FETCH_HINT)
