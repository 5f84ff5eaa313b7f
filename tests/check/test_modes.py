"""Two speeds among launches are seen, and what they contribute to a difference is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymm_deploy.check.modes import FEW_LAUNCHES, has_two_modes, shift_by_modes


@pytest.mark.parametrize(
    ("baseline", "candidate", "shift"),
    [
        ([1.0] * 8 + [1.2] * 8, [1.0] * 8 + [1.2] * 8, 0.0),
        ([1.0] * 12 + [1.2] * 4, [1.0] * 4 + [1.2] * 12, 0.5 * math.log(1.2)),
        ([1.0] * 16, [1.05] * 8 + [1.26] * 8, 0.5 * math.log(1.2)),
        ([1.0] * 14 + [1.2] * 2, [1.05] * 8 + [1.26] * 8, 0.375 * math.log(1.2)),
        ([1.0] * 16, [1.05] * 16, None),
    ],
)
def test_what_two_speeds_contribute(
    baseline: list[float], candidate: list[float], shift: float | None
) -> None:
    assert shift_by_modes(baseline, candidate) == (None if shift is None else pytest.approx(shift))


def test_a_drift_is_no_second_speed() -> None:
    rng = np.random.default_rng(2)
    assert not has_two_modes(list(1e7 * (1 + 0.1 * np.linspace(0, 1, 16) + 0.005 * rng.normal())))
    assert not has_two_modes([1e7] * 8 + [1.2e7] * 7)  # too few to judge
    assert has_two_modes([1e7] * 8 + [1.2e7] * 8)


def two_groups(launches: int, separation: float, gap: float = 0.1) -> list[float]:
    """Launches in two groups, so many standard deviations within a group apart."""

    def group(count: int, middle: float) -> list[float]:
        off = gap / separation * math.sqrt((count - 1) / (count - count % 2))
        half = count // 2
        return [middle - off] * half + [middle] * (count % 2) + [middle + off] * half

    return group(launches // 2, 1.0) + group(launches - launches // 2, 1.0 + gap)


@pytest.mark.parametrize(
    ("launches", "separation", "two"),
    [(16, 7.05, True), (16, 6.95, False), (24, 7.05, True), (24, 6.95, False)],
)
def test_many_launches_are_two_groups_from_7_standard_deviations_on(
    launches: int, separation: float, *, two: bool
) -> None:
    assert has_two_modes(two_groups(launches, separation)) is two


@pytest.mark.parametrize(
    ("launches", "separation", "two"),
    [(10, 10.05, True), (10, 9.95, False), (15, 10.05, True), (15, 9.95, False), (9, 99.0, False)],
)
def test_few_launches_take_10(launches: int, separation: float, *, two: bool) -> None:
    groups = two_groups(launches, separation)
    assert has_two_modes(groups, least_launches=FEW_LAUNCHES) is two


def test_fewer_than_16_launches_of_a_live_comparison_can_not_tell() -> None:
    assert not has_two_modes(two_groups(15, 99.0))
    assert has_two_modes(two_groups(16, 99.0))


def test_the_gap_that_counts_is_the_larger_one() -> None:
    near, far = [1.0] * 8 + [1.1] * 8, [1.0] * 4 + [1.3] * 12
    assert shift_by_modes(near, far) == pytest.approx(0.25 * math.log(1.3))
    assert shift_by_modes(far, near) == pytest.approx(-0.25 * math.log(1.3))


def test_the_gap_is_that_of_medians() -> None:
    uneven = [0.99, *[1.0] * 6, 1.01, 1.19, *[1.2] * 5, 1.21, 1.22]
    assert shift_by_modes([1.0] * 16, uneven) == pytest.approx(0.5 * math.log(1.2))
