"""LFW's protocol by hand: a set is judged by the threshold of all others."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.evaluate.tasks.face_pairs import FacePair
from asymm_deploy.evaluate.tasks.face_verification import best_threshold, verified_pairs


def at(degrees: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


@pytest.mark.parametrize(
    ("cosines", "same", "threshold"),
    [
        ([0.9, 0.8, 0.2, 0.1], [True, True, False, False], 0.5),
        ([0.9, 0.2, 0.8, 0.1], [True, True, False, False], 0.15),  # as good as 0.85, and lower
        ([0.5, 0.5, 0.1], [True, True, True], 0.1),
        ([np.nan, 0.8, 0.2], [False, True, False], 0.5),
        ([np.nan], [True], 0.0),
        # Nothing lies between three equal ones: 0.5 is right twice, not four times.
        ([0.3, 0.5, 0.5, 0.5, 0.9], [True, False, False, True, True], 0.3),
    ],
)
def test_the_threshold_is_right_most_often(
    cosines: list[float], same: list[bool], threshold: float
) -> None:
    assert best_threshold(np.array(cosines), np.array(same)) == pytest.approx(threshold)


def test_no_threshold_is_above_the_largest_where_nobody_is_the_same() -> None:
    cosines = np.array([0.9, 0.3])
    assert best_threshold(cosines, np.array([False, False])) > 0.9


def test_a_set_is_judged_by_the_others_and_nothing_it_says_itself() -> None:
    # Places 0 and 1 are 10 degrees apart, 0 and 2 are 60, 0 and 3 are 20.
    faces = {0: at(0), 1: at(10), 2: at(60), 3: at(20)}
    pairs = [
        *(FacePair(0, 0, 1, True), FacePair(0, 0, 2, False)),
        *(
            FacePair(1, 0, 1, True),
            FacePair(1, 0, 3, False),
        ),  # 20 degrees is somebody else, here alone
    ]
    found = verified_pairs(pairs, faces)
    middle = (np.cos(np.radians(10)) + np.cos(np.radians(60))) / 2
    tight = (np.cos(np.radians(10)) + np.cos(np.radians(20))) / 2
    np.testing.assert_allclose(found.thresholds, [tight, tight, middle, middle], atol=1e-6)
    assert found.right.tolist() == [True, True, True, False]


def test_without_an_embedding_a_pair_is_wrong_and_without_a_photograph_it_is_none() -> None:
    pairs = [FacePair(0, 0, 1, True), FacePair(1, 0, 1, False), FacePair(1, 0, 9, True)]
    found = verified_pairs(pairs, {0: at(0), 1: None})
    assert len(found.pairs) == 2
    assert found.right.tolist() == [False, False]
