"""Get and build what counting needs: the counted runner and QEMU's plugin, tried before kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import structs

from asymm_deploy.bench import native_build
from asymm_deploy.bench.emulated import debian_qemu
from asymm_deploy.bench.emulated.emulator import DEFAULT_CPU, Emulator
from asymm_deploy.bench.emulated.emulator_home import (
    LIBC_PACKAGES,
    PLUGIN_FILE,
    RECORD_FILE,
    RUNNER_FOLDER,
    SYSROOT,
    EmulatorParts,
    emulator_home,
    engine_version,
    kept_engine,
    parts_folder,
    read_emulator,
    read_parts,
    sources_sha256,
)
from asymm_deploy.bench.emulated.qemu import (
    FETCH_HINT,
    QEMU,
    Qemu,
    ask,
    candidates,
    require_plugins,
)
from asymm_deploy.bench.native import arm_wheel
from asymm_deploy.bench.native_build import Say
from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.files import ensure_folder, sha256_of, write_whole
from asymm_deploy.locks import HeldError, held_alone, scratch_folder
from asymm_deploy.safe import excerpt, first_words

_NEEDED = {
    QEMU: "qemu-user",
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "cc": "gcc",
    "cmake": "cmake",
}
_PLUGIN_SOURCES = ("count.c", "a64.c", "caches.c")
_LOCK = ".lock"
_PREFIX = ".setup."
_ANOTHER_FOLDER = "set XDG_DATA_HOME to a folder that you may write to, with space left"
_FAILED_LOG = "failed-build.log"
_TRIAL_S = 120


def set_up(
    *, wheel: Path | None = None, fetch_qemu: bool = False, force: bool = False, say: Say
) -> Emulator:
    """Make the emulator ready and return it; nothing is done if it is, unless ``force``.

    ``wheel`` is a file to take instead of fetching MNN's wheel. ``fetch_qemu`` unpacks Debian's
    emulator into the data folder first. Raises HarnessError if something is missing, can't be
    fetched or built, or if what was built does not count; UsageError for a wrong wheel or if
    another setup is at work.
    """
    _require_linux()
    home = _made_home()
    with _alone(home):
        if fetch_qemu:
            say("fetching qemu-user and its libraries by apt-get")
            debian_qemu.unpack_qemu(home)
        _check_tools(home)
        require_plugins(home)
        folder = parts_folder()
        if not force and wheel is None and folder.is_dir():
            found = _made_ready(folder, home, say, is_new_qemu=fetch_qemu)
            if found is not None:
                return found
        with scratch_folder(home, _PREFIX) as scratch:
            aside = scratch / "parts"
            _build(aside, scratch, home, wheel, say)
            _put_in_place(aside, folder)
        return read_emulator(folder)


def _require_linux() -> None:
    if sys.platform != "linux":
        raise HarnessError(
            "the emulator runs on Linux alone: QEMU runs programs of Linux nowhere else",
            "use a Linux machine, or a container with Debian 12",
        )


def _made_home() -> Path:
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
    with scratch_folder(home, _PREFIX) as scratch:
        qemu = _first_that_counts(folder, scratch, home, say)
    _write_record(folder, structs.replace(parts, qemu=qemu.command, qemu_version=qemu.version))
    return read_emulator(folder)


def _check_tools(home: Path) -> None:
    """Raise HarnessError that names all that is missing, in one line to install it."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if QEMU in missing and candidates(home):
        missing.remove(QEMU)
    packages = [_NEEDED[name] for name in missing]
    if shutil.which("ninja") is None and shutil.which("make") is None:
        missing.append("ninja")
        packages.append("ninja-build")
    if "aarch64-linux-gnu-g++" not in missing and not (SYSROOT / "lib" / "libc.so.6").is_file():
        missing.append(f"{SYSROOT}/lib/libc.so.6")
        packages += LIBC_PACKAGES
    if missing:
        raise HarnessError(
            f"not installed: {', '.join(missing)}",
            f"sudo apt-get install {' '.join(dict.fromkeys(packages))}",
        )


def _build(aside: Path, scratch: Path, home: Path, wheel: Path | None, say: Say) -> None:
    """Build all parts into ``aside``, and find the emulator that counts with them."""
    version = engine_version()
    engine = kept_engine(version) if wheel is None else None
    if engine is not None:
        say(f"taking MNN {version} from an earlier setup")
    else:
        if wheel is None:
            say(f"fetching MNN {version} for 64-bit ARM Linux by pip (20 MB)")
            (scratch / "wheel").mkdir()
            wheel = arm_wheel.fetch_arm_wheel(version, scratch / "wheel")
        engine = arm_wheel.unpack_engine(wheel, version, scratch / "engine")
    aside.mkdir()
    _build_runner(aside, engine, home, say)
    say("compiling the plugin")
    _compile_plugin(aside / PLUGIN_FILE)
    qemu = _first_that_counts(aside, scratch, home, say)
    _write_record(
        aside,
        EmulatorParts(
            engine_version=version,
            sources_sha256=sources_sha256(),
            engine_file=engine.name,
            qemu=qemu.command,
            qemu_version=qemu.version,
            files={
                str(path.relative_to(aside)): sha256_of(path)
                for path in sorted(aside.rglob("*"))
                if path.is_file()
            },
        ),
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


def _write_record(folder: Path, parts: EmulatorParts) -> None:
    write_whole(folder / RECORD_FILE, msgspec.json.format(msgspec.json.encode(parts)) + b"\n")


def _compile_plugin(target: Path) -> None:
    folder = native_build.sources() / "emulator"
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared"]
    command += ["-fvisibility=hidden", "-o", str(target)]
    command += [str(folder / name) for name in _PLUGIN_SOURCES]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        told = "\n".join(lines[:5] or done.stderr.splitlines()[-5:])
        raise HarnessError(
            f"compiling the plugin failed:\n{told}", "install gcc: `sudo apt-get install gcc`"
        )


def _first_that_counts(parts: Path, scratch: Path, home: Path, say: Say) -> Qemu:
    """Return the first emulator that loads the plugin and runs the program; raise if none does."""
    complaints = []
    for command in candidates(home):
        try:
            qemu = ask(command)
        except HarnessError as error:
            complaints.append(error.what)
            continue
        said = (
            _trial(qemu, parts, scratch)
            if qemu.has_plugins
            else "it can't load plugins, and so can't count instructions"
        )
        if said is None:
            say(f"counted with {QEMU} {qemu.version}")
            return qemu
        complaints.append(f"{command[-1]} (version {qemu.version}): {said}")
    raise HarnessError("no emulator can count: " + "; ".join(complaints), FETCH_HINT)


def _trial(qemu: Qemu, parts: Path, scratch: Path) -> str | None:
    """Return why the emulator can't run the program under the plugin; None if it did."""
    counts = scratch / "trial.txt"
    counts.unlink(missing_ok=True)
    command = [*qemu.command, "-plugin", f"{parts / PLUGIN_FILE},out={counts},caches=on"]
    command += ["-L", str(SYSROOT), str(parts / RUNNER_FOLDER / native_build.PROGRAM), "--count"]
    try:
        done = subprocess.run(
            command,
            env={"QEMU_CPU": DEFAULT_CPU},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TRIAL_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return first_words(error)
    # It is asked for no model, which it says in its own words; the counts have no mark then.
    answered = '"type":"error"' in done.stdout and counts.is_file()
    if answered and counts.read_text(encoding="ascii", errors="replace").endswith("end\n"):
        return None
    said = [line for line in done.stderr.splitlines() if line.strip()]
    return excerpt((said or [f"it ended with code {done.returncode} and counted nothing"])[-1], 300)


def _put_in_place(aside: Path, folder: Path) -> None:
    """Put the parts where they are looked for; older ones of the same name go first."""
    if folder.exists():
        folder.rename(aside.with_name("old"))
    aside.rename(folder)
