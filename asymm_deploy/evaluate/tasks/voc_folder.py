"""Pascal VOC's folders: JPEGImages/, Annotations/*.xml and ImageSets/Main/test.txt."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.tasks.sample_files import (
    SampleFile,
    read_text_file,
    require_folder,
    sample_file,
)
from asymm_deploy.images.decoding import SUFFIXES
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# fmt: off
VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)
# fmt: on
"""In VOC's own order, which is also GluonCV's."""
_MOST_BYTES = 1 << 24
_MOST_SIDE = 1 << 20
_HINT = "give VOC's folder, VOCdevkit/VOC2007, which has Annotations, ImageSets and JPEGImages"


@dataclass(frozen=True, slots=True)
class TrueBox:
    """An object, as an annotation has it."""

    label: int
    box: tuple[float, float, float, float]
    """First and last column and row: xmin, ymin, xmax, ymax; VOC counts pixels from 1."""
    difficult: bool
    """Neither finding nor missing it counts."""


@dataclass(frozen=True, slots=True)
class VocImage:
    """One image and what is in it."""

    file: SampleFile
    width: int
    """In pixels, as the annotation says."""
    height: int
    objects: tuple[TrueBox, ...]

    @property
    def name(self) -> str:
        """The file's path below the root."""
        return self.file.name

    @property
    def facts(self) -> tuple[object, ...]:
        """What answers depend on: the image and its size, not what is in it."""
        return (*self.file.facts, self.width, self.height)


@dataclass(frozen=True, slots=True)
class VocFolder:
    """The images of a list."""

    root: Path
    classes: tuple[str, ...]
    images: tuple[VocImage, ...]


def read_voc(root: Path, split: str, classes: tuple[str, ...] = VOC_CLASSES) -> VocFolder:
    """Return the images that ``root/ImageSets/Main/{split}.txt`` lists, with their objects.

    An image need not be there. Raises UsageError where the list or an annotation is missing or
    damaged, or has an object of no class.
    """
    require_folder(root, _HINT)
    numbers = {name: number for number, name in enumerate(classes)}
    if not split or "/" in split or "\0" in split or split.startswith("."):
        raise UsageError(f"--split {excerpt(split, 40)!r} is no list's name", "give test, or val")
    images = tuple(
        _annotated(root, name, numbers)
        for name in _names(root / "ImageSets" / "Main" / f"{split}.txt")
    )
    if not any(not each.difficult for image in images for each in image.objects):
        raise UsageError(
            f"{root} has no object in the images of {split} that would count",
            "give a list of annotated images: VOC's own are trainval, val, and VOC2007's test",
        )
    return VocFolder(root, classes, images)


def _names(path: Path) -> list[str]:
    """Return the images of a list; after a name may stand whether a class is in it."""
    hint = f"{_HINT}; --split names the list, test by default"
    content = read_text_file(path, _MOST_BYTES, hint)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", hint) from error
    names: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name = line.split()[0]
        if "/" in name or "\0" in name or name.startswith("."):
            raise UsageError(f"{path}, line {number}: {excerpt(name, 60)!r} is no image", hint)
        if name in names:
            raise UsageError(f"{path}, line {number}: {excerpt(name, 60)} again", hint)
        names[name] = None
    return list(names)


def _annotated(root: Path, name: str, numbers: dict[str, int]) -> VocImage:
    path = root / "Annotations" / f"{name}.xml"
    found = _read_xml(path)
    width, height = (found.findtext(f"size/{side}") or "" for side in ("width", "height"))
    sides = [int(each) for each in (width, height) if each.isascii() and each.isdigit()]
    if len(sides) != 2 or not all(0 < side < _MOST_SIDE for side in sides):
        raise UsageError(f"{path} doesn't say how large its image is", _HINT)
    objects = tuple(_object(path, each, numbers) for each in found.findall("object"))
    return VocImage(_image(root, name), sides[0], sides[1], objects)


def _image(root: Path, name: str) -> SampleFile:
    for suffix in (".jpg", *sorted(SUFFIXES - {".jpg"})):  # VOC's own are .jpg
        path = f"JPEGImages/{name}{suffix}"
        if os.path.lexists(root / path):
            return sample_file(root, path)
    return SampleFile(f"JPEGImages/{name}.jpg")


def _read_xml(path: Path) -> Element:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    content = read_text_file(path, _MOST_BYTES, _HINT)
    try:
        annotation: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise UsageError(
            f"{path} has a document type or entities, which no VOC annotation has", _HINT
        ) from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise UsageError(f"{path} is no XML: {excerpt(str(error))}", _HINT) from error
    if annotation.tag != "annotation":
        raise UsageError(f"{path} is no VOC annotation: it is {excerpt(annotation.tag, 40)}", _HINT)
    return annotation


def _object(path: Path, found: Element, numbers: dict[str, int]) -> TrueBox:
    name = (found.findtext("name") or "").strip()
    if name not in numbers:
        raise UsageError(
            f"{path} has an object of class {excerpt(name, 40)!r}, which is none of the "
            f"{len(numbers)} classes",
            "list the model's classes in its order, one a line, in a file, and give it with "
            "--classes",
        )
    box = _numbers([found.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")])
    difficult = (found.findtext("difficult") or "0").strip()
    if box is None or difficult not in ("0", "1"):
        raise UsageError(
            f"{path} has an object {excerpt(name, 40)} without a sound bndbox or difficult", _HINT
        )
    return TrueBox(numbers[name], box, difficult == "1")


def _numbers(texts: Sequence[str | None]) -> tuple[float, float, float, float] | None:
    try:
        left, top, right, bottom = (float(text or "") for text in texts)
    except ValueError:
        return None
    is_box = all(map(math.isfinite, (left, top, right, bottom))) and left <= right and top <= bottom
    return (left, top, right, bottom) if is_box else None
