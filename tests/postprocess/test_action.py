"""Frames are averaged before the softmax, and the likeliest classes come first."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.postprocess.action import averaged, top

numbers = st.floats(-50, 50)
logits = st.lists(numbers | st.integers(-2, 2).map(float), min_size=1, max_size=12)
videos = st.integers(1, 6).flatmap(
    lambda classes: st.lists(
        st.lists(numbers, min_size=classes, max_size=classes), min_size=1, max_size=6
    )
)


@given(videos)
def test_a_class_has_the_mean_of_its_logits(video: list[list[float]]) -> None:
    expected = [math.fsum(of_class) / len(video) for of_class in zip(*video, strict=True)]
    np.testing.assert_allclose(averaged(video), expected, atol=1e-12)


def test_logits_are_averaged_and_not_probabilities() -> None:
    # One frame is very sure of class 0, two are a little surer of class 1. Of probabilities the
    # mean would be higher for class 1.
    video = [[9.0, 0.0], [0.0, 3.0], [0.0, 3.0]]
    assert top(averaged(video)).classes.tolist() == [0, 1]


@given(logits, st.integers(1, 15))
def test_the_likeliest_classes_come_first_and_of_equal_ones_the_lower(
    values: list[float], count: int
) -> None:
    ranked = sorted(range(len(values)), key=lambda index: (-values[index], index))
    assert top(values, count).classes.tolist() == ranked[:count]


@given(logits)
def test_probabilities_are_the_softmax(values: list[float]) -> None:
    found = top(values, len(values))
    powers = [math.exp(value) for value in values]
    expected = [powers[index] / math.fsum(powers) for index in found.classes]
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-12)


@given(logits, st.integers(1, 3))
def test_those_left_out_keep_their_share(values: list[float], count: int) -> None:
    few, every = top(values, count), top(values, len(values))
    np.testing.assert_array_equal(few.probabilities, every.probabilities[:count])


@given(logits, st.integers(-1000, 1000))
def test_adding_one_number_to_all_logits_changes_no_probability(
    values: list[float], added: int
) -> None:
    found = top([value + added for value in values], len(values))
    np.testing.assert_allclose(
        found.probabilities, top(values, len(values)).probabilities, rtol=1e-9
    )


def test_large_logits_do_not_overflow() -> None:
    found = top([1e4, -1e4, 1e4])
    assert found.classes.tolist() == [0, 2, 1]
    assert found.probabilities.tolist() == [0.5, 0.5, 0.0]


def test_five_are_given_unless_asked_otherwise() -> None:
    assert top(np.arange(51.0)).classes.tolist() == [50, 49, 48, 47, 46]
    assert top([1.0, 2.0]).classes.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: averaged(np.zeros((0, 51))), r"\(0, 51\) have no mean.*at least one frame"),
        (lambda: averaged(np.zeros((3, 0))), r"\(3, 0\) have no mean"),
        (lambda: averaged([1.0, 2.0]), "logits have 1 axes.*frames, classes"),
        (lambda: averaged([[1.0, math.nan]]), "1 of 2 numbers in the logits are NaN"),
        (lambda: top([]), "no logits.*at least one"),
        (lambda: top([[1.0, 2.0]]), "logits have 2 axes"),
        (lambda: top([1.0, math.inf, -math.inf]), "2 of 3 numbers in the logits"),
        (lambda: top([1.0], 0), "top 0 classes are none; ask for 1"),
        (lambda: top([1.0], -1), "top -1 classes"),
    ],
)
def test_what_has_no_likeliest_class_is_refused_with_the_reason(
    call: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call()
