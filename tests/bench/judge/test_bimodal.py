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
        (lambda rng: rng.normal(10, 0.8, 50), 0.02),
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
    assert not bimodal.is_bimodal([10_000] * 50 + [10_500] * 50)
    assert bimodal.is_bimodal([10_000] * 50 + [10_510] * 50)


def test_few_slow_samples_are_outliers_and_a_fifth_is_a_group() -> None:
    assert not bimodal.is_bimodal([10_000] * 81 + [12_000] * 19)
    assert bimodal.is_bimodal([10_000] * 80 + [12_000] * 20)


def test_few_fast_samples_are_outliers_and_a_fifth_is_a_group() -> None:
    assert not bimodal.is_bimodal([10_000] * 19 + [12_000] * 81)
    assert bimodal.is_bimodal([10_000] * 20 + [12_000] * 80)


def test_few_samples_are_not_judged() -> None:
    assert not bimodal.is_bimodal([10_000] * 25 + [20_000] * 24)
    assert bimodal.is_bimodal([10_000] * 25 + [20_000] * 25)


def test_who_asks_for_fewer_samples_is_given_a_judgement() -> None:
    few = [10_000] * 5 + [20_000] * 4
    assert bimodal.is_bimodal(few, least_samples=9)
    assert not bimodal.is_bimodal(few, least_samples=10)


@pytest.mark.parametrize(("apart", "two"), [(3.95, False), (4.05, True)])
def test_groups_are_four_standard_deviations_apart(apart: float, two: bool) -> None:
    """Each is spread evenly, so that half of it lies within a known width."""
    spread = np.linspace(-1, 1, 101)  # its quartiles are 1 apart, which is 1 / 1.349 deviations
    lower, upper = 10 + spread, 10 + spread + apart / 1.349
    assert bimodal.is_bimodal([*lower, *upper]) is two
    assert bimodal.is_bimodal([*upper, *lower]) is two


def test_who_judges_few_samples_may_ask_for_more_separation_and_measure_it_otherwise() -> None:
    groups = [*np.linspace(9, 11, 101), *np.linspace(13, 15, 101)]  # 5.4 deviations from quartiles
    assert bimodal.is_bimodal(groups, separation=5.3)
    assert not bimodal.is_bimodal(groups, separation=5.5)
    assert bimodal.is_bimodal(groups, separation=5.3, deviation=lambda group: 4 / 5.31)
    assert not bimodal.is_bimodal(groups, separation=5.3, deviation=lambda group: 4 / 5.29)


def test_both_groups_count_in_the_deviation() -> None:
    narrow, wide = np.full(100, 10.0), 14 + np.linspace(-1, 1, 101)
    # sqrt((0 + 1 / 1.349 ** 2) / 2) = 0.524, and 4 / 0.524 = 7.63
    for groups in ([*narrow, *wide], [*(24 - wide), *(24 - narrow)]):
        assert bimodal.is_bimodal(groups, separation=7.6)
        assert not bimodal.is_bimodal(groups, separation=7.7)


def test_a_deviation_from_quartiles_is_that_of_a_normal_distribution_without_its_outliers() -> None:
    normal = np.random.default_rng(1).normal(10, 2, 100_000)
    assert bimodal.from_quartiles(normal) == pytest.approx(2, rel=0.02)
    assert bimodal.from_quartiles(np.array([1.0, 2, 3, 4, 1000])) == pytest.approx(2 / 1.349)


@pytest.mark.parametrize("low", [1, 7, 20])
def test_the_cut_is_between_the_groups_whatever_the_slowest_tenth_is(low: int) -> None:
    samples = np.array([10.0] * low + [11.0] * (40 - low) + [500.0] * 4)
    assert bimodal.best_cut(samples) == low


def test_the_cut_leaves_the_least_variance_within_the_groups_of_the_fastest_nine_tenths() -> None:
    rng = np.random.default_rng(5)
    for count in [*range(10, 60), 100, 200]:
        ordered = np.sort(10 + rng.exponential(1, count))
        core = ordered[: count - count // 10]
        within = [
            cut * np.var(core[:cut]) + (len(core) - cut) * np.var(core[cut:])
            for cut in range(1, len(core))
        ]
        assert bimodal.best_cut(ordered) == 1 + int(np.argmin(within))
