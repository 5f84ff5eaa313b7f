"""Maps become the boxes of the paper's formulas, in order, and boxes become detections."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymm_deploy.models.families.yolo_anchors import ANCHORS, LARGEST_GROWTH, STRIDES
from asymm_deploy.postprocess.arrays import Floats
from asymm_deploy.postprocess.detection import (
    Detections,
    decoded,
    detections,
    nms,
)

Anchors: TypeAlias = tuple[tuple[tuple[float, float], ...], ...]


def maps_of(
    images: int, height: int, width: int, classes: int, seed: int = 7, anchors: Anchors = ANCHORS
) -> list[Floats]:
    """Raw maps of an image of that many cells of the largest stride, which are of all sizes."""
    rng = np.random.default_rng(seed)
    shapes = [
        (images, len(pairs) * (5 + classes), height * times, width * times)
        for pairs, times in zip(anchors, (4, 2, 1), strict=True)
    ]
    return [rng.normal(0, 3, shape).clip(-4, 4) for shape in shapes]  # growth is cut off at 4.1


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def slow_decoded(
    maps: list[Floats], anchors: Anchors, strides: tuple[int, ...]
) -> tuple[list[list[list[float]]], list[list[list[float]]]]:
    """Boxes and scores, number by number, in the documented order."""
    boxes: list[list[list[float]]] = [[] for _ in maps[0]]
    scores: list[list[list[float]]] = [[] for _ in maps[0]]
    for scale, pairs, stride in zip(maps, anchors, strides, strict=True):
        images, channels, height, width = scale.shape
        each = channels // len(pairs)
        for image, y, x, anchor in np.ndindex(images, height, width, len(pairs)):
            tx, ty, tw, th, there, *kinds = (
                scale[image, anchor * each + channel, y, x].item() for channel in range(each)
            )
            middle_x, middle_y = (sigmoid(tx) + x) * stride, (sigmoid(ty) + y) * stride
            w, h = pairs[anchor][0] * math.exp(tw), pairs[anchor][1] * math.exp(th)
            boxes[image].append(
                [middle_x - w / 2, middle_y - h / 2, middle_x + w / 2, middle_y + h / 2]
            )
            scores[image].append([sigmoid(there) * sigmoid(kind) for kind in kinds])
    return boxes, scores


sides = st.floats(1, 400)
pairs_a_scale = st.lists(st.tuples(sides, sides), min_size=1, max_size=3).map(tuple)
three_scales = st.tuples(pairs_a_scale, pairs_a_scale, pairs_a_scale)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
    st.just(ANCHORS) | three_scales,
)
def test_boxes_and_scores_are_those_of_the_formulas_in_their_order(
    images: int, height: int, width: int, classes: int, seed: int, anchors: Anchors
) -> None:
    maps = maps_of(images, height, width, classes, seed, anchors)
    boxes, scores = decoded(maps, anchors)
    slow_boxes, slow_scores = slow_decoded(maps, anchors, STRIDES)
    np.testing.assert_allclose(boxes, slow_boxes, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(scores, slow_scores, rtol=1e-12)


def test_zeros_are_anchors_in_the_middle_of_their_cells() -> None:
    boxes, scores = decoded([np.zeros((1, 3 * 25, side, side)) for side in (52, 26, 13)])
    assert boxes.shape == (1, 10_647, 4)
    assert scores.shape == (1, 10_647, 20)
    assert np.unique(scores).tolist() == [0.25]
    size = boxes[0, :, 2:] - boxes[0, :, :2]
    middle = boxes[0, :, :2] + size / 2
    # The second anchor of row 3, column 5, in each of the scales.
    for first, side, scale in ((0, 52, 0), (3 * 52**2, 26, 1), (3 * (52**2 + 26**2), 13, 2)):
        at = first + (3 * side + 5) * 3 + 1
        assert middle[at].tolist() == [5.5 * STRIDES[scale], 3.5 * STRIDES[scale]]
        np.testing.assert_allclose(size[at], ANCHORS[scale][1], rtol=1e-12)


def test_one_box_by_hand() -> None:
    raw = np.full((1, 2 * 7, 2, 3), -50.0)
    # The second anchor of row 1, column 2: 3/4 of a cell right, 1/4 down, twice as wide, half as
    # high; surely something, and for the second class three in four.
    raw[0, 7:, 1, 2] = [*np.log([3, 1 / 3, 2, 1 / 2]), 50, -50, np.log(3)]
    boxes, scores = decoded([raw], [[(1, 1), (10, 20)]], [8])
    at = (1 * 3 + 2) * 2 + 1
    np.testing.assert_allclose(boxes[0, at], [22 - 10, 10 - 5, 22 + 10, 10 + 5])
    np.testing.assert_allclose(scores[0, at], [0, 0.75], atol=1e-12)
    assert np.delete(scores[0], at, axis=0).max() < 1e-20


def test_images_of_a_batch_do_not_mix() -> None:
    maps = maps_of(3, 1, 2, 2)
    boxes, scores = decoded(maps)
    alone = [decoded([scale[1:2] for scale in maps])]
    np.testing.assert_array_equal(boxes[1:2], alone[0][0])
    np.testing.assert_array_equal(scores[1:2], alone[0][1])


def test_no_images_have_no_boxes() -> None:
    boxes, scores = decoded(maps_of(0, 13, 13, 20))
    assert boxes.shape == (0, 10_647, 4)
    assert scores.shape == (0, 10_647, 20)
    boxes, scores = decoded(maps_of(2, 0, 0, 20))
    assert boxes.shape == (2, 0, 4)
    assert scores.shape == (2, 0, 20)


def test_an_image_need_not_end_where_its_cells_do() -> None:
    # 400 pixels are 50, 25 and 12.5 cells.
    boxes, _ = decoded([np.zeros((1, 18, side, side)) for side in (50, 25, 13)])
    assert boxes.shape == (1, 3 * (50**2 + 25**2 + 13**2), 4)


@pytest.mark.parametrize("extreme", [7.0, 700.0, 1e300])
def test_a_box_never_grows_beyond_the_limit(extreme: float) -> None:
    raw = np.zeros((1, 6, 1, 1))
    raw[0, 2:4, 0, 0] = extreme
    boxes, scores = decoded([raw], [[(10, 20)]], [8])
    np.testing.assert_allclose(
        boxes[0, 0, 2:] - boxes[0, 0, :2], [10 * LARGEST_GROWTH, 20 * LARGEST_GROWTH]
    )
    assert len(detections(boxes[0], scores[0]).boxes) == 1


def test_a_box_a_little_smaller_than_the_limit_is_left_alone() -> None:
    raw = np.zeros((1, 6, 1, 1))
    raw[0, 2, 0, 0] = math.log(LARGEST_GROWTH) - 0.1
    boxes, _ = decoded([raw], [[(10, 20)]], [8])
    np.testing.assert_allclose(
        boxes[0, 0, 2] - boxes[0, 0, 0], 10 * LARGEST_GROWTH * math.exp(-0.1)
    )


def test_extreme_numbers_are_probabilities_of_nought_and_one() -> None:
    raw = np.array([-1e300, 1e300, -1e300, -1e300, 1e300, 1e300, -1e300]).reshape(1, 7, 1, 1)
    boxes, scores = decoded([raw], [[(10, 20)]], [8])
    assert scores.tolist() == [[[1.0, 0.0]]]
    assert boxes.tolist() == [[[0.0, 8.0, 0.0, 8.0]]]


# Three boxes: two nearly the same, one far away.
BOXES = [[0.0, 0.0, 10.0, 10.0], [0.0, 1.0, 10.0, 11.0], [50.0, 50.0, 60.0, 60.0]]


def summary(found: Detections) -> list[tuple[int, float, list[float]]]:
    return list(
        zip(found.classes.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True)
    )


def test_boxes_of_one_class_suppress_each_other() -> None:
    found = detections(BOXES, [[0.5], [0.6], [0.3]])
    assert summary(found) == [(0, 0.6, BOXES[1]), (0, 0.3, BOXES[2])]


def test_boxes_of_different_classes_do_not() -> None:
    found = detections(BOXES, [[0.5, 0.0], [0.0, 0.6], [0.7, 0.65]])
    assert summary(found) == [
        (0, 0.7, BOXES[2]),
        (1, 0.65, BOXES[2]),
        (1, 0.6, BOXES[1]),
        (0, 0.5, BOXES[0]),
    ]


def test_a_score_at_the_threshold_is_not_above_it() -> None:
    scores = [[0.01], [0.0], [0.011]]
    assert summary(detections(BOXES, scores)) == [(0, 0.011, BOXES[2])]
    assert len(detections(BOXES, scores, score_threshold=0.0).scores) == 2
    assert len(detections(BOXES, scores, score_threshold=1.0).scores) == 0


def test_the_threshold_of_overlaps_is_that_of_nms() -> None:
    # The first two share 90 of 110.
    scores = [[0.5], [0.6], [0.3]]
    assert len(detections(BOXES, scores, iou_threshold=0.8).scores) == 2
    assert len(detections(BOXES, scores, iou_threshold=0.9).scores) == 3


def test_of_equal_scores_the_lower_class_and_then_the_lower_box_come_first() -> None:
    found = detections(BOXES, [[0.5, 0.5], [0.0, 0.0], [0.5, 0.5]], most=3)
    assert summary(found) == [(0, 0.5, BOXES[0]), (0, 0.5, BOXES[2]), (1, 0.5, BOXES[0])]


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 40),
    st.integers(1, 4),
    st.integers(1, 30),
    st.sampled_from([0.0, 0.01, 0.5, 0.9]),
)
def test_detections_are_the_best_of_what_each_class_keeps(
    seed: int, count: int, classes: int, most: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 12, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 8, (count, 2))], axis=1)
    scores = rng.uniform(size=(count, classes)).round(1)
    every = []
    for kind in range(classes):
        above = [box for box in range(count) if scores[box, kind] > threshold]
        every += [
            (-scores[above[place], kind], kind, above[place])
            for place in nms(boxes[above], scores[above, kind])
        ]
    expected = sorted(every)[:most]
    found = detections(boxes, scores, score_threshold=threshold, most=most)
    assert found.scores.tolist() == [-score for score, _, _ in expected]
    assert found.classes.tolist() == [kind for _, kind, _ in expected]
    assert found.boxes.tolist() == [boxes[box].tolist() for _, _, box in expected]


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        (np.zeros((0, 4)), np.zeros((0, 20))),
        (np.array(BOXES), np.zeros((3, 20))),
    ],
    ids=["no boxes", "no score"],
)
def test_nothing_found_are_empty_arrays(boxes: Floats, scores: Floats) -> None:
    found = detections(boxes, scores)
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert found.classes.shape == (0,)
    assert np.issubdtype(found.classes.dtype, np.integer)


def test_at_most_a_hundred_are_found_unless_asked_otherwise() -> None:
    places = np.arange(150.0)[:, None] * 20
    boxes = places + np.array([0, 0, 10, 10])
    scores = np.linspace(0.9, 0.1, 150)[:, None]
    found = detections(boxes, scores)
    np.testing.assert_array_equal(found.boxes, boxes[:100])
    assert len(detections(boxes, scores, most=150).scores) == 150


def test_the_inputs_are_left_as_they_were() -> None:
    maps = maps_of(1, 1, 1, 2)
    before = [scale.copy() for scale in maps]
    boxes, scores = decoded(maps)
    for scale, original in zip(maps, before, strict=True):
        np.testing.assert_array_equal(scale, original)
    originals = boxes.copy(), scores.copy()
    detections(boxes[0], scores[0])
    np.testing.assert_array_equal(boxes, originals[0])
    np.testing.assert_array_equal(scores, originals[1])


def test_a_batch_is_decoded_and_searched_in_one_line() -> None:
    batch = [detections(*image) for image in zip(*decoded(maps_of(2, 1, 1, 3)), strict=True)]
    assert [len(found.scores) > 0 for found in batch] == [True, True]


def changed(scale: int, maps: Floats | None = None, **slices: slice) -> list[Floats]:
    """Maps of a small image with one of them cut down, or another in its place."""
    made = maps_of(2, 1, 1, 3)
    axes = [slices.get(axis, slice(None)) for axis in ("images", "channels", "height", "width")]
    made[scale] = made[scale][tuple(axes)] if maps is None else maps
    return made


NO_ANCHORS: Any = np.zeros((1, 0, 2))
"""Of one scale; a list would be seen to be empty."""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decoded([]), "0 maps, anchors for 3 scales and 3 strides don't fit"),
        (lambda: decoded([], [], []), "0 maps, anchors for 0 scales"),
        (lambda: decoded(maps_of(1, 1, 1, 1)[:2]), "2 maps, anchors for 3 scales"),
        (lambda: decoded(maps_of(1, 1, 1, 1), ANCHORS, (8, 16)), "3 scales and 2 strides"),
        (lambda: decoded(changed(1, channels=slice(23))), "23 channels is not 3 anchors"),
        (lambda: decoded(changed(0, channels=slice(12))), r"12 channels is not .* \(5 \+ classes"),
        (lambda: decoded(changed(0, channels=slice(0))), "0 channels is not 3 anchors"),
        (lambda: decoded(maps_of(1, 1, 1, 0)), "15 channels has 0 classes.*has one class"),
        (lambda: decoded(changed(2, channels=slice(21))), r"\[3, 3, 2\] classes; .*one network"),
        (lambda: decoded(changed(2, images=slice(1))), r"\[2, 2, 1\] images"),
        (lambda: decoded(maps_of(1, 1, 1, 3)[::-1]), r"\[1, 2, 4\] cells a side.*order of the str"),
        (lambda: decoded(changed(0, width=slice(2))), r"\[2, 2, 1\] cells a side"),
        (lambda: decoded(changed(0, height=slice(2))), r"\[2, 2, 1\] cells a side"),
        (lambda: decoded(maps_of(1, 1, 1, 3), ANCHORS, (0, 0, 0)), r"strides \[0, 0, 0\]"),
        (lambda: decoded([scale[0] for scale in maps_of(1, 1, 1, 3)]), "maps have 3 axes"),
        (lambda: decoded(changed(1, np.full((2, 24, 2, 2), math.nan))), "192 of 192 numbers in t"),
        (lambda: decoded([np.zeros((1, 6, 1, 1))], [[(1, 0)]], [8]), "no anchors of a scale"),
        (lambda: decoded([np.zeros((1, 6, 1, 1))], [[]], [8]), r"\[\] are no anchors"),
        (lambda: decoded([np.zeros((1, 6, 1, 1))], NO_ANCHORS, [8]), "are no anchors"),
        (lambda: detections(BOXES, np.zeros((3, 0))), "0 classes, so nothing can be found"),
        (lambda: detections(BOXES, np.zeros((2, 5))), "3 boxes and scores for 2"),
        (lambda: detections(BOXES, np.zeros(3)), "scores have 1 axes.*B, C"),
        (lambda: detections(BOXES, np.full((3, 2), math.nan)), "6 of 6 numbers in the scores"),
        (lambda: detections([[1, 0, 0, 1]], [[0.5]]), "1 of 1 boxes end before they begin"),
        (lambda: detections([[0, 0, 1, math.nan]], [[0.5]]), "1 of 4 numbers in the boxes"),
        (lambda: detections(BOXES, np.zeros((3, 1)), 1.5), "score_threshold is 1.5"),
        (lambda: detections(BOXES, np.zeros((3, 1)), -0.5), "score_threshold is -0.5"),
        (lambda: detections(BOXES, np.zeros((3, 1)), 0.5, 45), "iou_threshold is 45; give a num"),
        (lambda: detections(BOXES, np.zeros((3, 1)), most=0), "at most 0 detections are none"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    call: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call()
