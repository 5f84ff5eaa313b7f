"""Calibrations by name: the one that ships, and the user's own in the user's data folder."""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec

from asymm_deploy.bench.predicted.cost_calibration import CALIBRATION_VERSION, CostCalibration
from asymm_deploy.errors import UsageError
from asymm_deploy.files import data_folder, ensure_folder, read_regular, unwritable, write_whole
from asymm_deploy.safe import excerpt
from asymm_deploy.versioned import DamagedError, decode_json

SHIPPED = "snapdragon-855-paper"
"""Fitted by benchmarks/predict.py to the paper's Table 5."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII | re.IGNORECASE)
_ENDING = ".json"


def shipped_file() -> Path:
    """Return the file of the calibration that ships."""
    return Path(__file__).parent / f"{SHIPPED}{_ENDING}"


def folder() -> Path:
    """Return where the user's own are kept."""
    return data_folder() / "calibrations"


def named(name: str = SHIPPED) -> CostCalibration:
    """Return the calibration called ``name``.

    Raises UsageError if there is none, or if its file is damaged or of a newer version.
    """
    if name == SHIPPED:
        return read_calibration(shipped_file(), name)
    path = _file_of(name)
    if not path.exists():
        raise UsageError(
            f"there is no calibration {excerpt(name)!r}",
            f"there are: {', '.join(kept_names())}; `asymm-deploy cost --calibrate` makes one",
        )
    return read_calibration(path, name)


def kept_names() -> list[str]:
    """Return the names that ``named`` knows: the one that ships, then the user's own."""
    own = folder().glob(f"*{_ENDING}") if folder().is_dir() else ()
    return [SHIPPED, *sorted(path.stem for path in own if _NAME.fullmatch(path.stem))]


def require_own_name(name: str) -> str:
    """Return ``name``; raise UsageError if the user's own calibration can't be called so."""
    if name.lower() == SHIPPED:
        raise UsageError(
            f"{SHIPPED} is the calibration that ships, and stays as it is",
            "give your phone's calibration another name with --calibration",
        )
    _file_of(name)
    return name


def keep(calibration: CostCalibration) -> Path:
    """Keep a calibration by its name, whole or not at all, in place of an older one of that name.

    Raises UsageError if it can't be called so or its folder can't be written.
    """
    path = _file_of(require_own_name(calibration.name))
    ensure_folder(path.parent, "calibrations")
    try:
        write_whole(path, calibration_json(calibration))
    except OSError as error:
        raise unwritable(
            str(path),
            error,
            "make its folder writable, with space left",
        ) from error
    return path


def calibration_json(calibration: CostCalibration) -> bytes:
    """Return a calibration's file."""
    return msgspec.json.format(msgspec.json.encode(calibration)) + b"\n"


def read_calibration(path: Path, name: str) -> CostCalibration:
    """Return what a calibration's file holds, which is called ``name``; raise as ``named`` does."""
    hint = "remove it and calibrate again with `asymm-deploy cost --calibrate`"
    try:
        found = decode_json(
            read_regular(path), CostCalibration, CALIBRATION_VERSION, where=str(path), hint=hint
        )
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror or error}", hint) from error
    except DamagedError as error:
        raise UsageError(f"{path} is damaged: {error}", hint) from error
    wrong = _wrong(found, name)
    if wrong:
        raise UsageError(f"{path} is damaged: {wrong}", hint)
    return found


def _file_of(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a calibration can't be called {excerpt(name)!r}",
            "use up to 64 letters, digits, dots, hyphens and underscores, like pixel-4",
        )
    return folder() / f"{name}{_ENDING}"


def _wrong(found: CostCalibration, name: str) -> str | None:
    """Return what in a calibration can't have been fitted."""
    if found.name != name:
        return f"it is called {excerpt(found.name)!r}"
    if not found.ns_per or not any(found.ns_per.values()):
        return "it has no coefficient"
    if any(not (math.isfinite(each) and each >= 0) for each in found.ns_per.values()):
        return "a coefficient is negative"
    if not 0 < found.low <= found.high < math.inf:
        return "its interval is none"
    return None
