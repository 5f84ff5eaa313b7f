"""Pascal VOC's average precision of boxes, by the rule of its development kit.

A box is right if it overlaps the true box of its class that it overlaps most by a half or more,
and no better box of the class has that one already; where that one is difficult, the box doesn't
count (VOCdevkit's VOCevaldet.m; GluonCV's VOC07MApMetric is the same). pycocotools judges by other
rules: it takes the next true box where the best is taken, ignores one box for each difficult one,
and counts no last pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.evaluate.tasks.voc_folder import TrueBox
from asymm_deploy.postprocess.arrays import Floats

OVERLAP = 0.5
_RIGHT, _WRONG, _NEITHER = 1, 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class FoundBoxes:
    """What was found in one image."""

    boxes: Floats
    """(D, 4): first and last column and row, counted from 1."""
    scores: Floats
    """(D,)"""
    labels: npt.NDArray[np.intp]
    """(D,)"""


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """Of one class; both are None where nothing of it counts."""

    eleven_points: float | None
    """VOC 2007's: the mean of the best precision at recalls 0, 0.1, ..., 1 or above."""
    area: float | None
    """VOC 2010's: the area below that curve."""


def voc_precision(
    truth: Sequence[Sequence[TrueBox]], found: Sequence[FoundBoxes], classes: int
) -> list[ClassPrecision]:
    """Return each class's precision over images; ``truth`` and ``found`` have one each."""
    return [_of_class(truth, found, label) for label in range(classes)]


def _of_class(
    truth: Sequence[Sequence[TrueBox]], found: Sequence[FoundBoxes], label: int
) -> ClassPrecision:
    verdicts: list[npt.NDArray[np.int8]] = []
    scores: list[Floats] = []
    count = 0
    for objects, image in zip(truth, found, strict=True):
        mine = [each for each in objects if each.label == label]
        count += sum(not each.difficult for each in mine)
        of_class = np.flatnonzero(image.labels == label)
        order = of_class[np.argsort(-image.scores[of_class], kind="stable")]
        verdicts.append(_verdicts(mine, image.boxes[order]))
        scores.append(image.scores[order])
    if not count:
        return ClassPrecision(None, None)
    ranked = np.concatenate(verdicts)[np.argsort(-np.concatenate(scores), kind="stable")]
    right, wrong = np.cumsum(ranked == _RIGHT), np.cumsum(ranked == _WRONG)
    recall = right / count
    precision = right / np.maximum(right + wrong, 1)
    return ClassPrecision(_eleven_points(recall, precision), _area(recall, precision))


def _verdicts(truth: Sequence[TrueBox], boxes: Floats) -> npt.NDArray[np.int8]:
    """Return what each of an image's boxes of a class is, the best first."""
    said = np.full(len(boxes), _WRONG, np.int8)
    if not truth or not len(boxes):
        return said
    overlaps = box_overlaps(boxes, np.array([each.box for each in truth]))
    taken: set[int] = set()
    for number, row in enumerate(overlaps):
        best = int(row.argmax())
        if row[best] < OVERLAP:
            continue
        if truth[best].difficult:
            said[number] = _NEITHER
        elif best not in taken:
            taken.add(best)
            said[number] = _RIGHT
    return said


def box_overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return intersections over unions (B, T); a box has its last column and row, too."""
    least = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    most = np.maximum(boxes[:, None, :2], others[None, :, :2])
    shared = np.clip(least - most + 1, 0, None).prod(axis=-1)
    areas, other_areas = ((each[:, 2:] - each[:, :2] + 1).prod(axis=-1) for each in (boxes, others))
    found: Floats = shared / (areas[:, None] + other_areas[None] - shared)
    return found


def _eleven_points(recall: Floats, precision: Floats) -> float:
    best = [precision[recall >= tenth / 10].max(initial=0.0) for tenth in range(11)]
    return float(np.mean(best))


def _area(recall: Floats, precision: Floats) -> float:
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * best).sum())
