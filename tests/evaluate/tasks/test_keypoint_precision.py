"""COCO's precision of keypoints: perfect answers, shifted ones, and none, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.evaluate.tasks.coco_people import CocoPerson
from asymm_deploy.evaluate.tasks.keypoint_precision import (
    COCO_METRICS,
    PosedPerson,
    keypoint_precision,
)

SIGMA = 0.026
"""The nose's, of which alone a person is labelled here."""
AREA = 100.0 * 100


def person(number: int, image: int) -> CocoPerson:
    nose = (50.0, 60.0, 2.0)
    return CocoPerson(number, image, 7, (0, 0, 100, 100), AREA, nose + (0.0,) * 48, num_keypoints=1)


def answer(image: int, shift: float = 0.0, score: float = 1.0) -> PosedPerson:
    points = np.zeros((17, 3))
    points[0] = (50 + shift, 60, 1)
    return PosedPerson(image, points, score)


def figures(answers: list[PosedPerson], images: list[int]) -> dict[str, float | None]:
    people = [person(number, number) for number in (1, 2)]
    found = keypoint_precision(people, answers, images)
    return {each.metric: each.percent for each in found}


def test_perfect_answers_have_all_and_none_have_nothing() -> None:
    found = figures([answer(1), answer(2)], [1, 2])
    assert tuple(found) == COCO_METRICS
    assert [found[name] for name in ("ap", "ap50", "ap75", "ar")] == pytest.approx([100] * 4)
    assert found["ap_medium"] is None  # nobody is of that size: 100 x 100 is large
    assert figures([], [1, 2])["ap"] == 0


def test_a_shift_costs_the_tolerances_that_it_is_beyond() -> None:
    # OKS = exp(-d^2 / (2 area (2 sigma)^2)); at 0.62 it passes 0.50, 0.55 and 0.60 of the ten.
    shift = (-np.log(0.62) * 2 * AREA * (2 * SIGMA) ** 2) ** 0.5
    found = figures([answer(1, shift), answer(2, shift)], [1, 2])
    assert found["ap"] == pytest.approx(30)
    assert found["ap50"] == pytest.approx(100)
    assert found["ap75"] == 0


def test_somebody_who_is_missed_costs_recall_and_one_too_many_precision() -> None:
    # Of two people one is found: precision 1 up to recall 0.5, which is 51 of 101 points.
    assert figures([answer(1)], [1, 2])["ap"] == pytest.approx(100 * 51 / 101)
    # A surer answer that is wrong comes first: precision is 1/2 and 2/3 where the two are found.
    found = figures([answer(1, 90, score=2), answer(1), answer(2)], [1, 2])
    assert found["ap"] == pytest.approx(100 * 2 / 3)


def test_images_that_were_not_decoded_are_in_no_figure() -> None:
    assert figures([answer(1)], [1])["ap"] == pytest.approx(100)
