"""An output is measured against the reference's own spread; what can't be compared has no error."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.bench.judge import output_error
from asymm_deploy.bench.records import Precision
from asymm_deploy.export.manifest import OutputLimit

REFERENCE = {"a": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), "b": np.array([7.0])}


def raw(*numbers: float) -> bytes:
    return np.array(numbers, "<f4").tobytes()


def error(values: dict[str, bytes]) -> float | None:
    return output_error.compare_with_reference(REFERENCE, values, {}, "fp32").error


def test_equal_outputs_have_no_error() -> None:
    assert error({"a": raw(1, 2, 3, 4), "b": raw(7)}) == 0.0


def test_the_largest_difference_counts_over_the_deviation() -> None:
    found = error({"a": raw(1, 2, 3.5, 4), "b": raw(7)})
    assert found == pytest.approx(0.5 / np.std([1, 2, 3, 4]))


def test_the_worst_output_counts_and_a_single_number_is_measured_by_its_size() -> None:
    assert error({"a": raw(1, 2, 3, 4), "b": raw(8)}) == pytest.approx(1 / 7)


def limits(**tolerances: float) -> dict[str, OutputLimit]:
    """Both limits of each output, in deviations of its reference."""
    deviations = {"a": float(np.std([1, 2, 3, 4])), "b": 7.0}
    return {name: OutputLimit(deviations[name], own, own) for name, own in tolerances.items()}


def test_each_output_is_held_to_its_own_tolerance() -> None:
    values = {"a": raw(1, 2, 3.01, 4), "b": raw(7.001)}
    found = output_error.compare_with_reference(REFERENCE, values, limits(a=0.1), "fp32")
    assert found.error == pytest.approx(1e-3 / 7, rel=1e-3)
    assert found.tolerance == 1e-4
    found = output_error.compare_with_reference(REFERENCE, values, limits(a=1e-3, b=1e-2), "fp32")
    assert found.error == pytest.approx(0.01 / np.std([1, 2, 3, 4]), rel=1e-3)
    assert found.tolerance == 1e-3
    half = output_error.compare_with_reference(REFERENCE, values, limits(a=1e-3, b=1e-2), "fp16")
    assert half.tolerance == 0.1


def test_equal_outputs_are_held_to_their_own_tolerance() -> None:
    values = {"a": raw(1, 2, 3, 4), "b": raw(7)}
    found = output_error.compare_with_reference(REFERENCE, values, limits(a=1e-2, b=1e-3), "fp32")
    assert (found.error, found.tolerance) == (0.0, 1e-2)


def test_an_output_without_numbers_is_equal_and_hides_no_other() -> None:
    empty = {"none": np.empty((0, 4), np.float32)}
    found = output_error.compare_with_reference(empty, {"none": b""}, {}, "fp32")
    assert (found.error, found.tolerance) == (0.0, 1e-4)
    values = {"none": b"", "a": raw(1, 2, 3, 5), "b": raw(7)}
    found = output_error.compare_with_reference(empty | REFERENCE, values, {}, "fp32")
    assert found.error == pytest.approx(1 / np.std([1, 2, 3, 4]))


def test_a_reference_that_is_not_finite_compares_with_nothing() -> None:
    spoilt = {"a": np.array([1, 2, np.nan], np.float32)}
    found = output_error.compare_with_reference(spoilt, {"a": raw(1, 2, 3)}, {}, "fp32")
    assert (found.error, found.tolerance) == (None, None)


def test_numbers_that_are_close_together_are_measured_by_what_inputs_change() -> None:
    pair = {"pair": np.array([[5.0, 5.0001]], np.float32)}
    off = {"pair": raw(5.00005, 5.0001)}
    limit = {"pair": OutputLimit(deviation=1.0, tolerance=1e-4, rms_tolerance=1e-4)}
    assert output_error.compare_with_reference(pair, off, limit, "fp32").error == pytest.approx(
        5e-5, rel=0.01
    )


BOXES = np.exp(np.random.default_rng(0).normal(5, 1, (1, 1000, 4))).astype(np.float32)
OF_BOXES = {"boxes": OutputLimit(float(BOXES.std()), 1e-2, 5e-4)}


def test_in_a_map_a_values_distance_from_the_mean_counts_beside_the_deviation() -> None:
    off = BOXES.copy()
    largest = float(BOXES.max())
    off.flat[BOXES.argmax()] += 1
    limit = {"boxes": OutputLimit(float(BOXES.std()), 1e-2, 1.0)}
    found = output_error.compare_with_reference(
        {"boxes": BOXES}, {"boxes": off.tobytes()}, limit, "fp32"
    )
    measure = largest - BOXES.mean(dtype=np.float64) + BOXES.std(dtype=np.float64)
    assert found.error == pytest.approx(1 / measure, rel=1e-3)


def test_a_map_that_is_off_everywhere_by_a_little_is_wrong() -> None:
    off = (BOXES + 0.5).tobytes()
    found = output_error.compare_with_reference({"boxes": BOXES}, {"boxes": off}, OF_BOXES, "fp32")
    assert found.tolerance == 5e-4
    assert found.error is not None
    assert found.error > found.tolerance


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_map_far_from_zero_may_not_be_another_one(precision: Precision) -> None:
    depth = (100 + 0.1 * np.random.default_rng(0).normal(size=(1, 1, 32, 32))).astype(np.float32)
    limit = {"depth": OutputLimit(0.1, 1e-2, 5e-4)}
    for other in (depth + np.float32(0.3), np.full_like(depth, 100)):
        values = {"depth": other.tobytes()}
        found = output_error.compare_with_reference({"depth": depth}, values, limit, precision)
        assert found.error is not None
        assert found.tolerance is not None
        assert found.error > found.tolerance


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


def test_whole_numbers_above_those_of_float32_are_compared_as_they_were_sent() -> None:
    large = {"ids": np.array([2**24 + 1, 2**31 - 1, -(2**24) - 3], np.int64)}
    sent = {"ids": large["ids"].astype("<f4").tobytes()}
    found = output_error.compare_with_reference(large, sent, {}, "fp32")
    assert found.error == 0.0


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_of_counted_outputs_the_share_that_differs_counts(dtype: type[np.generic]) -> None:
    expected = {"mask": np.tile([1, 0], 1000).astype(dtype).reshape(1, 2000)}
    flipped = expected["mask"].astype("<f4")
    for differing, right in ((2, True), (3, False)):
        flipped[0, :differing] = 1 - expected["mask"][0, :differing].astype("<f4")
        found = output_error.compare_with_reference(
            expected, {"mask": flipped.tobytes()}, {}, "fp32"
        )
        assert found.error == differing / 2000
        assert found.tolerance == 1e-3
        assert (found.error <= found.tolerance) is right


def test_what_the_engine_settles_otherwise_may_be_as_either_has_it() -> None:
    places = {"places": np.array([[3, 1, 4]]), "b": np.array([7.0])}
    own = {"places": np.array([[3, 9, 4, 5]])}
    for sent, right in (((3, 1, 4), True), ((3, 9, 4, 5), True), ((3, 9, 4), False)):
        values = {"places": raw(*sent), "b": raw(7)}
        found = output_error.compare_with_reference(places, values, {}, "fp32", own)
        assert (found.strain <= 1) is right
    values = {"places": raw(3, 9, 4, 5), "b": raw(8)}
    assert output_error.compare_with_reference(places, values, {}, "fp32", own).strain > 1


def test_another_number_of_rows_can_not_be_compared() -> None:
    chosen = {"rows": np.arange(12).reshape(4, 3)}
    for rows in (np.arange(9), np.arange(15), np.arange(0)):
        sent = {"rows": rows.astype("<f4").tobytes()}
        assert output_error.compare_with_reference(chosen, sent, {}, "fp32").error is None


def test_a_number_without_axes_is_compared() -> None:
    alone = {"total": np.array(4.0, np.float32)}
    found = output_error.compare_with_reference(alone, {"total": raw(4.00001)}, {}, "fp32")
    assert found.error == pytest.approx(2.5e-6, rel=0.1)


def test_fp16_has_its_own_tolerance() -> None:
    assert output_error.OUTPUT_TOLERANCE == {"fp32": 1e-4, "fp16": 1e-1}
