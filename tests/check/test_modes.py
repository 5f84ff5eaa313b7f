"""Two speeds among launches are seen, and what they contribute to a difference is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymm_deploy.check.modes import has_two_modes, shift_by_modes


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
