"""Suppression keeps what a slow loop over pairs keeps, ties and boxes without area included."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymm_deploy.postprocess.arrays import Floats
from asymm_deploy.postprocess.detection import nms

Box: TypeAlias = tuple[float, float, float, float]
Scene: TypeAlias = list[tuple[Box, float]]
"""Boxes with their scores."""


def upright(x: float, y: float, other_x: float, other_y: float) -> Box:
    return min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)


def boxes_with(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Box]:
    return st.builds(upright, numbers, numbers, numbers, numbers)


# On a small grid are equal boxes, boxes without area, touching edges, and overlaps that are exactly
# at a threshold; with few scores there are ties.
grid = boxes_with(st.integers(0, 5).map(float))
anywhere = boxes_with(st.floats(-60, 60))
few_scores = st.sampled_from([0.1, 0.5, 0.9])
any_score = st.floats(0, 1)
scenes: st.SearchStrategy[Scene] = st.lists(
    st.tuples(grid | anywhere, few_scores | any_score), max_size=25
)
on_grid: st.SearchStrategy[Scene] = st.lists(st.tuples(grid, few_scores), max_size=25)
untied: st.SearchStrategy[Scene] = st.lists(
    st.tuples(grid | anywhere, any_score), max_size=25, unique_by=lambda each: each[1]
)
thresholds = st.sampled_from([0.0, 0.2, 0.25, 1 / 3, 0.45, 0.5, 0.75, 1.0])


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(one: Box, other: Box) -> float:
    """Intersection over union; 0 where nothing is shared."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0 or width * height == 0:
        return 0.0
    shared = width * height
    return shared / (area(one) + area(other) - shared)


def slow_nms(scene: Scene, threshold: float) -> list[int]:
    """Best first, and each only if it is not too near to any that is kept."""
    kept: list[int] = []
    for index in sorted(range(len(scene)), key=lambda i: (-scene[i][1], i)):
        if all(overlap(scene[index][0], scene[better][0]) <= threshold for better in kept):
            kept.append(index)
    return kept


def kept_of(scene: Scene, threshold: float) -> list[int]:
    boxes = np.array([box for box, _ in scene]).reshape(-1, 4)
    return [*map(int, nms(boxes, [score for _, score in scene], threshold))]


def moved(scene: Scene, scale: float, by: float) -> Scene:
    return [
        ((x1 * scale + by, y1 * scale - by, x2 * scale + by, y2 * scale - by), score)
        for (x1, y1, x2, y2), score in scene
    ]


def random_boxes(count: int, seed: int = 7) -> Floats:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 416, (count, 2)), rng.uniform(0, 100, (count, 2))
    return np.concatenate([corner, corner + size], axis=1)


@settings(deadline=None, max_examples=300)
@given(scenes | on_grid, thresholds)
def test_the_boxes_kept_are_those_of_the_slow_loop_in_its_order(
    scene: Scene, threshold: float
) -> None:
    assert kept_of(scene, threshold) == slow_nms(scene, threshold)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), thresholds)
def test_among_hundreds_of_boxes_too(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    boxes = random_boxes(300, seed).round(int(rng.integers(-1, 3)))
    scores = rng.uniform(size=300).round(int(rng.integers(1, 9)))
    scene = [(upright(*box), score) for box, score in zip(boxes.tolist(), scores, strict=True)]
    assert kept_of(scene, threshold) == slow_nms(scene, threshold)


@settings(deadline=None)
@given(scenes | on_grid, thresholds)
def test_no_two_kept_overlap_more_and_all_others_overlap_a_better_one_more(
    scene: Scene, threshold: float
) -> None:
    kept = kept_of(scene, threshold)
    for index, (box, score) in enumerate(scene):
        near = [at for at in kept if at != index and overlap(scene[at][0], box) > threshold]
        if index in kept:
            assert near == []
        else:
            assert any((scene[at][1], -at) > (score, -index) for at in near)


@given(untied, thresholds, st.randoms(use_true_random=False))
def test_without_ties_the_order_of_the_boxes_does_not_matter(
    scene: Scene, threshold: float, shuffler: random.Random
) -> None:
    order = list(range(len(scene)))
    shuffler.shuffle(order)
    shuffled = kept_of([scene[index] for index in order], threshold)
    assert [order[index] for index in shuffled] == kept_of(scene, threshold)


@given(on_grid, thresholds, st.sampled_from([2.0**-20, 0.5, 2.0, 2.0**20]), st.integers(-99, 99))
def test_neither_size_nor_place_of_the_image_matters(
    scene: Scene, threshold: float, scale: float, steps: int
) -> None:
    assert kept_of(moved(scene, scale, steps * scale), threshold) == kept_of(scene, threshold)


@given(scenes, thresholds)
def test_what_is_kept_stays_when_done_again(scene: Scene, threshold: float) -> None:
    kept = [scene[index] for index in kept_of(scene, threshold)]
    assert kept_of(kept, threshold) == list(range(len(kept)))


@given(scenes)
def test_at_a_threshold_of_one_everything_stays(scene: Scene) -> None:
    assert sorted(kept_of(scene, 1.0)) == list(range(len(scene)))


def test_an_overlap_at_the_threshold_is_not_above_it() -> None:
    halves = [[0, 0, 2, 1], [0, 0, 1, 1]]
    assert nms(halves, [0.9, 0.8], 0.5).tolist() == [0, 1]
    assert nms(halves, [0.9, 0.8], 0.499).tolist() == [0]
    ninths = [[0, 0, 9, 1], [0, 0, 20, 1]]
    assert nms(ninths, [0.9, 0.8]).tolist() == [0, 1]  # 9 / 20 is the default


def test_what_is_suppressed_suppresses_nothing() -> None:
    chain = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    assert nms(chain, [0.9, 0.8, 0.7], 0.4).tolist() == [0, 2]
    assert nms(chain, [0.8, 0.9, 0.7], 0.4).tolist() == [1]


def test_of_equal_scores_the_lower_index_is_kept() -> None:
    same = [[0, 0, 10, 10]] * 3
    assert nms(same, [0.5, 0.5, 0.5]).tolist() == [0]
    assert nms(same, [0.5, 0.7, 0.7]).tolist() == [1]


def test_boxes_without_area_overlap_nothing() -> None:
    boxes = [[0, 0, 4, 4], [1, 1, 1, 3], [2, 2, 2, 2], [2, 2, 2, 2]]
    assert nms(boxes, [0.1, 0.2, 0.3, 0.3], 0.0).tolist() == [2, 3, 1, 0]


def test_boxes_that_only_touch_do_not_overlap() -> None:
    assert nms([[0, 0, 1, 1], [1, 0, 2, 1], [0, 1, 1, 2]], [3, 2, 1], 0.0).tolist() == [0, 1, 2]


@pytest.mark.parametrize("size", [1e-200, 1e-3, 1e149])
def test_very_small_and_very_large_boxes_are_compared_or_kept(size: float) -> None:
    kept = nms(np.array([[-1, -1, 1, 1], [-1, -1, 1, 1]]) * size, [1, 2]).tolist()
    assert kept == ([1, 0] if size < 1e-100 else [1])  # the area of the smallest is rounded to 0


def test_no_boxes_keep_nothing() -> None:
    kept = nms(np.zeros((0, 4)), np.zeros(0))
    assert kept.shape == (0,)
    assert np.issubdtype(kept.dtype, np.integer)


@pytest.mark.parametrize("spread", [True, False], ids=["apart", "crowded"])
def test_all_boxes_of_an_image_are_compared_in_a_moment(spread: bool) -> None:
    # Boxes that are all apart are the slowest case; a Python loop over pairs takes minutes there.
    count = 10_647
    boxes = random_boxes(count)
    if spread:
        boxes[:, ::2] = np.arange(count)[:, None] * 2 + [0, 1]
    started = time.perf_counter()
    kept = nms(boxes, np.random.default_rng(7).uniform(size=count))
    assert time.perf_counter() - started < 10
    assert len(kept) == count if spread else 100 < len(kept) < count / 2


UNIT = [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nms([UNIT, [math.nan, *UNIT[1:]]], [1, 2]), "1 of 8 numbers in the boxes"),
        (lambda: nms([[0, 0, math.inf, math.inf]], [1]), "2 of 4 numbers in the boxes"),
        (lambda: nms([UNIT], [math.nan]), "1 of 1 numbers in the scores are NaN"),
        (lambda: nms([UNIT, [2.0, 0.0, 1.0, 1.0]], [1, 2]), "1 of 2 boxes end before they begin"),
        (lambda: nms([[0, 2, 1, 1]], [1]), "1 of 1 boxes end before .* not a centre and a size"),
        (lambda: nms([[0, 0, 1e151, 1]], [1]), r"beyond 1e\+150 pixels.*edge"),
        (lambda: nms([[0, 0, 1]], [1]), "boxes of 3 numbers; a box is x1, y1, x2, y2"),
        (lambda: nms(UNIT, [1]), "boxes have 1 axes"),
        (lambda: nms([UNIT], [[1]]), "scores have 2 axes"),
        (lambda: nms([UNIT], [1, 2]), "1 boxes and scores for 2"),
        (lambda: nms([UNIT], [1], 1.1), "iou_threshold is 1.1; give a number from 0 to 1"),
        (lambda: nms([UNIT], [1], -0.1), "iou_threshold is -0.1"),
        (lambda: nms([UNIT], [1], math.nan), "iou_threshold is nan"),
    ],
)
def test_what_can_not_be_compared_is_refused_with_the_reason(
    call: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call()
