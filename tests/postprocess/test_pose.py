"""Keypoints are where the heat maps say, to a quarter of their pixels, and back in the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymm_deploy.postprocess.arrays import Floats
from asymm_deploy.postprocess.pose import keypoints

# Whole numbers near zero give equal maxima, equal neighbours, and maps without a positive pixel.
heat_maps = st.tuples(
    st.integers(0, 2), st.integers(0, 3), st.integers(1, 6), st.integers(1, 6)
).flatmap(
    lambda shape: st.builds(
        lambda seed, low: np.random.default_rng(seed).integers(low, 5, shape).astype(float),
        st.integers(0, 2**32 - 1),
        st.integers(-9, 0),
    )
)
sizes = st.tuples(st.integers(1, 300), st.integers(1, 300))


def slow_keypoint(heat_map: Floats, image_size: tuple[int, int]) -> tuple[float, float, float]:
    """x, y and score of one heat map, pixel by pixel."""
    height, width = heat_map.shape
    score, x, y = -math.inf, 0, 0
    for row in range(height):
        for column in range(width):
            if heat_map[row, column] > score:
                score, x, y = heat_map[row, column], column, row
    if score <= 0:
        return math.nan, math.nan, score
    exact_x, exact_y = float(x), float(y)
    if 0 < x < width - 1 and heat_map[y, x + 1] != heat_map[y, x - 1]:
        exact_x += 0.25 if heat_map[y, x + 1] > heat_map[y, x - 1] else -0.25
    if 0 < y < height - 1 and heat_map[y + 1, x] != heat_map[y - 1, x]:
        exact_y += 0.25 if heat_map[y + 1, x] > heat_map[y - 1, x] else -0.25
    return exact_x * image_size[1] / width, exact_y * image_size[0] / height, score


@settings(deadline=None)
@given(heat_maps, sizes)
def test_each_keypoint_is_that_of_its_own_heat_map(
    maps: Floats, image_size: tuple[int, int]
) -> None:
    found = keypoints(maps, image_size)
    assert found.xy.shape == (*maps.shape[:2], 2)
    assert found.scores.shape == maps.shape[:2]
    for person, joint in np.ndindex(maps.shape[:2]):
        x, y, score = slow_keypoint(maps[person, joint], image_size)
        np.testing.assert_allclose(found.xy[person, joint], [x, y], rtol=1e-13)
        assert found.scores[person, joint] == score


@given(heat_maps, sizes)
def test_a_keypoint_is_in_the_image_or_not_found(maps: Floats, image_size: tuple[int, int]) -> None:
    found = keypoints(maps, image_size)
    seen = found.scores > 0
    assert np.isnan(found.xy[~seen]).all()
    assert (found.xy[seen] >= 0).all()
    assert (found.xy[seen] < image_size[::-1]).all()


def one_map(*rows: list[float]) -> Floats:
    return np.array(rows, dtype=float)[None, None]


# Maps of 4x5 (height x width) in an image of 16x40: a pixel is 8 wide and 4 high.
# fmt: off
KNOWN = [
    (([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 9, 0, 0], [0, 0, 0, 0, 0]), (16.0, 8.0)),
    (([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 9, 1, 0], [0, 0, 0, 0, 0]), (18.0, 8.0)),
    (([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 2, 9, 1, 0], [0, 0, 0, 0, 0]), (14.0, 8.0)),
    (([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 9, 0, 0], [0, 0, 1, 0, 0]), (16.0, 9.0)),
    (([0, 0, 0, 0, 0], [0, 0, 3, 0, 0], [0, 0, 9, 0, 0], [0, 0, 1, 0, 0]), (16.0, 7.0)),
    (([0, 0, 0, 0, 0], [0, 0, 3, 0, 0], [0, 4, 9, 5, 0], [0, 0, 4, 0, 0]), (18.0, 9.0)),
    # Pixel 1 has two neighbours, though the reference leaves it out.
    (([0, 1, 0, 0, 0], [2, 9, 3, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]), (10.0, 3.0)),
    # At an edge only the other axis has two.
    (([9, 5, 0, 0, 0], [5, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]), (0.0, 0.0)),
    (([1, 9, 5, 0, 0], [0, 5, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]), (10.0, 0.0)),
    (([0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 5, 9], [0, 0, 0, 0, 5]), (32.0, 9.0)),
    (([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 5], [0, 0, 0, 5, 9]), (32.0, 12.0)),
    # Of two equal maxima the first row's first; the second is then the higher neighbour.
    (([0, 0, 0, 0, 0], [0, 0, 9, 9, 0], [0, 9, 0, 0, 0], [0, 0, 0, 0, 0]), (18.0, 4.0)),
]
# fmt: on


@pytest.mark.parametrize(("rows", "xy"), KNOWN)
def test_known_heat_maps(rows: tuple[list[float], ...], xy: tuple[float, float]) -> None:
    found = keypoints(one_map(*rows), (16, 40))
    assert found.xy[0, 0].tolist() == [*xy]
    assert found.scores[0, 0] == 9


def test_a_heat_map_of_one_pixel_has_its_keypoint_there() -> None:
    found = keypoints(one_map([0.5]), (7, 9))
    assert found.xy.tolist() == [[[0.0, 0.0]]]
    assert found.scores.tolist() == [[0.5]]


def test_a_heat_map_one_pixel_high_still_has_neighbours_along_x() -> None:
    assert keypoints(one_map([0, 5, 1]), (4, 12)).xy.tolist() == [[[5.0, 0.0]]]
    assert keypoints(one_map([0], [5], [1]), (12, 4)).xy.tolist() == [[[0.0, 5.0]]]


@pytest.mark.parametrize("highest", [0.0, -0.1])
def test_a_keypoint_without_a_positive_pixel_has_no_place_but_a_score(highest: float) -> None:
    maps = np.full((1, 2, 3, 3), -1.0)
    maps[0, 0, 1, 2] = highest
    maps[0, 1, 1, 2] = 0.1
    found = keypoints(maps, (12, 12))
    assert np.isnan(found.xy[0, 0]).all()
    assert found.xy[0, 1].tolist() == [8.0, 4.0]
    assert found.scores.tolist() == [[highest, 0.1]]


def test_nobody_has_no_keypoints() -> None:
    found = keypoints(np.zeros((0, 17, 64, 48)), (256, 192))
    assert found.xy.shape == (0, 17, 2)
    assert found.scores.shape == (0, 17)


def test_what_the_targets_of_training_encode_is_found_without_bias() -> None:
    # SimplePose's targets: a Gaussian around floor(joint / stride + 1/2), sigma of 2 pixels. With a
    # half pixel in the mapping back, keypoints would be off by stride / 2 = 2 on average.
    stride, size = 4, 16
    joints = np.arange(6 * stride, 10 * stride) + 0.5
    at = np.floor(joints / stride + 0.5)
    pixels = np.arange(size)
    bells = np.exp(-((pixels - at[:, None]) ** 2) / (2 * 2.0**2))
    maps = (bells[:, :, None] * bells[:, None, :])[None]
    found = keypoints(maps, (size * stride, size * stride)).xy[0]
    errors = found - joints[:, None]
    assert np.abs(errors).max() <= stride / 2
    np.testing.assert_allclose(errors.mean(axis=0), 0, atol=1e-12)


def test_the_input_is_left_as_it_was() -> None:
    maps = np.random.default_rng(7).normal(size=(2, 3, 5, 4))
    before = maps.copy()
    keypoints(maps, (20, 16))
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: keypoints(np.zeros((17, 64, 48)), (256, 192)), "heat maps have 3 axes.*N, K,"),
        (lambda: keypoints(np.full((1, 1, 2, 2), math.nan), (8, 8)), "4 of 4 numbers in the heat"),
        (lambda: keypoints(one_map([0, math.inf]), (8, 8)), "1 of 2 numbers in the heat maps"),
        (lambda: keypoints(np.zeros((1, 17, 0, 48)), (256, 192)), "0x48 pixels have no maximum"),
        (lambda: keypoints(np.zeros((1, 17, 64, 0)), (256, 192)), "64x0 pixels have no maximum"),
        (lambda: keypoints(one_map([1]), (0, 192)), "0x192 pixels has no keypoints; .*height"),
        (lambda: keypoints(one_map([1]), (256, -1)), "256x-1 pixels has no keypoints"),
    ],
)
def test_what_has_no_maximum_is_refused_with_the_reason(
    call: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_an_image_of_no_size_has_no_keypoints() -> None:
    with pytest.raises(ValueError, match="has no keypoints"):
        keypoints(np.ones((1, 1, 4, 4)), (float("nan"), 16))  # type: ignore[arg-type]
