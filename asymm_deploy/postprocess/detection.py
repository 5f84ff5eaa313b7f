"""From YOLOv3's maps to boxes, and from boxes to detections (arXiv:1804.02767)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.models.families.yolo_anchors import ANCHORS, BOX_NUMBERS, LARGEST_GROWTH, STRIDES
from asymm_deploy.postprocess.arrays import Floats, Indices, finite

LARGEST_COORDINATE = 1e150
"""The sum of two such boxes' areas is still finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The objects found in one image, best first."""

    boxes: Floats
    """(D, 4): x1, y1, x2, y2 in pixels of the network's input; may extend beyond the image."""
    scores: Floats
    """(D,): confidence that there is such an object, from 0 to 1."""
    classes: Indices
    """(D,): indices of the network's classes."""


def decoded(
    maps: Sequence[npt.ArrayLike],
    anchors: Sequence[Sequence[tuple[float, float]]] = ANCHORS,
    strides: Sequence[float] = STRIDES,
) -> tuple[Floats, Floats]:
    """Return the boxes (N, B, 4) and scores (N, B, C) of N images from a network's raw maps.

    ``maps`` has a map a scale, (N, A * (5 + C), height, width), from the smallest stride to the
    largest. Its channels are, anchor by anchor: t_x, t_y, t_w, t_h, objectness and C classes, all
    before any sigmoid. ``anchors`` has A pairs of width and height a scale, in pixels.

    Boxes are x1, y1, x2, y2 in pixels of the network's input (section 2.1: b_x = sigmoid(t_x) + c_x
    and b_w = p_w * exp(t_w), c in cells of a stride, p an anchor). A score is sigmoid(objectness)
    * sigmoid(class) (section 2.2; their product as in YOLO, arXiv:1506.02640, Eq. 1). Boxes come
    scale by scale, within one by row, column and anchor: at (y * width + x) * A + a.

    Raises ValueError where maps, anchors and strides don't fit each other, where there are no
    classes, and where a number is NaN or infinite.
    """
    if not len(maps) == len(anchors) == len(strides) > 0:
        raise ValueError(
            f"{len(maps)} maps, anchors for {len(anchors)} scales and {len(strides)} strides don't "
            "fit; give one of each a scale"
        )
    sides = [_sides(of_scale) for of_scale in anchors]
    scales = [_by_anchor(values, len(pairs)) for values, pairs in zip(maps, sides, strict=True)]
    _require_agreement(scales, strides)
    boxes, scores = zip(
        *(_decode(*scale) for scale in zip(scales, sides, strides, strict=True)), strict=True
    )
    return np.concatenate(boxes, axis=1), np.concatenate(scores, axis=1)


def nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float = 0.45) -> Indices:
    """Return which boxes (B, 4) of one class stay, best first: greedy non-maximum suppression.

    The best box stays, those whose intersection over union with it is above ``iou_threshold`` go,
    and so on with what is left. Of equal scores (B,) the lower index is better. A box without area
    overlaps nothing, not even its own copy, so it stays. Raises ValueError as ``detections`` does.
    """
    corners = _corners(boxes)
    ranks = finite(scores, "scores", ("B",))
    _require_as_many(corners, ranks)
    _require_share("iou_threshold", iou_threshold)
    return _kept(corners, ranks, iou_threshold, most=len(corners))


def detections(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    score_threshold: float = 0.01,
    iou_threshold: float = 0.45,
    most: int = 100,
) -> Detections:
    """Return what is in one image, at most ``most``, from its boxes (B, 4) and scores (B, C).

    Of each class those that score above ``score_threshold`` go through ``nms``; a box may be found
    as several classes. Of equal scores the lower class, then the lower index, is better. For a
    batch: ``[detections(*image) for image in zip(*decoded(maps))]``.

    The defaults are GluonCV's (``model_zoo/yolo/yolo3.py``: nms_thresh, valid_thresh and post_nms).
    GluonCV gives only an image's 400 best pairs of box and class to the suppression; here all go.

    Raises ValueError where a number is NaN or infinite, a box ends before it begins, boxes and
    scores don't fit each other, there are no classes, a threshold is not from 0 to 1, or ``most``
    is less than 1.
    """
    corners = _corners(boxes)
    chances = finite(scores, "scores", ("B", "C"))
    _require_as_many(corners, chances)
    _require_share("score_threshold", score_threshold)
    _require_share("iou_threshold", iou_threshold)
    if most < 1:
        raise ValueError(f"at most {most} detections are none; ask for 1 or more")
    if not chances.shape[1]:
        raise ValueError(
            "the scores are of 0 classes, so nothing can be found; "
            "a detector of one kind of object has one class"
        )
    of_class = [
        _found(corners, column, score_threshold, iou_threshold, most) for column in chances.T
    ]
    at = np.concatenate(of_class)
    classes = np.repeat(np.arange(len(of_class)), [len(found) for found in of_class])
    best = np.argsort(-chances[at, classes], kind="stable")[:most]
    at, classes = at[best], classes[best]
    return Detections(boxes=corners[at], scores=chances[at, classes], classes=classes)


def _decode(numbers: Floats, sides: Floats, stride: float) -> tuple[Floats, Floats]:
    """Return the boxes (N, B, 4) and scores (N, B, C) of one scale, (N, A, 5 + C, H, W)."""
    numbers = numbers.transpose(0, 3, 4, 1, 2)  # (N, H, W, A, 5 + C)
    images, height, width, per_cell, _ = numbers.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    cells = np.stack([x, y], axis=-1)[:, :, None]
    centres = (_sigmoid(numbers[..., :2]) + cells) * stride
    growth = np.exp(np.minimum(numbers[..., 2:4], np.log(LARGEST_GROWTH)))
    halves = sides * growth / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=-1)
    scores = _sigmoid(numbers[..., 4:5]) * _sigmoid(numbers[..., 5:])
    count = height * width * per_cell
    return boxes.reshape(images, count, 4), scores.reshape(images, count, scores.shape[-1])


def _sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), in a form in which nothing overflows."""
    result: Floats = np.exp(-np.logaddexp(0.0, -x))
    return result


def _found(
    corners: Floats, scores: Floats, score_threshold: float, iou_threshold: float, most: int
) -> Indices:
    """Return the indices of the boxes found as one class, best first."""
    candidates = np.flatnonzero(scores > score_threshold)
    return candidates[_kept(corners[candidates], scores[candidates], iou_threshold, most)]


def _kept(corners: Floats, scores: Floats, iou_threshold: float, most: int) -> Indices:
    """Return the indices of the best ``most`` boxes that survive non-maximum suppression."""
    order = np.argsort(-scores, kind="stable")
    ranked = np.ascontiguousarray(corners[order].T)
    stays = np.ones(len(order), dtype=np.bool_)
    kept: list[int] = []
    for index in range(len(order)):
        if len(kept) == most:
            break
        if stays[index]:
            kept.append(index)
            box = ranked[:, index]
            near = index + 1 + np.flatnonzero(_meets(box, ranked[:, index + 1 :]))
            stays[near] &= _overlap(box, ranked[:, near]) <= iou_threshold
    return order[kept]


def _meets(box: Floats, others: Floats) -> npt.NDArray[np.bool_]:
    """Return which of the boxes (4, B) intersect ``box`` (4,): a cheap test that leaves few."""
    x1, y1, x2, y2 = box
    meets: npt.NDArray[np.bool_] = (
        (others[0] < x2) & (others[2] > x1) & (others[1] < y2) & (others[3] > y1)
    )
    return meets


def _overlap(box: Floats, others: Floats) -> Floats:
    """Return the intersection over union of ``box`` (4,) with boxes (4, B) that intersect it."""
    width = np.minimum(others[2], box[2]) - np.maximum(others[0], box[0])
    height = np.minimum(others[3], box[3]) - np.maximum(others[1], box[1])
    shared = width * height
    union = _area(box) + _area(others) - shared
    share: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share


def _area(box: Floats) -> Floats:
    area: Floats = (box[2] - box[0]) * (box[3] - box[1])
    return area


def _sides(anchors: Sequence[tuple[float, float]]) -> Floats:
    """Return one scale's anchors as (A, 2): width and height."""
    sides = finite(anchors, "anchors")
    if sides.ndim != 2 or sides.shape[1] != 2 or not sides.size or (sides <= 0).any():
        raise ValueError(
            f"{anchors!r} are no anchors of a scale; give pairs of width and height in pixels, "
            "such as ((10, 13), (16, 30))"
        )
    return sides


def _by_anchor(values: npt.ArrayLike, anchors: int) -> Floats:
    """Return a map (N, A * (5 + C), H, W) as (N, A, 5 + C, H, W)."""
    numbers = finite(values, "maps", ("N", "channels", "height", "width"))
    images, channels, height, width = numbers.shape
    per_anchor, rest = divmod(channels, anchors)
    if rest or per_anchor < BOX_NUMBERS:
        raise ValueError(
            f"a map of {channels} channels is not {anchors} anchors * ({BOX_NUMBERS} + classes); "
            "give the raw maps of predictions, with the anchors that the network was trained with"
        )
    if per_anchor == BOX_NUMBERS:
        raise ValueError(
            f"a map of {channels} channels has 0 classes ({anchors} anchors * {BOX_NUMBERS}), so "
            "nothing can be found; a detector of one kind of object has one class"
        )
    return numbers.reshape(images, anchors, per_anchor, height, width)


def _require_agreement(scales: Sequence[Floats], strides: Sequence[float]) -> None:
    """Raise ValueError unless the scales are of the same images and in the order of the strides."""
    images = [len(scale) for scale in scales]
    classes = [scale.shape[2] - BOX_NUMBERS for scale in scales]
    if len({*images}) > 1 or len({*classes}) > 1:
        raise ValueError(
            f"the maps are of {images} images and {classes} classes; "
            "give the maps of one batch, all of them of one network"
        )
    for axis in (3, 4):
        # A side of s pixels makes ceil(s / stride) cells. Is there an s for all of them?
        cells = [scale.shape[axis] for scale in scales]
        least = max((count - 1) * stride for count, stride in zip(cells, strides, strict=True))
        most = min(count * stride for count, stride in zip(cells, strides, strict=True))
        if not least < most:
            raise ValueError(
                f"maps of {cells} cells a side with strides {[*strides]} are not of one image; "
                "give them in the order of the strides"
            )


def _corners(boxes: npt.ArrayLike) -> Floats:
    """Return boxes (B, 4); raise ValueError unless each has x1 <= x2 and y1 <= y2."""
    corners = finite(boxes, "boxes", ("B", "4"))
    if corners.shape[1] != 4:
        raise ValueError(f"boxes of {corners.shape[1]} numbers; a box is x1, y1, x2, y2")
    turned = int((corners[:, 2:] < corners[:, :2]).any(axis=1).sum())
    if turned:
        raise ValueError(
            f"{turned} of {len(corners)} boxes end before they begin; a box is x1, y1, x2, y2 with "
            "x1 <= x2 and y1 <= y2, not a centre and a size"
        )
    if (np.abs(corners) > LARGEST_COORDINATE).any():
        raise ValueError(
            f"a box reaches beyond {LARGEST_COORDINATE:g} pixels, where areas overflow; "
            "cut boxes off at the image's edge"
        )
    return corners


def _require_as_many(corners: Floats, scores: Floats) -> None:
    if len(corners) != len(scores):
        raise ValueError(
            f"{len(corners)} boxes and scores for {len(scores)}; give the boxes and scores of one "
            "image, in the same order"
        )


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; give a number from 0 to 1")
