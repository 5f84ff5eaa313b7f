"""Among honest launches no copy is found, on any clock; a new copy of an old launch is."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.check.copies import CopiedPair, first_copy, first_near_copy


def honest(count: int, runs: int, tick: float = 1, seed: int = 0) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    ticks = np.round(1e6 * (1 + 0.01 * rng.normal(size=(count, runs))) / tick)
    return [tuple(int(t * tick) for t in of_one) for of_one in ticks]


@pytest.mark.parametrize("tick", [1, 41, 1000, 10_000])
@pytest.mark.parametrize("runs", [1, 2, 3, 5, 20, 100])
def test_honest_launches_are_no_copies(runs: int, tick: float) -> None:
    for seed in range(10):
        assert first_copy(honest(80, runs, tick, seed)) is None


@pytest.mark.parametrize("runs", [2, 3, 4, 20])
def test_the_same_samples_again_and_again_are_copies_in_any_order(runs: int) -> None:
    launches = honest(20, runs)
    launches[7::4] = [tuple(sorted(launches[3], key=lambda ns: ns * n % 7)) for n in range(1, 5)]
    found = first_copy(launches)
    assert found is not None
    assert f"have the same {runs} samples" in found.how


def test_a_launch_of_two_times_alone_may_occur_twice_in_another_order_only() -> None:
    even, odd = (100, 101) * 10, (101, 100) * 10
    assert first_copy([*honest(20, 20), even, odd]) is None
    assert first_copy([*honest(20, 20), even, odd, *[even] * 9]) is not None


def test_only_pairs_with_a_new_launch_are_looked_for() -> None:
    launches = honest(12, 20)
    launches[5] = tuple(int(1.1 * ns) for ns in launches[2])
    launches[8] = launches[3]
    how = "have the same samples, but for a factor, a constant or their order"
    assert first_near_copy(launches[:8]) == CopiedPair(2, 5, how)
    assert first_near_copy(launches[:8], since=5) == CopiedPair(2, 5, how)
    assert first_near_copy(launches[:8], since=6) is None
    assert first_copy(launches, since=8) == CopiedPair(3, 8, "have the same 20 samples")
    assert first_copy(launches, since=9) is None


def test_the_search_goes_on_beyond_what_is_held_against_others_at_once() -> None:
    launches = honest(600, 20)
    launches[599] = tuple(ns + 5000 for ns in launches[1])
    found = first_near_copy(launches)
    assert found is not None
    assert (found.one, found.other) == (1, 599)
