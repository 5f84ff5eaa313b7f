"""Cosines are what the formula says, for vectors of any length, and never of a zero or a NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.postprocess.arrays import Floats
from asymm_deploy.postprocess.face import cosine_similarity, normalised

WIDTH = 128

numbers = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


def sets(width: int) -> st.SearchStrategy[list[list[float]]]:
    vector = st.lists(numbers, min_size=width, max_size=width).filter(any)
    return st.lists(vector, min_size=1, max_size=4)


pairs_of_sets = st.integers(1, 5).flatmap(lambda width: st.tuples(sets(width), sets(width)))


def slow_cosine(a: list[float], b: list[float]) -> float:
    product = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return product / math.hypot(*a) / math.hypot(*b)


def faces(count: int, seed: int = 7) -> Floats:
    return np.random.default_rng(seed).normal(size=(count, WIDTH))


@given(pairs_of_sets)
def test_each_cosine_is_that_of_its_two_embeddings(
    pair: tuple[list[list[float]], list[list[float]]],
) -> None:
    a, b = pair
    found = cosine_similarity(a, b)
    assert found.shape == (len(a), len(b))
    expected = [[slow_cosine(x, y) for y in b] for x in a]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@given(pairs_of_sets)
def test_a_cosine_is_from_minus_one_to_one_and_the_same_both_ways(
    pair: tuple[list[list[float]], list[list[float]]],
) -> None:
    a, b = pair
    found = cosine_similarity(a, b)
    assert (np.abs(found) <= 1).all()
    np.testing.assert_allclose(found, cosine_similarity(b, a).T, rtol=0, atol=1e-14)


def test_rounding_leaves_no_cosine_outside_its_range() -> None:
    # Among that many, some products of a vector with itself are a last bit more than 1.
    many = faces(2000)
    assert (normalised(many) @ normalised(many).T).max() > 1
    assert np.abs(cosine_similarity(many, np.concatenate([many, -many]))).max() == 1


def test_known_angles() -> None:
    a = [[1, 0], [0, 3]]
    b = [[5, 0], [-2, 0], [0, -1], [1, 1]]
    half = math.sqrt(0.5)
    np.testing.assert_allclose(
        cosine_similarity(a, b), [[1, -1, 0, half], [0, 0, -1, half]], atol=1e-15
    )


@pytest.mark.parametrize("length", [1e-320, 1e-200, 1e-3, 1e3, 1e200, 1e308])
def test_the_length_of_an_embedding_says_nothing(length: float) -> None:
    direction = np.array([[3.0, 4.0], [-4.0, 3.0]]) / 5
    tolerance = 1e-3 if length < 1e-300 else 1e-12  # few bits are left of 1e-320
    np.testing.assert_allclose(normalised(direction * length), direction, atol=tolerance)


def test_axes_in_front_are_kept() -> None:
    embeddings = faces(6).reshape(2, 3, WIDTH)
    found = normalised(embeddings)
    assert found.shape == (2, 3, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1)
    np.testing.assert_array_equal(found[1, 2], normalised(embeddings[1, 2]))


def test_no_faces_have_no_cosines() -> None:
    assert normalised(np.zeros((0, WIDTH))).shape == (0, WIDTH)
    assert cosine_similarity(np.zeros((0, WIDTH)), faces(3)).shape == (0, 3)


def test_the_input_is_left_as_it_was() -> None:
    embeddings = faces(2)
    before = embeddings.copy()
    cosine_similarity(embeddings, embeddings)
    np.testing.assert_array_equal(embeddings, before)


def with_value(value: float) -> Floats:
    embeddings = faces(3)
    embeddings[1, 5] = value
    return embeddings


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: normalised([[1, 2], [0, 0], [0, 0]]), "2 of 3 embeddings are all zeros.*leave"),
        (lambda: normalised(with_value(math.nan)), "1 of 384 numbers in the embeddings are NaN"),
        (lambda: normalised(with_value(-math.inf)), "1 of 384 numbers.*try fp32"),
        (lambda: normalised(3.0), r"shape \(\) hold no numbers"),
        (lambda: normalised(np.zeros((2, 0))), r"shape \(2, 0\) hold no numbers"),
        (lambda: cosine_similarity(faces(2), faces(2)[:, 1:]), "128 and 127 wide.*same network"),
        (lambda: cosine_similarity(faces(2), faces(2)[0]), r"second set have 1 axes.*\(128,\)"),
        (lambda: cosine_similarity(faces(2)[None], faces(2)), "first set have 3 axes"),
        (lambda: cosine_similarity(faces(2), with_value(math.nan)), "in the .* second set are NaN"),
        (lambda: cosine_similarity(np.zeros((1, 4)), np.ones((1, 4))), "1 of 1 embeddings are all"),
    ],
)
def test_what_has_no_direction_is_refused_with_the_reason(
    call: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call()
