"""Change points."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.history.told import change_points


def noise(count: int, seed: int) -> np.ndarray:
    """Return logarithms of latencies that differ as launches on a quiet core do."""
    return np.random.default_rng(seed).normal(0, 0.005, count)


def test_noise_alone_has_one_level() -> None:
    # of 200 histories two may be, by design; a test on pairs of commits would alarm in all
    found = [change_points.boundaries(noise(30, seed), 0.01) for seed in range(200)]
    assert sum(map(bool, found)) <= 6


def test_noise_over_many_commits_has_one_level_too() -> None:
    # of a hundred histories these have somewhere a step that, by itself, looks certain; one may
    found = [change_points.boundaries(noise(100, seed), 0.01) for seed in (5, 12, 69, 81)]
    assert sum(map(bool, found)) <= 1


@pytest.mark.parametrize(
    ("count", "significance", "unseen"), [(11, 0.01, 3), (20, 0.01, 2), (20, 0.001, 3)]
)
def test_a_step_is_seen_as_soon_as_it_is_said(count: int, significance: float, unseen: int) -> None:
    def seen(last: int) -> list[int]:
        values = np.zeros(count)
        values[count - last :] = 0.5
        return change_points.boundaries(values, significance)

    assert change_points.blind(count, significance) == unseen
    assert seen(unseen) == []
    assert seen(unseen + 1) == [count - unseen - 1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_point_or_none_is_one_level(count: int) -> None:
    assert change_points.boundaries(np.ones(count), 0.01) == []
