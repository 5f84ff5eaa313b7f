"""All image files below a folder, whatever their classes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.images.decoding import SUFFIXES


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that is an image by its name."""

    path: Path
    name: str
    """Relative to the folder; bytes that are no UTF-8 as Python keeps them."""
    size: int
    changed_ns: int


def image_files(root: Path) -> list[ImageFile]:
    """Return the image files below ``root`` in the order of their names, hidden ones left out.

    Links are followed, each folder once. Raises UsageError if the folder can't be listed, or has no
    image in it.
    """
    try:
        os.scandir(root).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"can't list the images in {root}: {getattr(error, 'strerror', None) or error}",
            "give a folder with images in it",
        ) from error
    found = [each for each in walked_files(root, root, set()) if each is not None]
    if not found:
        raise UsageError(f"{root} has no images in it", "give a folder with images in it")
    return sorted(found, key=lambda each: each.name)


def walked_files(
    root: Path,
    start: Path,
    seen: set[str],
    on_error: Callable[[OSError], None] | None = None,
) -> Iterator[ImageFile | None]:
    """Yield each image below ``start``, named from ``root``; None for each file that is none.

    Hidden files are left out. Links are followed; what is in ``seen``, by its real path, is not
    entered, and all that is entered goes into it. ``on_error`` gets what can't be listed.
    """
    for folder, inner, files in os.walk(start, followlinks=True, onerror=on_error):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(each for each in inner if not each.startswith("."))
        for file in files:
            if file.startswith("."):
                continue
            path = Path(folder) / file
            if path.suffix.lower() not in SUFFIXES:
                yield None
                continue
            try:
                facts = path.stat()
                size, changed_ns = facts.st_size, facts.st_mtime_ns
            except OSError:  # a link to nothing: decoding will say so
                size, changed_ns = 0, 0
            yield ImageFile(path, path.relative_to(root).as_posix(), size, changed_ns)


def listing_sha256(files: Sequence[ImageFile]) -> str:
    """Return the SHA-256 of names, sizes and times of change."""
    told = hashlib.sha256()
    for each in files:
        told.update(os.fsencode(f"{each.name}\0{each.size}\0{each.changed_ns}\0"))
    return told.hexdigest()
