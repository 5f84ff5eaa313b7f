"""COCO's annotations of people: who is looked at, and each kind of damage in words."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.tasks.coco_people import CocoImage, clipped, read_people

IMAGE = {"id": 5, "file_name": "a.jpg", "width": 100, "height": 80}
ANN = {
    "id": 1,
    "image_id": 5,
    "category_id": 1,
    "bbox": [10, 10, 30, 40],
    "area": 900.5,
    "keypoints": [20, 20, 2] + [0] * 48,
    "num_keypoints": 1,
    "iscrowd": 0,
}
FILE: dict[str, Any] = {
    "info": {},
    "images": [IMAGE, {**IMAGE, "id": 6, "file_name": "b.jpg"}],
    "annotations": [
        ANN,
        {**ANN, "id": 2, "iscrowd": 1},
        {**ANN, "id": 3, "num_keypoints": 0, "keypoints": [0] * 51},
        {**ANN, "id": 4, "bbox": [200, 10, 30, 40]},
        {**ANN, "id": 5, "category_id": 9},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 9, "name": "dog"}],
}


def read(folder: Path, content: object, detections: object = None) -> Any:
    path = folder / "people.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    found = None
    if detections is not None:
        found = folder / "detections.json"
        found.write_text(detections if isinstance(detections, str) else json.dumps(detections))
    return read_people(path, folder, found)


def test_people_with_keypoints_who_are_no_crowd_are_looked_at_and_all_are_the_truth(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, FILE)
    ((image, *others), people) = (found.images, found.annotations)
    assert not others
    assert (image.name, [each.box for each in image.boxes]) == ("a.jpg", [(10, 10, 30, 40)])
    assert [each.id for each in people] == [1, 2, 3, 4]
    assert (found.without, found.left_out) == (1, 1)


def test_detections_take_the_place_of_boxes(tmp_path: Path) -> None:
    box = {"image_id": 6, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}
    found = read(tmp_path, FILE, [box, {**box, "category_id": 9, "image_id": 77}])
    (image,) = found.images
    assert (image.name, image.boxes[0].score) == ("b.jpg", 0.5)


def test_a_box_is_cut_to_the_pixels_of_its_image() -> None:
    image = CocoImage(1, "a", 100, 80)
    assert clipped((10, 10, 30, 40), image) == (10, 10, 29, 39)
    assert clipped((-5, 60, 30, 40), image) == (0, 60, 24, 19)
    assert clipped((99, 10, 30, 40), image) is None
    assert clipped((10, 10, -3, 40), image) is None


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = copy.deepcopy(FILE)
    change(content)
    return content


def of_first(**fields: object) -> dict[str, Any]:
    return changed(lambda content: content["annotations"][0].update(fields))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("{", "is damaged, or no such file"),
        ("[" * 100_000, "is damaged, or no such file"),
        ("[]", "is damaged, or no such file: Expected `object`, got `array`"),
        ({"images": []}, "missing required field `annotations`"),
        (of_first(keypoints="x"), "got `str` - at `$.annotations[0].keypoints`"),
        (of_first(bbox=[1, 2, 3]), "at `$.annotations[0].bbox`"),
        (of_first(image_id=99), "annotation 1 is of image 99, which the file hasn't"),
        (of_first(keypoints=[1, 2, 2]), "annotation 1 has 3 numbers of keypoints, not the 51"),
        (of_first(keypoints=[0] * 51), "annotation 1 says 1 keypoints, and labels none"),
        (of_first(area=-1), "annotation 1 has impossible numbers"),
        (of_first(id=2), "has two annotations of one id"),
        (changed(lambda c: c["images"][0].update(id=6)), "has two images of one id"),
        (changed(lambda c: c["images"][0].update(file_name="b.jpg")), "has two images of one file"),
        (changed(lambda c: c["images"][0].update(file_name="../a")), "'../a' is no image's file"),
        (changed(lambda c: c["images"][0].update(file_name="/a")), "'/a' is no image's file"),
        (changed(lambda c: c["images"][0].update(width=0)), "image 5 is 0 x 80 pixels"),
        (changed(lambda c: c.update(annotations=[])), "has no person with a keypoint"),
        (changed(lambda c: c.update(categories=[])), "has no category called person: none"),
        (of_first(bbox=[200, 0, 9, 9]), "lies in its image"),
    ],
)
def test_damaged_annotations_are_told(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, content)
    assert told in raised.value.what


@pytest.mark.parametrize(
    ("detections", "told"),
    [
        ("{}", "is damaged, or no such file"),
        ([], "detects no person"),
        ([{"image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1}], "in image 7"),
        ([{"image_id": 5, "category_id": 1, "bbox": [0, 0, 9], "score": 1}], "bbox"),
    ],
)
def test_damaged_detections_are_told(tmp_path: Path, detections: object, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, FILE, detections)
    assert told in raised.value.what
