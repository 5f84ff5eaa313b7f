"""An engine that answers otherwise than PyTorch is seen in every task, and so is one that answers
nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy_rows import EvaluatedSetting
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.prediction import EvaluationEngine
from asymm_deploy.evaluate.tasks.coco_people import (
    CocoImage,
    CocoPerson,
    People,
    PeopleImage,
    PersonBox,
)
from asymm_deploy.evaluate.tasks.face_pairs import FacePair, PairList
from asymm_deploy.evaluate.tasks.faces import FaceReading, face_pairs
from asymm_deploy.evaluate.tasks.objects import ObjectReading, VocObjects
from asymm_deploy.evaluate.tasks.poses import PoseReading, Poses
from asymm_deploy.evaluate.tasks.sample_files import SampleFile
from asymm_deploy.evaluate.tasks.voc_folder import TrueBox, VocFolder, VocImage
from asymm_deploy.images.preprocessing import IMAGENET, ImageInput

SETTING = EvaluatedSetting(weights="given", preprocess="imagenet")
TAKEN = ImageInput("input", 64, 64, 3, False, "float32")


def lane(engine: EvaluationEngine) -> Lane:
    return Lane(
        model="net",
        variant="fp32",
        engine=engine,
        device="host",
        precision="fp32",
        path=Path("model"),
        sha256s=(),
        api="session",
        output_names=("o",),
    )


def rows(subject: Any, reading: Any, torch: list[Any], mnn: list[Any]) -> list[dict[str, str]]:
    before: Evaluation[Any] = Evaluation(tuple(torch), 1.0, ())
    after: Evaluation[Any] = Evaluation(tuple(mnn), 1.0, ())
    found = subject.rows(SETTING, reading, lane("mnn"), "0" * 64, after, (lane("torch"), before))
    assert all(row["compared_with"] == "torch" for row in found)
    return list(found)


FILES = [SampleFile(f"{name}.jpg") for name in "abcd"]
PAIRS = (
    FacePair(0, 0, 1, True),
    FacePair(0, 0, 2, False),
    FacePair(1, 0, 1, True),
    FacePair(1, 0, 3, False),
)
FACES = face_pairs(Path(), PairList(PAIRS, 2, tuple(FILES), False), PAIRS)
FACE = FaceReading(output="o", taken=TAKEN, recipe=IMAGENET)
VECTORS: list[list[float]] = [[1, 0], [0.9, 0.1], [-0.5, 1], [-1, 0]]


def faces(*vectors: list[float]) -> list[Any]:
    said = [np.array([each], np.float32) for each in vectors]
    return [FACE.answer(file, [{"o": each}]) for file, each in zip(FILES, said, strict=True)]


def test_a_pair_that_changes_sides_is_seen() -> None:
    good = faces(*VECTORS)
    (same,) = rows(FACES, FACE, good, good)
    assert (same["percent"], same["agreement_percent"]) == ("100.000", "100.000")
    (broken,) = rows(FACES, FACE, good, faces([1, 0], [0, 1], [-0.5, 1], [1, 0.1]))
    assert float(broken["percent"]) < 100
    assert int(broken["became_wrong"]) > 0


@pytest.mark.parametrize("nothing", [[np.nan, 1], [0, 0], [np.inf, 0]])
def test_an_embedding_without_a_direction_is_wrong_and_told(nothing: list[float]) -> None:
    spoilt = faces(nothing, *VECTORS[1:])
    (row,) = rows(FACES, FACE, faces(*VECTORS), spoilt)
    assert (row["percent"], row["became_wrong"]) == ("0.000", "4")
    assert "gives 1 photograph no embedding" in " ".join(FACES.remarks(spoilt))


def test_pairs_of_one_set_are_too_few_to_judge() -> None:
    with pytest.raises(UsageError, match="only 2 pairs can be judged"):
        rows(face_pairs(Path(), FACES.listed, PAIRS[:2]), FACE, faces(*VECTORS), faces(*VECTORS))


IMAGE = PeopleImage(
    SampleFile("a.jpg"), CocoImage(3, "a.jpg", 200, 200), (PersonBox((40, 40, 52.2, 52.2), 1.0),)
)
POSE = PoseReading(output="o", map_size=(64, 64), taken=TAKEN, recipe=IMAGENET)
POINTS = np.array([(44 + 8 * (k % 5), 44 + 8 * (k // 5)) for k in range(17)], float)
"""In the image, of which a pixel is one of the input, but for what the box begins before it."""
PERSON = CocoPerson(
    *(1, 3, 1, (40, 40, 52.2, 52.2), 10_000.0),
    tuple(np.column_stack([POINTS, np.full(17, 2)]).ravel()),
    17,
)
POSES = Poses(Path(), People((IMAGE,), (PERSON,), 0, 0), [IMAGE], False)


def keypoints(shift: int = 0, *, peak: float = 1.0) -> list[Any]:
    (crop,) = POSE.crops(IMAGE)
    maps = np.zeros((1, 17, 64, 64), np.float32)
    for k, (x, y) in enumerate(POINTS):
        at_x, at_y = (x - crop.left) / crop.step_x, (y - crop.top) / crop.step_y
        maps[0, k, round(at_y), round(at_x) + shift] = peak
    return [POSE.answer(IMAGE, [{"o": maps}])]


def test_keypoints_elsewhere_are_seen() -> None:
    (same, *_) = rows(POSES, POSE, keypoints(), keypoints())
    assert (same["percent"], same["agreement_percent"]) == ("100.000", "100.000")
    (broken, *_) = rows(POSES, POSE, keypoints(), keypoints(12))
    assert float(broken["percent"]) < 50
    assert broken["agreement_percent"] == "0.000"


def test_heat_maps_that_are_not_finite_find_nobody_and_are_told() -> None:
    spoilt = keypoints(peak=np.inf)
    (row, *_) = rows(POSES, POSE, keypoints(), spoilt)
    assert (row["percent"], row["agreement_percent"]) == ("0.000", "0.000")
    assert "gives NaN or infinity for 1 person" in " ".join(POSES.remarks(spoilt))
    # A maximum of 0 is no keypoint, in both engines: they agree on nothing.
    (row, *_) = rows(POSES, POSE, keypoints(peak=0), keypoints(peak=0))
    assert (row["percent"], row["agreement_percent"]) == ("0.000", "100.000")


VOC = VocImage(SampleFile("a.jpg"), 128, 64, (TrueBox(1, (1, 1, 63, 32), False),))
OBJECTS = VocObjects(VocFolder(Path(), ("cat", "dog"), (VOC,)), [VOC])
OBJECT = ObjectReading(boxes="b", scores="s", taken=TAKEN, recipe=IMAGENET)


def boxes(box: list[float], scores: list[float]) -> list[Any]:
    said: Arrays = {"b": np.array([[box]], np.float32), "s": np.array([[scores]], np.float32)}
    return [OBJECT.answer(VOC, [said])]


def test_boxes_elsewhere_or_of_another_class_are_seen() -> None:
    good = boxes([0, 0, 31, 31], [0, 0.9])
    assert good[0].rows[0].tolist() == pytest.approx([1, 1, 63, 32, 0.9, 1])
    (same, *_) = rows(OBJECTS, OBJECT, good, good)
    assert (same["metric"], same["percent"]) == ("map07", "100.000")
    assert same["agreement_percent"] == "100.000"
    for broken in (boxes([20, 20, 60, 60], [0, 0.9]), boxes([0, 0, 31, 31], [0.9, 0])):
        (row, *_) = rows(OBJECTS, OBJECT, good, broken)
        assert (row["percent"], row["agreement_percent"]) == ("0.000", "0.000")


@pytest.mark.parametrize(
    ("box", "scores", "remark"),
    [
        ([0, 0, np.nan, 31], [0, 0.9], "gives NaN or infinity for 1 image"),
        ([0, 0, 31, 31], [0, np.inf], "gives NaN or infinity for 1 image"),
        ([31, 0, 0, 31], [0, 0.9], ""),  # ends before it begins
        ([-3e38, 0, 3e38, 31], [0, 0.9], ""),  # all of the image, and more
    ],
)
def test_impossible_boxes_find_nothing(box: list[float], scores: list[float], remark: str) -> None:
    spoilt = boxes(box, scores)
    (row, *_) = rows(OBJECTS, OBJECT, boxes([0, 0, 31, 31], [0, 0.9]), spoilt)
    assert row["percent"] == "0.000"
    assert " ".join(OBJECTS.remarks(spoilt)).startswith(remark)


def test_what_counts_nothing_is_told() -> None:
    hard = VocImage(SampleFile("a.jpg"), 128, 64, (TrueBox(1, (1, 1, 63, 32), True),))
    subject = VocObjects(VocFolder(Path(), ("cat", "dog"), (hard,)), [hard])
    with pytest.raises(UsageError, match="nothing counts in 1 image that could be decoded"):
        rows(subject, OBJECT, boxes([0, 0, 9, 9], [1, 0]), boxes([0, 0, 9, 9], [1, 0]))


def test_an_answer_is_of_its_sample_alone() -> None:
    (face, *_) = faces(*VECTORS)
    assert face.is_of(FILES[0])
    assert not face.is_of(FILES[1])
    (pose,) = keypoints()
    assert pose.is_of(IMAGE)
    assert not pose.is_of(PeopleImage(IMAGE.file, IMAGE.image, IMAGE.boxes * 2))
    (found,) = boxes([0, 0, 31, 31], [0, 0.9])
    assert found.is_of(VOC)
    assert not found.is_of(FILES[1])
