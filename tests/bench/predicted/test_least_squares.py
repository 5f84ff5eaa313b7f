"""A fit recovers what latencies were made of, and never takes time away for work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.predicted.least_squares import (
    predicted_unseen,
    relative_errors,
    relative_fit,
)

NS = st.floats(0.01, 10)
SEED = st.integers(0, 2**32 - 1)


@given(st.lists(NS, min_size=1, max_size=4), SEED)
def test_coefficients_that_made_the_latencies_are_found(ns: list[float], seed: int) -> None:
    counts = np.random.default_rng(seed).uniform(1, 100, size=(4 * len(ns), len(ns)))
    assert relative_fit(counts, counts @ ns) == pytest.approx(ns, rel=1e-6, abs=1e-9)


@given(NS, SEED)
def test_no_coefficient_is_negative(slope: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.uniform(1, 100, size=(9, 2))
    ms = slope * counts[:, 0] + 1000 - counts[:, 1]  # the second makes it faster
    assert (relative_fit(counts, ms) >= 0).all()


def test_a_short_latency_weighs_as_much_as_a_long_one() -> None:
    counts = np.array([[1.0], [100.0]])
    # 1 and 200 ms, with one coefficient: the sum of squares alone would take the second's, 2.
    found = relative_fit(counts, np.array([1.0, 200.0]))
    assert found == pytest.approx([1.2])


def test_what_is_predicted_for_a_group_depends_on_the_others_alone() -> None:
    counts = np.array([[1.0], [2.0], [3.0], [4.0]])
    ms = np.array([1.0, 2.0, 30.0, 40.0])
    found = predicted_unseen(counts, ms, ["slow", "slow", "fast", "fast"])
    assert found == pytest.approx([10.0, 20.0, 3.0, 4.0])


def test_errors_are_parts_of_the_latency() -> None:
    errors = relative_errors(np.array([9.0, 12.0]), np.array([10.0, 10.0]))
    assert errors == pytest.approx([0.1, 0.2])
