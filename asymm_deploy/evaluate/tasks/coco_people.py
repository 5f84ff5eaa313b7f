"""COCO's annotations of keypoints, and detections of people, from their JSON files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.tasks.sample_files import (
    SampleFile,
    read_text_file,
    require_folder,
    sample_file,
)
from asymm_deploy.safe import excerpt

KEYPOINTS = 17
"""COCO's, whose tolerances the measure has."""
_MOST_BYTES = 1 << 30
_HINT = "give COCO's person_keypoints_val2017.json, or a file like it"
_DETECTIONS_HINT = (
    'give a list like COCO\'s results: [{"image_id": 1, "category_id": 1, "bbox": [x, y, width, '
    'height], "score": 0.9}, ...]'
)
Box = tuple[float, float, float, float]
"""x, y, width and height in pixels of the image."""


class CocoImage(msgspec.Struct, frozen=True):
    """One image of the file."""

    id: int
    file_name: str
    width: int
    height: int


class CocoPerson(msgspec.Struct, frozen=True):
    """One annotation of the file."""

    id: int
    image_id: int
    category_id: int
    bbox: Box
    area: float
    keypoints: tuple[float, ...] = ()
    """x, y and whether it is labelled (1: hidden, 2: seen), of each keypoint."""
    num_keypoints: int = 0
    iscrowd: int = 0


class CocoCategory(msgspec.Struct, frozen=True):
    """A kind of object of the file."""

    id: int
    name: str


class CocoKeypoints(msgspec.Struct, frozen=True):
    """The file; what else it has is not read."""

    images: tuple[CocoImage, ...]
    annotations: tuple[CocoPerson, ...]
    categories: tuple[CocoCategory, ...]


class DetectedPerson(msgspec.Struct, frozen=True):
    """One entry of a file of detections."""

    image_id: int
    category_id: int
    bbox: Box
    score: float


@dataclass(frozen=True, slots=True)
class PersonBox:
    """Where somebody is, as the network is to look."""

    box: Box
    score: float
    """1 for an annotation's box."""


@dataclass(frozen=True, slots=True)
class PeopleImage:
    """One image with the people in it."""

    file: SampleFile
    image: CocoImage
    boxes: tuple[PersonBox, ...]

    @property
    def name(self) -> str:
        """The file's name in the annotations."""
        return self.file.name

    @property
    def facts(self) -> tuple[object, ...]:
        """What answers depend on."""
        return (
            *self.file.facts,
            (self.image.width, self.image.height),
            [(*each.box, each.score) for each in self.boxes],
        )


@dataclass(frozen=True, slots=True)
class People:
    """All that is judged: images in the order of their numbers, and what is true of them."""

    images: tuple[PeopleImage, ...]
    annotations: tuple[CocoPerson, ...]
    without: int
    """Images with nobody to look at."""
    left_out: int
    """Boxes without an area inside their image, where a network can't look."""


def read_people(path: Path, root: Path, detections: Path | None) -> People:
    """Return the people that ``path`` annotates in images below ``root``.

    Their boxes are the annotations', of people with a keypoint who are no crowd; or those of
    ``detections``. Raises UsageError where a file is damaged, or its parts don't fit each other, or
    where there are no people.
    """
    require_folder(root, "give the folder of the images, such as val2017")
    found = _decoded(path, CocoKeypoints, _HINT)
    person = _person(path, found.categories)
    people = tuple(each for each in found.annotations if each.category_id == person)
    images = {each.id: each for each in found.images}
    _require_sound(path, images, found)
    for each in people:
        _require_person(path, each, images)
    if detections is None:
        boxes = {
            number: [PersonBox(p.bbox, 1.0) for p in of_image if _is_looked_at(p)]
            for number, of_image in _by_image(people).items()
        }
        if not any(boxes.values()):
            raise UsageError(f"{path} has no person with a keypoint", _HINT)
    else:
        boxes = _detected(detections, person, images)
    inside = {
        number: [b for b in of_image if clipped(b.box, images[number]) is not None]
        for number, of_image in boxes.items()
    }
    looked_at = tuple(
        PeopleImage(sample_file(root, each.file_name), each, tuple(inside[each.id]))
        for each in sorted(found.images, key=lambda image: image.id)
        if inside.get(each.id)
    )
    if not looked_at:
        raise UsageError(f"no box of {detections or path} lies in its image", _HINT)
    return People(
        looked_at,
        people,
        len(images) - len(looked_at),
        sum(map(len, boxes.values())) - sum(map(len, inside.values())),
    )


def clipped(box: Box, image: CocoImage) -> Box | None:
    """Return the part of a box that is inside its image; None if it has no area.

    As the authors of SimplePose, and GluonCV, cut it: to the image's pixels.
    """
    x, y, width, height = box
    left, top = max(0.0, x), max(0.0, y)
    right = min(image.width - 1.0, x + max(0.0, width - 1))
    bottom = min(image.height - 1.0, y + max(0.0, height - 1))
    if right <= left or bottom <= top:
        return None
    return left, top, right - left, bottom - top


T = TypeVar("T")


def _decoded(path: Path, kind: type[T], hint: str) -> T:
    content = read_text_file(path, _MOST_BYTES, hint)
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{path} is damaged, or no such file: {excerpt(str(error))}", hint
        ) from error


def _person(path: Path, categories: Sequence[CocoCategory]) -> int:
    found = [each.id for each in categories if each.name == "person"]
    if len(found) != 1:
        told = ", ".join(excerpt(each.name, 40) for each in categories[:5]) or "none"
        raise UsageError(f"{path} has no category called person: {told}", _HINT)
    return found[0]


def _require_sound(path: Path, images: dict[int, CocoImage], found: CocoKeypoints) -> None:
    """Raise UsageError where numbers stand for two things, or names leave the folder."""
    if len(images) != len(found.images):
        raise UsageError(f"{path} has two images of one id", _HINT)
    if len({each.id for each in found.annotations}) != len(found.annotations):
        raise UsageError(f"{path} has two annotations of one id", _HINT)
    names = [each.file_name for each in found.images]
    if len(set(names)) != len(names):
        raise UsageError(f"{path} has two images of one file", _HINT)
    for each in found.images:
        parts = each.file_name.split("/")
        if "\0" in each.file_name or not all(parts) or ".." in parts:
            raise UsageError(f"{path}: {excerpt(each.file_name, 80)!r} is no image's file", _HINT)
        if each.width < 1 or each.height < 1:
            raise UsageError(
                f"{path}: image {each.id} is {each.width} x {each.height} pixels large", _HINT
            )


def _require_person(path: Path, each: CocoPerson, images: dict[int, CocoImage]) -> None:
    if each.image_id not in images:
        raise UsageError(
            f"{path}: annotation {each.id} is of image {each.image_id}, which the file hasn't",
            _HINT,
        )
    if len(each.keypoints) != 3 * KEYPOINTS:
        raise UsageError(
            f"{path}: annotation {each.id} has {len(each.keypoints)} numbers of keypoints, not the "
            f"{3 * KEYPOINTS} of COCO's {KEYPOINTS}",
            _HINT,
        )
    labelled = sum(each.keypoints[place] > 0 for place in range(2, 3 * KEYPOINTS, 3))
    if each.num_keypoints and not labelled:
        raise UsageError(
            f"{path}: annotation {each.id} says {each.num_keypoints} keypoints, and labels none",
            _HINT,
        )
    numbers = (*each.bbox, *each.keypoints, each.area)
    if not all(map(math.isfinite, numbers)) or each.area < 0:
        raise UsageError(f"{path}: annotation {each.id} has impossible numbers", _HINT)


def _is_looked_at(each: CocoPerson) -> bool:
    return each.num_keypoints > 0 and not each.iscrowd and each.area > 0


def _by_image(people: Sequence[CocoPerson]) -> dict[int, list[CocoPerson]]:
    found: dict[int, list[CocoPerson]] = {}
    for each in people:
        found.setdefault(each.image_id, []).append(each)
    return found


def _detected(path: Path, person: int, images: dict[int, CocoImage]) -> dict[int, list[PersonBox]]:
    found = _decoded(path, list[DetectedPerson], _DETECTIONS_HINT)
    boxes: dict[int, list[PersonBox]] = {}
    for each in found:
        if each.category_id != person:
            continue
        if each.image_id not in images:
            raise UsageError(
                f"{path} has a detection in image {each.image_id}, which the annotations haven't",
                "give detections in the annotations' own images",
            )
        if not all(map(math.isfinite, (*each.bbox, each.score))):
            raise UsageError(f"{path} has a detection with impossible numbers", _DETECTIONS_HINT)
        boxes.setdefault(each.image_id, []).append(PersonBox(each.bbox, each.score))
    if not boxes:
        raise UsageError(f"{path} detects no person", _DETECTIONS_HINT)
    return boxes
