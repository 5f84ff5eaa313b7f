"""Counts of right answers become shares with their limits, and changes with their chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.evaluate.accuracy import accuracy_of, agreement_of
from asymm_deploy.evaluate.accuracy_rows import evaluated_top1
from asymm_deploy.evaluate.prediction import ImagePrediction


def answers(*top1: int, label: int = 0) -> list[ImagePrediction]:
    return [ImagePrediction(f"{i}.jpg", label, (best, 9), 1.0) for i, best in enumerate(top1)]


def test_wilsons_interval_is_that_of_the_books() -> None:
    found = accuracy_of(answers(*[0] * 81, *[1] * 182), classes=10)
    assert (found.top1, found.images) == (81, 263)
    assert [found.low, found.high] == pytest.approx([0.2553, 0.3662], abs=1e-4)


def test_top_5_counts_what_is_among_five_and_says_nothing_of_few_classes() -> None:
    predictions = [
        ImagePrediction("a", 3, (1, 2, 3, 4, 5), 1.0),
        ImagePrediction("b", 3, (1, 2, 4, 5, 6), 1.0),
    ]
    assert accuracy_of(predictions, classes=10).top5 == 1
    assert accuracy_of(predictions, classes=5).top5 is None


def test_mcnemar_counts_those_that_changed_alone() -> None:
    before = answers(0, 0, 0, 0, 0, 0, 1, 2, 3)
    after = answers(0, 1, 1, 1, 1, 1, 0, 2, 4)
    found = agreement_of(before, after)
    assert (found.became_wrong, found.became_right, found.agreeing, found.images) == (5, 1, 2, 9)
    assert found.p == pytest.approx(2 * (1 + 6) / 2**6)
    assert agreement_of(before, before).p == 1.0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_what_changed_explains_the_difference_of_accuracies(pairs: list[tuple[int, int]]) -> None:
    before, after = answers(*(a for a, _ in pairs)), answers(*(b for _, b in pairs))
    found = agreement_of(before, after)
    gain = accuracy_of(after, 4).top1 - accuracy_of(before, 4).top1
    assert found.became_right - found.became_wrong == gain
    assert agreement_of(after, before).became_right == found.became_wrong
    assert 0 < found.p <= 1


def test_what_stands_in_one_picture_is_of_the_same_images_and_not_random() -> None:
    def row(model: str, images: str = "60", **other: str) -> dict[str, str]:
        figures = {"percent": "90.0", "low_percent": "80.0", "high_percent": "95.0"}
        known = {f"top1_{name}": value for name, value in figures.items()}
        made = {"classes": "10", "unreadable": "0", "engine": "mnn", "weights": "trained"}
        made |= {"variant": "fp32", "precision": "fp32", "device": "host"}
        return {"model": model, "images": images, **made, **known, **other}

    rows = [
        row("a"),
        row("b"),
        row("c", "50"),
        row("d", weights="untrained"),
        row("e", engine="torch"),
        row("f", variant="w8"),
        row("g", precision="fp16", device="a76"),
        row("h", device="a76"),
    ]
    assert set(evaluated_top1(rows)) == {"a", "b", "f@w8"}
    assert evaluated_top1([]) == {}
    for damaged in ({"top1_percent": "nan"}, {"top1_low_percent": "91"}, {"images": "x"}):
        with pytest.raises(ValueError, match=r"."):
            evaluated_top1([row("a", **damaged)])
