"""MNN's wheel for 64-bit ARM Linux: fetched by pip when a user asks for it, checked, unpacked."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import lzma
import re
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.native.programs import Growth, lacks_space, run_program
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import opened_regular, require_regular, sha256_of
from asymm_deploy.safe import excerpt, first_words

PYTHON_TAG = "311"
"""Of the wheel to fetch. Python never loads its engine here, so that any version would do."""
_PLATFORM = "manylinux2014_aarch64"
_WORDS = 300
_LONGEST_S = 1200.0
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, csv.Error),
    *(EOFError, KeyError, NotImplementedError, RuntimeError, ValueError),
)
"""What zipfile and csv say of content; RuntimeError is of encrypted files."""
_ARM64 = b"\xb7\x00"
"""The machine in the head of an ELF file, at byte 18."""
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class FetchedEngine:
    """MNN's library with what it needs beside it, and the file that it came in."""

    engine: Path
    wheel: str | None
    """Its name; None if nobody wrote it down."""
    sha256: str | None
    """Of that file."""


def engine_wheel_hint(version: str) -> str:
    """Return what to do where the wheel can't be fetched."""
    return (
        f"on a machine with network run `pip download --no-deps --only-binary=:all: "
        f"--python-version {PYTHON_TAG} --implementation cp --platform {_PLATFORM} "
        f"MNN=={version}`, and give the file with --wheel"
    )


def fetched_engine(version: str, scratch: Path, say: Tell) -> FetchedEngine:
    """Fetch MNN's wheel of a version by pip, and unpack its engine; both lie in ``scratch`` then.

    Raises HarnessError if pip can't, or if what it fetched is of no use.
    """
    say(f"fetching MNN {version} for 64-bit ARM Linux by pip (20 MB)")
    (scratch / "wheel").mkdir()
    wheel = fetch_arm_wheel(version, scratch / "wheel", say)
    sha256 = sha256_of(wheel)
    try:
        return FetchedEngine(unpack_engine(wheel, version, scratch / "engine"), wheel.name, sha256)
    except UsageError as error:
        raise HarnessError(
            f"what pip fetched is of no use: {error.what}",
            "`pip cache purge`, then try again; or give another file with --wheel",
        ) from error


def fetch_arm_wheel(version: str, into: Path, say: Tell = lambda _line: None) -> Path:
    """Download MNN's wheel of a version into a folder, by pip and its settings; return the file.

    ``say`` gets a line now and then. Raises HarnessError if pip can't, with what it said last.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--implementation", "cp"]
    command += ["--python-version", PYTHON_TAG, "--platform", _PLATFORM]
    command += ["--dest", str(into), f"MNN=={version}"]
    try:
        done = run_program(
            command,
            limit_s=_LONGEST_S,
            variables={"TMPDIR": str(into)},  # what it leaves when it is killed goes with ours
            starts_others=True,
            meanwhile=Growth(into, say).tell,
        )
    except TimeoutError as error:
        raise HarnessError(
            f"pip did not fetch MNN {version} within {_LONGEST_S / 60:g} minutes",
            f"try again; or {engine_wheel_hint(version)}",
        ) from error
    except OSError as error:
        raise HarnessError(
            f"can't start pip: {error.strerror or error}", engine_wheel_hint(version)
        ) from error
    found = sorted(into.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        hint = engine_wheel_hint(version)
        if "No module named pip" in done.stderr:
            hint = f"install it: `{sys.executable} -m ensurepip`; or {hint}"
        if lacks_space(done.stderr):
            hint = f"leave 200 MB free in {into.parent.parent}"
        raise HarnessError(
            f"pip can't fetch MNN {version} for 64-bit ARM Linux: {_reason(done.stderr)}", hint
        )
    return found[0]


def _reason(said: str) -> str:
    """Return why pip gave up. Without a network its errors only say that it found nothing."""
    broken = re.search(r"connection broken by [\"'](.*)[\"']:", said)
    if broken is not None:
        return excerpt(f"no connection: {re.sub(r'<[^>]*>: ', '', broken[1])}", _WORDS)
    errors = [line for line in said.splitlines() if line.startswith("ERROR: ")]
    if errors[-1:] == ["ERROR: Exception:"]:  # with a traceback after it
        errors = []
    return excerpt((errors or said.splitlines() or ["it said nothing"])[-1], _WORDS)


def unpack_engine(wheel: Path, version: str, into: Path) -> Path:
    """Put the engine and the libraries that it needs ``into`` a folder; return the engine.

    Each file must have the hash that the wheel's own list gives it. Raises UsageError for a file
    that is no such wheel: of another package, version or platform, or cut short; HarnessError if
    there is no space for its files.
    """
    try:
        require_regular(wheel)
        _check_name(wheel, version)
        with opened_regular(wheel) as file, zipfile.ZipFile(file) as archive:
            hashes = _listed_hashes(archive)
            wanted = [name for name in archive.namelist() if _is_wanted(name)]
            found = {name: _content(archive, name, hashes.get(name)) for name in wanted}
    except _DAMAGED as error:
        raise UsageError(
            f"{wheel} is damaged or cut short: {first_words(error)}", "fetch it again"
        ) from error
    except OSError as error:
        raise UsageError(
            f"can't read {wheel}: {error.strerror or error}", "give the path of a wheel"
        ) from error
    engines = [name for name in wanted if name.startswith("_mnncengine")]
    if len(engines) != 1:
        raise UsageError(f"{wheel} has no engine of MNN in it", engine_wheel_hint(version))
    if found[engines[0]][18:20] != _ARM64:
        raise UsageError(
            f"the engine in {wheel} is for another machine than 64-bit ARM",
            engine_wheel_hint(version),
        )
    try:
        for name, content in found.items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(content)
    except OSError as error:
        raise HarnessError(
            f"can't unpack {wheel} into {into}: {error.strerror or error}", "leave 60 MB free there"
        ) from error
    return into / engines[0]


def _check_name(wheel: Path, version: str) -> None:
    try:
        name, found, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise UsageError(f"{wheel} has no name of a wheel", engine_wheel_hint(version)) from error
    platforms = sorted({tag.platform for tag in tags})
    if name != "mnn" or str(found) != version:
        raise UsageError(
            f"{wheel} is of {name} {found}, and MNN {version} is needed: it made the models",
            engine_wheel_hint(version),
        )
    if not any(each.startswith("manylinux") and each.endswith("_aarch64") for each in platforms):
        raise UsageError(
            f"{wheel} is for {', '.join(platforms)}, and not for 64-bit ARM Linux",
            engine_wheel_hint(version),
        )


def _is_wanted(name: str) -> bool:
    return (name.startswith("_mnncengine") or name.lower().startswith("mnn.libs/")) and (
        ".so" in name and not name.endswith("/") and ".." not in name
    )


def _listed_hashes(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the SHA-256 of each file as the wheel's RECORD has it, in hexadecimal."""
    record = next((name for name in archive.namelist() if name.endswith(".dist-info/RECORD")), None)
    if record is None:
        raise zipfile.BadZipFile("it has no RECORD of its files")
    rows = csv.reader(io.StringIO(archive.read(record).decode()))
    hashes = {}
    for row in rows:
        if len(row) > 1 and row[1].startswith("sha256="):
            coded = row[1].removeprefix("sha256=")
            raw = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
            hashes[row[0]] = raw.hex()
    return hashes


def _content(archive: zipfile.ZipFile, name: str, sha256: str | None) -> bytes:
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise zipfile.BadZipFile(f"{name} is too large")
    content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise zipfile.BadZipFile(f"{name} does not have the hash that the wheel lists")
    return content
