"""VOC's rule by hand, and beside pycocotools where the two agree."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np
import pytest

from asymm_deploy.evaluate.tasks.voc_folder import TrueBox
from asymm_deploy.evaluate.tasks.voc_precision import FoundBoxes, box_overlaps, voc_precision

BOX = (1.0, 1.0, 100.0, 100.0)
FAR = (201.0, 201.0, 300.0, 300.0)


def true(box: tuple[float, float, float, float], label: int = 0, *, hard: bool = False) -> TrueBox:
    return TrueBox(label, box, hard)


def found(*boxes: tuple[tuple[float, float, float, float], float], label: int = 0) -> FoundBoxes:
    return FoundBoxes(
        np.array([box for box, _ in boxes]).reshape(-1, 4),
        np.array([score for _, score in boxes]),
        np.full(len(boxes), label),
    )


def test_a_box_has_its_last_column_and_row_too() -> None:
    shifted = np.array([[51.0, 1.0, 150.0, 100.0]])
    assert box_overlaps(shifted, np.array([BOX]))[0, 0] == pytest.approx(50 / 150)


@pytest.mark.parametrize(
    ("truth", "said", "eleven", "area"),
    [
        ([true(BOX)], [(BOX, 0.9)], 1.0, 1.0),
        ([true(BOX)], [], 0.0, 0.0),
        ([true(BOX)], [((34.0, 1.0, 133.0, 100.0), 0.9)], 1.0, 1.0),  # 67 of 133: above a half
        ([true(BOX)], [((35.0, 1.0, 134.0, 100.0), 0.9)], 0.0, 0.0),  # 66 of 134: below
        # One of two found: precision 1 up to recall 0.5, which is 6 of 11 points.
        ([true(BOX), true(FAR)], [(BOX, 0.9)], 6 / 11, 0.5),
        # A surer box that is wrong halves the precision of the one that is right.
        ([true(BOX)], [(FAR, 0.9), (BOX, 0.8)], 0.5, 0.5),
        # A second box for one object is wrong, but comes after all recall is reached.
        ([true(BOX)], [(BOX, 0.9), (BOX, 0.8)], 1.0, 1.0),
        ([true(BOX), true(FAR)], [(BOX, 0.9), (BOX, 0.8), (FAR, 0.7)], (6 + 5 * 2 / 3) / 11, 5 / 6),
        # Difficult objects count neither way, however often they are found.
        ([true(BOX), true(FAR, hard=True)], [(FAR, 0.9), (FAR, 0.8), (BOX, 0.7)], 1.0, 1.0),
        ([true(FAR, hard=True)], [(BOX, 0.9)], None, None),
    ],
)
def test_precision_is_that_of_the_development_kit(
    truth: list[TrueBox],
    said: list[tuple[tuple[float, float, float, float], float]],
    eleven: float | None,
    area: float | None,
) -> None:
    (of_class,) = voc_precision([truth], [found(*said)], 1)
    assert of_class.eleven_points == (None if eleven is None else pytest.approx(eleven))
    assert of_class.area == (None if area is None else pytest.approx(area))


def test_classes_are_apart_and_boxes_of_all_images_are_ranked_together() -> None:
    truth = [[true(BOX), true(FAR, 1)], [true(BOX)]]
    said = [found((BOX, 0.5)), found((FAR, 0.9), (BOX, 0.4))]
    first, second = voc_precision(truth, said, 2)
    # Wrong at 0.9, right at 0.5 and 0.4: precisions 1/2 and 2/3 at recalls 1/2 and 1.
    assert first.area == pytest.approx(2 / 3)
    assert (second.eleven_points, second.area) == (0.0, 0.0)


def test_where_rules_agree_it_is_what_pycocotools_finds() -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    random = np.random.default_rng(3)
    truth, said = [], []
    coco_truth: list[dict[str, object]] = []
    coco_said: list[dict[str, object]] = []
    for image in range(40):
        # One object an image, none difficult: then both rules take the same one.
        box = np.array([10.0, 10.0, 109.0, 89.0]) + random.integers(0, 50)
        moved = box + random.integers(-30, 30)
        score = float(random.random())
        truth.append([true(tuple(box))])
        said.append(found((tuple(moved), score)))
        for into, which, number in ((coco_truth, box, image + 1), (coco_said, moved, image + 1)):
            x1, y1, x2, y2 = which
            size = [x1, y1, x2 - x1 + 1, y2 - y1 + 1]
            into.append(
                {
                    "id": number,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": size,
                    "area": 8000.0,
                    "iscrowd": 0,
                    "score": score,
                }
            )
    with redirect_stdout(io.StringIO()):
        judges = [COCO(), COCO()]
        for judge, boxes in zip(judges, (coco_truth, coco_said), strict=True):
            judge.dataset = {
                "images": [{"id": image} for image in range(40)],
                "categories": [{"id": 1}],
                "annotations": boxes,
            }
            judge.createIndex()
        evaluation = COCOeval(*judges, "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.recThrs = np.linspace(0, 1, 11)
        evaluation.evaluate()
        evaluation.accumulate()
    theirs = evaluation.eval["precision"][0, :, 0, 0, -1].mean()
    (ours,) = voc_precision(truth, said, 1)
    assert 0.3 < theirs < 0.9
    assert ours.eleven_points == pytest.approx(theirs)
