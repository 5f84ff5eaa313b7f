"""An output is measured against the reference's own spread; what can't be compared has no error."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.bench import outputs

REFERENCE = {"a": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), "b": np.array([7.0])}


def raw(*numbers: float) -> bytes:
    return np.array(numbers, "<f4").tobytes()


def test_equal_outputs_have_no_error() -> None:
    assert outputs.error(REFERENCE, {"a": raw(1, 2, 3, 4), "b": raw(7)}) == 0.0


def test_the_largest_difference_counts_over_the_deviation() -> None:
    error = outputs.error(REFERENCE, {"a": raw(1, 2, 3.5, 4), "b": raw(7)})
    assert error == pytest.approx(0.5 / np.std([1, 2, 3, 4]))


def test_the_worst_output_counts_and_a_single_number_is_measured_by_its_size() -> None:
    error = outputs.error(REFERENCE, {"a": raw(1, 2, 3, 4), "b": raw(8)})
    assert error == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    "values",
    [
        {"a": raw(1, 2, 3, 4)},
        {"a": raw(1, 2, 3), "b": raw(7)},
        {"a": raw(1, 2, 3, 4) + b"x", "b": raw(7)},
        {"a": raw(1, 2, float("nan"), 4), "b": raw(7)},
        {"a": raw(1, 2, 3, 4), "b": raw(float("inf"))},
    ],
    ids=["missing", "short", "long", "NaN", "infinite"],
)
def test_what_can_not_be_compared_has_no_error(values: dict[str, bytes]) -> None:
    assert outputs.error(REFERENCE, values) is None


def test_fp16_has_its_own_tolerance() -> None:
    assert outputs.TOLERANCE == {"fp32": 1e-4, "fp16": 1e-1}
