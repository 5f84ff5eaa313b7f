"""A mean of few differences is given with Student's interval."""

from __future__ import annotations

import math

import pytest

from asymm_deploy.bench.judge import log_interval


def test_an_interval_is_students() -> None:
    around = log_interval.interval([0.01, 0.02, 0.06], 0.025)
    t = 4.302652729911275  # of 2 degrees of freedom, from a table
    error = math.sqrt(0.0007 / 3)
    assert around.estimate == pytest.approx(0.03)
    assert around.low == pytest.approx(0.03 - t * error)
    assert around.high == pytest.approx(0.03 + t * error)


def test_an_end_beyond_any_number_is_infinite() -> None:
    estimate, low, high = log_interval.Interval(math.log(1.5), -701.0, 699.9).percent
    assert estimate == pytest.approx(50)
    assert low == pytest.approx(-100)
    assert math.isfinite(high)
    assert log_interval.Interval(0.0, 0.0, 700.0).percent[2] == math.inf
