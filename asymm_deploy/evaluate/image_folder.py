"""Images with their classes, from a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from asymm_deploy.errors import UsageError
from asymm_deploy.files import opened_regular
from asymm_deploy.images.image_files import walked_files
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

SampledT = TypeVar("SampledT")

CLASSES_NAME = "classes.txt"
_MOST_BYTES = 1 << 24
"""Of a list of classes."""


def as_utf8(name: str) -> str:
    r"""Return a file's name for JSON and Parquet: bytes that are no UTF-8 as ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image file."""

    path: str
    """Relative to the root, with ``/``."""
    label: int
    size: int
    """Bytes; with the time of change it tells whether the file is the same later."""
    changed_ns: int

    @property
    def name(self) -> str:
        """The path as UTF-8 can say it."""
        return as_utf8(self.path)

    @property
    def facts(self) -> tuple[object, ...]:
        """What a prediction depends on."""
        return self.name, self.label, self.size, self.changed_ns


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """All images below a root, in the order of classes and names."""

    root: Path
    classes: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    empty: tuple[str, ...] = ()
    """Classes without an image."""
    other_files: int = 0
    """Files beside the images that are none by their names, hidden ones left out."""
    unseen: tuple[str, ...] = field(default=())
    """Folders that could not be listed, with the reason."""
    is_listed: bool = False
    """Whether a file says which classes there are; else the folders do."""


def labelled_images(root: Path, classes_file: Path | None = None) -> ImageFolder:
    """Return the images of ``root/CLASS/``, folders inside a class included.

    A class's number is its line in ``classes_file``, or in ``root/classes.txt``, or else its place
    among the folders in the order of names. Links are followed, each folder once. Raises UsageError
    if there is no image, or a folder is not among the classes.
    """
    folders = _class_folders(root)
    listed = classes_file or (root / CLASSES_NAME)
    is_listed = classes_file is not None or os.path.lexists(listed)
    classes = _all_listed(listed, folders, root) if is_listed else tuple(folders)
    numbers = {name: number for number, name in enumerate(classes)}
    images: list[LabelledImage] = []
    others, unseen = 0, []
    with_images = set()
    for name in folders:
        found, beside, why = _images_below(root, name, numbers[name])
        others += beside
        unseen += why
        images += found
        if found:
            with_images.add(name)
    if not images:
        raise UsageError(
            f"{root} has no images in its folders"
            + (f": {excerpt(unseen[0])}" if unseen else f" ({counted(others, 'other file')})"),
            f"put images into {root}/CLASS/, a folder for each class",
        )
    images.sort(key=lambda image: (image.label, image.path))
    return ImageFolder(
        root,
        classes,
        tuple(images),
        tuple(name for name in folders if name not in with_images),
        others,
        tuple(unseen),
        is_listed,
    )


def sampled(images: Sequence[SampledT], limit: int | None, seed: int) -> list[SampledT]:
    """Return ``limit`` of the images, drawn by ``seed``, in their order; all if there are fewer.

    They may be any samples.
    """
    if limit is None or limit >= len(images):
        return list(images)
    drawn = np.random.default_rng(seed).choice(len(images), limit, replace=False)
    places = sorted(map(int, drawn))
    return [images[place] for place in places]


def _class_folders(root: Path) -> list[str]:
    try:
        entries = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise UsageError(
            f"can't list the images in {root}: {told}", "give a folder with a folder for each class"
        ) from error
    found = [name for name in entries if not name.startswith(".")]
    if not found:
        raise UsageError(
            f"{root} has no folders in it, and a folder's name is the class of its images",
            f"put the images of each class into {root}/CLASS/",
        )
    return found


def listed_classes(path: Path, folders: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the classes that a file lists, one a line; raise UsageError if it is damaged.

    A class may begin or end with spaces if it is one of ``folders``.
    """
    try:
        with opened_regular(path) as file:
            content = file.read(_MOST_BYTES + 1)
        lines = [line.removesuffix("\r") for line in content.decode("utf-8-sig").split("\n")]
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "give a file with a class a line"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", "write it anew, with a class a line") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(
            f"{path} has more than {_MOST_BYTES >> 20} MiB", "give a file with a class a line"
        )
    while lines and not lines[-1].strip():
        lines.pop()
    # A folder's name may begin or end with spaces; else they were typed by accident.
    classes = [line if line in folders else line.strip() for line in lines]
    seen: set[str] = set()
    for number, name in enumerate(classes, 1):
        if not name or name in seen:
            raise UsageError(
                f"{path}, line {number}: " + (f"{excerpt(name)} again" if name else "no class"),
                "give each class a line of its own, in the order of the model's outputs",
            )
        seen.add(name)
    return tuple(classes)


def _all_listed(path: Path, folders: Sequence[str], root: Path) -> tuple[str, ...]:
    classes = listed_classes(path, folders)
    unknown = sorted(set(folders) - set(classes))
    if unknown:
        shown = ", ".join(map(excerpt, unknown[:5])) + (" ..." if unknown[5:] else "")
        raise UsageError(
            f"{root} has folders that {path} doesn't list: {shown}",
            "add them, or take them out of the folder",
        )
    return classes


def _images_below(root: Path, name: str, label: int) -> tuple[list[LabelledImage], int, list[str]]:
    """Return the images of a class, how many other files are there, and what can't be listed."""
    found: list[LabelledImage] = []
    others = 0
    unseen: list[str] = []
    # A link to a folder above leads to other classes, and back here.
    seen = {os.path.realpath(above) for above in (root, *root.absolute().parents)}

    def told(error: OSError) -> None:
        unseen.append(f"{error.filename}: {error.strerror}")

    for each in walked_files(root, root / name, seen, told):
        if each is None:
            others += 1
        else:
            found.append(LabelledImage(each.name, label, each.size, each.changed_ns))
    return found, others, unseen
