"""An output is measured against the reference's own spread; what can't be compared has no error."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.bench import outputs

REFERENCE = {"a": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), "b": np.array([7.0])}


def raw(*numbers: float) -> bytes:
    return np.array(numbers, "<f4").tobytes()


def error(values: dict[str, bytes]) -> float | None:
    return outputs.compared(REFERENCE, values, {}, usual=1e-4).error


def test_equal_outputs_have_no_error() -> None:
    assert error({"a": raw(1, 2, 3, 4), "b": raw(7)}) == 0.0


def test_the_largest_difference_counts_over_the_deviation() -> None:
    found = error({"a": raw(1, 2, 3.5, 4), "b": raw(7)})
    assert found == pytest.approx(0.5 / np.std([1, 2, 3, 4]))


def test_the_worst_output_counts_and_a_single_number_is_measured_by_its_size() -> None:
    assert error({"a": raw(1, 2, 3, 4), "b": raw(8)}) == pytest.approx(1 / 7)


def test_each_output_is_held_to_its_own_tolerance() -> None:
    values = {"a": raw(1, 2, 3.01, 4), "b": raw(7.001)}
    found = outputs.compared(REFERENCE, values, {"a": 0.1}, usual=1e-4)
    assert found.error == pytest.approx(1e-3 / 7, rel=1e-3)
    assert found.tolerance == 1e-4
    found = outputs.compared(REFERENCE, values, {"a": 1e-3, "b": 1e-2}, usual=1e-4)
    assert found.error == pytest.approx(0.01 / np.std([1, 2, 3, 4]), rel=1e-3)
    assert found.tolerance == 1e-3


def test_in_a_map_a_values_own_size_counts_beside_the_deviation() -> None:
    boxes = np.array([[[0.0, 1.0], [2.0, 1000.0]]], np.float32)
    found = outputs.compared({"boxes": boxes}, {"boxes": raw(0, 1, 2, 1001)}, {}, usual=1.0)
    assert found.error == pytest.approx(1 / (1000 + boxes.std()))


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
    assert error(values) is None


def test_fp16_has_its_own_tolerance() -> None:
    assert outputs.TOLERANCE == {"fp32": 1e-4, "fp16": 1e-1}
