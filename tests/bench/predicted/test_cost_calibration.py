"""What a calibration predicts, how far off it says that may be, and for what it says nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.emulated.counts import CostKey, CostRecord, Counts
from asymm_deploy.bench.predicted.cost_calibration import (
    CostCalibration,
    calibrated,
    predict,
    predicted_for,
)

MakeCost = Callable[..., CostRecord]
Rows = list[tuple[Counts, float]]


def rows(cost: MakeCost, fma_ns: float, load_ns: float, off: list[float]) -> Rows:
    """Models of known costs, each of which takes ``off`` times what those say."""
    random = np.random.default_rng(0)
    made = []
    for times in off:
        fma, load = (int(found) for found in random.integers(10**6, 10**8, size=2))
        counts = cost("net", fma, load).counts
        assert counts is not None
        made.append((counts, times * (fma * fma_ns + load * load_ns) / 1e6))
    return made


@pytest.fixture
def calibration(cost: MakeCost, key: CostKey) -> CostCalibration:
    return calibrated("mine", "Pixel", "", key, "fp32", rows(cost, 0.2, 1.0, [1.0] * 8))


@given(st.floats(0.05, 5), st.floats(0.05, 5))
def test_nanoseconds_that_made_the_latencies_are_found(
    cost: MakeCost, key: CostKey, fma_ns: float, load_ns: float
) -> None:
    made = rows(cost, fma_ns, load_ns, [1.0] * 8)
    found = calibrated("mine", "Pixel", "", key, "fp32", made)

    assert found.ns_per == pytest.approx({"fma": fma_ns, "load": load_ns}, rel=1e-4)
    assert (found.low, found.high) == pytest.approx((1.0, 1.0), rel=1e-4)
    assert (found.mean_error, found.worst_error) == pytest.approx((0.0, 0.0), abs=1e-4)


def test_the_interval_is_the_range_of_models_that_were_left_out(
    cost: MakeCost, key: CostKey
) -> None:
    found = calibrated("mine", "Pixel", "", key, "fp32", rows(cost, 0.2, 1.0, [1.0] * 29 + [1.3]))

    assert found.high == pytest.approx(1.3, rel=0.02)
    assert 0.95 < found.low < 1
    assert found.worst_error == pytest.approx(1 - 1 / 1.3, rel=0.05)
    assert found.models == 30


def test_a_prediction_is_the_counts_times_their_nanoseconds(
    cost: MakeCost, calibration: CostCalibration
) -> None:
    counts = cost("net", 50_000_000, 10_000_000).counts
    assert counts is not None
    within = msgspec.structs.replace(calibration, low=0.9, high=1.2)

    found = predict(counts, within)

    assert (found.ms, found.low_ms, found.high_ms) == pytest.approx((20.0, 18.0, 24.0), rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "fp16"},
        {"counts": None},
        {"valid": False},
    ],
)
def test_nothing_is_predicted_where_nothing_was_fitted_or_counted(
    cost: MakeCost, calibration: CostCalibration, changes: dict[str, object]
) -> None:
    assert predicted_for(cost("net", 10, 10), calibration) is not None
    assert predicted_for(cost("net", 10, 10, **changes), calibration) is None


@pytest.mark.parametrize(
    "changes", [{"cpu": "cortex-a55"}, {"engine": "onnxruntime"}, {"engine_version": "3.6.2"}]
)
def test_another_processor_or_engine_runs_other_code(
    cost: MakeCost, key: CostKey, calibration: CostCalibration, changes: dict[str, object]
) -> None:
    other = msgspec.structs.replace(key, **changes)
    assert predicted_for(cost("net", 10, 10, key=other), calibration) is None


def test_another_build_of_the_runner_is_no_other_engine(
    cost: MakeCost, key: CostKey, calibration: CostCalibration
) -> None:
    other = msgspec.structs.replace(key, runner_sha256="9" * 64)
    assert predicted_for(cost("net", 10, 10, key=other), calibration) is not None
