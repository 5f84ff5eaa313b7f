"""LFW's list of pairs of photographs, and the photographs that it means.

    10 300                     ten sets, each with 300 pairs of one person, then 300 of two
    Abel_Pacheco 1 4           ROOT/Abel_Pacheco/Abel_Pacheco_0001.jpg and ..._0004.jpg
    Abdel_Madi 1 Dean_Barker 1

A list with another count in its first line is the same; without a number of sets it is one set.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.tasks.sample_files import (
    SampleFile,
    read_text_file,
    require_folder,
    sample_file,
)
from asymm_deploy.images.decoding import SUFFIXES
from asymm_deploy.safe import excerpt

LFW_SHA256 = "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592"
"""Of the pairs.txt that LFW's figures are of, as scikit-learn has it, too."""
_MOST_BYTES = 1 << 26
_MOST_FOLDS = 1000
_HINT = "give a list as LFW has it: 10, a tab and 300, then NAME 1 2 or NAME 1 OTHER 1 on each line"


@dataclass(frozen=True, slots=True)
class FacePair:
    """Two photographs, by their places among all; and whether they show one person."""

    fold: int
    one: int
    other: int
    same: bool


@dataclass(frozen=True, slots=True)
class PairList:
    """A list, and each photograph in it once."""

    pairs: tuple[FacePair, ...]
    folds: int
    photographs: tuple[SampleFile, ...]
    is_lfw: bool


def read_pairs(path: Path, root: Path) -> PairList:
    """Return the pairs that ``path`` lists of photographs below ``root``.

    A photograph need not be there. Raises UsageError where the list is damaged, has one set alone
    (whose threshold would come from itself), or is of no photograph that is there.
    """
    require_folder(root, "give the folder that has a folder for each person")
    content = read_text_file(path, _MOST_BYTES, _HINT)
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", _HINT) from error
    while lines and not lines[-1]:
        lines.pop()
    folds, each = _counts(path, lines[0])
    if len(lines) != 1 + 2 * folds * each:
        raise UsageError(
            f"{path} says {folds} x 2 x {each} pairs, and has {len(lines) - 1}",
            "take the whole list, with LFW's first line",
        )
    if folds == 1:
        raise UsageError(
            f"{path} is of one set, and a threshold is chosen on other sets than it is tried on",
            "give a list of several sets: LFW's has 10",
        )
    places: dict[str, int] = {}
    files: list[SampleFile] = []

    def place_of(name: str, number: str, line: int) -> int:
        found = _photograph(path, line, name, number)
        if found not in places:
            places[found] = len(files)
            files.append(_there(root, found))
        return places[found]

    pairs = []
    for number, line in enumerate(lines[1:], start=2):
        fold, in_fold = divmod(number - 2, 2 * each)
        same = in_fold < each
        words = line.split("\t") if "\t" in line else line.split()
        if len(words) != (3 if same else 4):
            raise UsageError(
                f"{path}, line {number}: {excerpt(line, 60)!r} is no pair of "
                f"{'one person: NAME 1 2' if same else 'two people: NAME 1 OTHER 1'}",
                _HINT,
            )
        one = place_of(words[0], words[1], number)
        other = place_of(words[0] if same else words[2], words[-1], number)
        pairs.append(FacePair(fold, one, other, same))
    if not any(each.size or each.changed_ns for each in files):
        raise UsageError(
            f"{root} has none of the {len(files)} photographs that {path} lists, such as "
            f"{excerpt(files[0].path)}",
            "give the folder that has a folder for each person, with aligned photographs in it",
        )
    return PairList(
        tuple(pairs), folds, tuple(files), hashlib.sha256(content).hexdigest() == LFW_SHA256
    )


def _counts(path: Path, line: str) -> tuple[int, int]:
    words = line.split()
    numbers = [int(word) for word in words if _is_number(word)]
    if len(numbers) == len(words) and len(words) in (1, 2) and 0 not in numbers:
        folds, each = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
        if folds <= _MOST_FOLDS:
            return folds, each
    raise UsageError(
        f"{path}, line 1: {excerpt(line, 60)!r} is not how many sets and pairs there are", _HINT
    )


def _photograph(path: Path, line: int, name: str, number: str) -> str:
    """Return a photograph's path below the root, without its ending."""
    if not name or "/" in name or "\\" in name or name.startswith(".") or "\0" in name:
        raise UsageError(f"{path}, line {line}: {excerpt(name, 60)!r} is no person's folder", _HINT)
    if not _is_number(number):
        raise UsageError(
            f"{path}, line {line}: {excerpt(number, 60)!r} is no photograph's number", _HINT
        )
    return f"{name}/{name}_{int(number):04}"


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 9


def _there(root: Path, stem: str) -> SampleFile:
    """Return the photograph with whatever ending it has; LFW's where there is none."""
    for suffix in (".jpg", *sorted(SUFFIXES - {".jpg"})):  # LFW's own are .jpg
        if os.path.lexists(root / f"{stem}{suffix}"):
            return sample_file(root, f"{stem}{suffix}")
    return SampleFile(f"{stem}.jpg")
