"""The native runner: build it with CMake, and find the one that was built.

A runner is a folder with the program, every library that it needs, and ``runner.json``, which says
what they are. To bring a runner to a device, copy ``asymm-runner`` and each ``*.so*`` beside it,
and have the loader look in that folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, get_args

import msgspec

import asymm_deploy
from asymm_deploy.bench.native.cmake_needs import require_build_tools, require_cmake_paths
from asymm_deploy.bench.native.own_libc import LIBC, put_libc_beside
from asymm_deploy.bench.native.programs import lacks_space, run_program
from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import (
    data_folder,
    read_regular,
    require_regular,
    sha256_of,
    take_place,
    write_whole,
)
from asymm_deploy.locks import scratch_folder

Preset = Literal["android-arm64", "linux-arm64", "host"]
"""The presets of CMakePresets.json that build a runner to use."""
PRESETS: tuple[Preset, ...] = get_args(Preset)

PROGRAM = "asymm-runner"
RECORD = "runner.json"
VARIABLE = "ASYMM_DEPLOY_RUNNER"
"""Names a runner to use instead of the one that was built."""

_BUILD_S = 3600
_SHOWN_LINES = 15
_IS_ERROR = re.compile(r"\b[Ee]rror\b")  # from CMake, a compiler or a linker
_SAID_BY_US = re.compile(r"asymm-runner: (.*) \(hint: (.*)\)$")  # runner_gives_up in CMakeLists.txt

Say = Callable[[str], None]
"""Shows one line to the user."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``runner.json``: what the program beside it is."""

    protocol: int
    version: str
    """Version of asymm_deploy from whose sources it was built."""
    preset: str
    mnn_version: str | None
    """Version of MNN's headers; the program refuses another library. None: built without MNN."""
    files: dict[str, str]
    """SHA-256 of each file in the folder, by name."""
    libc: str | None = None
    """The C library that lies beside it with its loader; None: the device's own is used."""


def sources() -> Path:
    """Return the folder of the runner's CMakeLists.txt, in a checkout or an installed package."""
    package = Path(asymm_deploy.__file__).parent
    for folder in (package.parent / "android_harness", package / "android_harness"):
        if (folder / "CMakeLists.txt").is_file():
            return folder
    raise HarnessError(
        f"the runner's sources are missing: no android_harness beside or in {package}",
        "install asymm-deploy again, or give the folder of a checkout",
    )


def folder_of(preset: Preset) -> Path:
    """Return where ``build`` puts the runner, and ``where`` looks for it."""
    return data_folder() / "runner" / preset


def where(preset: Preset = "android-arm64") -> Path:
    """Return the program that would be used; HarnessError says how to build it if there is none.

    That is ``$ASYMM_DEPLOY_RUNNER`` as it is, or else what was built for ``preset``, if it is
    whole, of our version, and has MNN.
    """
    named = os.environ.get(VARIABLE)
    if named:
        program = Path(named)
        if not program.is_file():
            raise UsageError(
                f"${VARIABLE} names {named}, which is not a file",
                "set it to the path of a runner, or unset it to use the one that was built",
            )
        return program.resolve()
    program = folder_of(preset) / PROGRAM
    if not program.is_file():
        raise HarnessError(f"there is no runner for {preset} yet", _rebuild(preset))
    wrong = _fault(program.parent)
    if wrong is not None:
        raise HarnessError(f"{program} {wrong}", _rebuild(preset))
    return program


def read(folder: Path) -> Built:
    """Return the content of ``runner.json`` in ``folder``; raise HarnessError if it has none."""
    try:
        return msgspec.json.decode(read_regular(folder / RECORD), type=Built)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HarnessError(
            f"{folder / RECORD} does not say what the runner is", "build the runner again"
        ) from error


def build_native_runner(
    preset: Preset = "android-arm64",
    *,
    source: Path | None = None,
    into: Path | None = None,
    mnn_root: Path | None = None,
    mnn_include_dir: Path | None = None,
    mnn_library: Path | None = None,
    is_counted: bool = False,
    with_libc: bool = False,
    say: Say = lambda _line: None,
) -> Built:
    """Build the runner and put it ``into`` a folder, complete or not at all.

    Without any of the MNN paths the runner can only calibrate. ``is_counted`` makes one for an
    emulator that counts instructions, ``with_libc`` one for a device without the GNU C library.
    CMake's output goes to a log beside ``into``. Raises UsageError if a path or an environment
    variable is wrong, HarnessError if a tool is missing or fails.
    """
    source = source or sources()
    into = (into or folder_of(preset)).absolute()
    log = into.with_name(f"{into.name}.log")
    _check_target(into)
    generator = require_build_tools(preset)
    paths = {
        "MNN_ROOT": mnn_root,
        "MNN_INCLUDE_DIR": mnn_include_dir,
        "MNN_LIBRARY": mnn_library,
    }
    given = {name: str(path.absolute()) for name, path in paths.items() if path is not None}
    require_cmake_paths([into, source.absolute(), *map(Path, given.values())])
    if is_counted:
        given["RUNNER_COUNTED"] = "ON"
    libc = LIBC if with_libc else None
    if libc is not None:
        given["RUNNER_BUILD"] = f"{preset} {libc}"
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            require_regular(log)
        with scratch_folder(into.parent, f".{into.name}.") as aside:
            with log.open("wb") as talk:
                _run_cmake(preset, source, aside, generator, given, talk, say)
            if libc is not None:
                put_libc_beside(aside / "out")
            made = _record(preset, aside / "out", _mnn_version(aside / "build"), libc)
            take_place(aside / "out", into)
    except OSError as error:
        which = f"{Path(error.filename).name}: " if error.filename else ""
        raise UsageError(
            f"can't build in {into.parent}: {which}{error.strerror or error}",
            "give a folder that you may write to, with space left",
        ) from error
    has_mnn = made.mnn_version is not None
    say(
        f"built with MNN {made.mnn_version}"
        if has_mnn
        else "built without MNN: it can only calibrate"
    )
    return made


def _rebuild(preset: Preset) -> str:
    return f"asymm-deploy runner build --preset {preset} --mnn-root FOLDER"


def _fault(folder: Path) -> str | None:
    """Return what is wrong with a runner that was built, or None if nothing is."""
    made = read(folder)
    if made.protocol != PROTOCOL:
        return f"speaks protocol {made.protocol}, this program speaks {PROTOCOL}"
    if made.version != asymm_deploy.__version__:
        return f"is of version {made.version}, this program of {asymm_deploy.__version__}"
    for name, sha256 in made.files.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != sha256:
            return f"is not as it was built: {name} is missing or was changed"
    if made.mnn_version is None:
        return "was built without MNN: it can only calibrate"
    return None


def _check_target(into: Path) -> None:
    """Raise UsageError if the folder, which will be replaced, holds anything but a runner."""
    if into.exists() and not (into / RECORD).is_file():
        if into.is_dir() and not any(into.iterdir()):
            return
        raise UsageError(
            f"{into} holds something other than a runner, and would be replaced",
            "give a folder that doesn't exist yet",
        )


def _run_cmake(
    preset: Preset,
    source: Path,
    aside: Path,
    generator: str,
    given: dict[str, str],
    talk: IO[bytes],
    say: Say,
) -> None:
    """Configure, build and install into ``aside``/out."""
    tree = str(aside / "build")
    configure = ["--preset", preset, "-B", tree, "-G", generator]
    configure += [f"-DCMAKE_INSTALL_PREFIX={aside / 'out'}", "-DRUNNER_TESTS=OFF"]
    configure += ["-DCMAKE_UNITY_BUILD=ON"]  # each standard header once: half of the time
    configure += [f"-D{name}={value}" for name, value in given.items()]
    compilation = ["--build", tree, "--parallel", str(os.cpu_count() or 1)]
    for what, arguments in (
        ("configuring", configure),
        ("compiling", compilation),
        ("installing", ["--install", tree]),
    ):
        say(f"{what} the runner for {preset}")
        _step(what, ["cmake", *arguments], source, talk)


def _step(what: str, command: Sequence[str], folder: Path, talk: IO[bytes]) -> None:
    """Run one command, with its output in the log; if it fails, raise with the first error."""
    start = talk.tell()
    log = Path(talk.name)
    try:
        done = run_program(command, limit_s=_BUILD_S, folder=folder, log=talk, starts_others=True)
    except OSError as error:
        raise HarnessError(
            f"{what} the runner failed: {command[0]}: {error.strerror or error}",
            f"the whole output is in {log}",
        ) from error
    if done.returncode == 0:
        return
    with log.open("rb") as written:
        written.seek(start)
        lines = written.read().decode(errors="replace").splitlines()
    for line in lines:
        if ours := _SAID_BY_US.search(line):
            raise UsageError(ours[1], ours[2])
    first = next((at for at, line in enumerate(lines) if _IS_ERROR.search(line)), -_SHOWN_LINES)
    told = "\n".join(line for line in lines[first:][:_SHOWN_LINES] if line.strip())
    free = "free some space, also for temporary files; " if lacks_space("\n".join(lines)) else ""
    raise HarnessError(f"{what} the runner failed:\n{told}", f"{free}the whole output is in {log}")


def _mnn_version(tree: Path) -> str | None:
    """Return the version in the headers that CMake found, or None if it was given none."""
    told = tree / "mnn_version.txt"
    return told.read_text(encoding="utf-8").strip() if told.exists() else None


def _record(preset: Preset, folder: Path, mnn_version: str | None, libc: str | None) -> Built:
    made = Built(
        protocol=PROTOCOL,
        version=asymm_deploy.__version__,
        preset=preset,
        mnn_version=mnn_version,
        libc=libc,
        files={path.name: sha256_of(path) for path in sorted(folder.iterdir())},
    )
    write_whole(folder / RECORD, msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    return made
