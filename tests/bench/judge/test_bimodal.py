"""Two groups of samples are seen, one group of any usual shape is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from asymm_deploy.bench.judge import bimodal

Samples = npt.NDArray[np.float64]
LAUNCHES = 1000


def share(draw: Callable[[np.random.Generator], Samples]) -> float:
    """The share of simulated launches that are called bimodal."""
    rng = np.random.default_rng(7)
    return sum(bimodal.is_bimodal([*draw(rng)]) for _ in range(LAUNCHES)) / LAUNCHES


# Deviations large enough for the 5 % between groups to be no help.
@pytest.mark.parametrize(
    ("draw", "most"),
    [
        (lambda rng: rng.normal(10, 0.8, 100), 0.001),
        (lambda rng: rng.normal(10, 0.8, 1000), 0.0),
        (lambda rng: rng.normal(10, 0.8, bimodal.LEAST_SAMPLES), 0.02),
        (lambda rng: 10 + 3 * rng.exponential(1, 100), 0.005),
        (lambda rng: rng.lognormal(1, 0.3, 100), 0.002),
        (lambda rng: 10 + rng.uniform(0, 5, 100), 0.01),
        (lambda rng: np.where(rng.random(100) < 0.05, 30, rng.normal(10, 0.8, 100)), 0.002),
    ],
    ids=[
        "normal",
        "normal, pooled",
        "normal, few",
        "exponential",
        "lognormal",
        "uniform",
        "outliers",
    ],
)
def test_one_group_is_hardly_ever_taken_for_two(
    draw: Callable[[np.random.Generator], Samples], most: float
) -> None:
    assert share(draw) <= most


@pytest.mark.parametrize("slow_share", [0.25, 0.5, 0.75])
def test_a_clock_that_was_lower_for_part_of_the_runs_is_seen(slow_share: float) -> None:
    def draw(rng: np.random.Generator) -> Samples:
        slow = np.arange(100) < 100 * slow_share
        return rng.normal(np.where(slow, 11.7, 10.0), 0.1)

    assert share(draw) > 0.95


def test_outliers_do_not_hide_two_groups() -> None:
    def draw(rng: np.random.Generator) -> Samples:
        groups = rng.normal(np.where(rng.random(100) < 0.4, 11, 10), 0.1)
        return np.where(rng.random(100) < 0.05, 30, groups)

    assert share(draw) > 0.95


def test_groups_closer_than_a_twentieth_do_not_matter() -> None:
    assert not bimodal.is_bimodal([10_000] * 50 + [10_400] * 50)
    assert bimodal.is_bimodal([10_000] * 50 + [10_600] * 50)


def test_few_slow_samples_are_outliers() -> None:
    assert not bimodal.is_bimodal([10_000] * 81 + [12_000] * 19)


def test_few_samples_are_not_judged() -> None:
    few = bimodal.LEAST_SAMPLES // 2 - 1
    assert not bimodal.is_bimodal([10_000] * few + [20_000] * few)
