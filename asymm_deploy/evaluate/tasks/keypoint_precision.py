"""COCO's average precision of keypoints, by pycocotools."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np

from asymm_deploy.evaluate.tasks.coco_people import KEYPOINTS, CocoPerson
from asymm_deploy.evaluate.tasks.task_rows import Measure
from asymm_deploy.postprocess.arrays import Floats

COCO_METRICS = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar")
"""The first six of COCO's summary; ``ar`` is recall on average."""


@dataclass(frozen=True, slots=True, eq=False)
class PosedPerson:
    """One answer that is to be judged."""

    image_id: int
    keypoints: Floats
    """(17, 3): x and y in pixels of the image, and a score."""
    score: float


def keypoint_precision(
    annotations: Sequence[CocoPerson], answers: Sequence[PosedPerson], images: Sequence[int]
) -> list[Measure]:
    """Return COCO's figures, in percent, over the ``images`` by their numbers.

    A figure is None where the annotations have nobody of that size.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    numbered = [{"id": number} for number in sorted(set(images))]
    with redirect_stdout(io.StringIO()):  # where pycocotools tells how far it is
        truth, said = COCO(), COCO()
        truth.dataset = _dataset(numbered, [_truth(each) for each in annotations])
        said.dataset = _dataset(
            numbered, [_answer(number, each) for number, each in enumerate(answers, start=1)]
        )
        truth.createIndex()
        said.createIndex()
        judge = COCOeval(truth, said, "keypoints")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    figures = [float(value) for value in judge.stats[: len(COCO_METRICS)]]
    return [
        Measure(metric, None if value < 0 else 100 * value)
        for metric, value in zip(COCO_METRICS, figures, strict=True)
    ]


def _dataset(images: list[dict[str, int]], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"images": images, "annotations": annotations, "categories": [{"id": 1}]}


def _truth(each: CocoPerson) -> dict[str, Any]:
    return {
        "id": each.id,
        "image_id": each.image_id,
        "category_id": 1,
        "bbox": each.bbox,
        "area": each.area,
        "keypoints": each.keypoints,
        "num_keypoints": each.num_keypoints,
        "iscrowd": each.iscrowd,
    }


def _answer(number: int, each: PosedPerson) -> dict[str, Any]:
    points = np.nan_to_num(each.keypoints)
    spread = points[:, :2].max(axis=0) - points[:, :2].min(axis=0)
    assert points.shape == (KEYPOINTS, 3)
    return {
        "id": number,
        "image_id": each.image_id,
        "category_id": 1,
        "keypoints": points.ravel().tolist(),
        "area": float(spread[0] * spread[1]),  # as COCO.loadRes makes it
        "score": each.score,
    }
