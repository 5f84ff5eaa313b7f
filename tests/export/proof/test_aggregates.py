"""What a report says of several outputs and inputs: the worst, the least, the largest, or the mean.

In each test these differ, from one another and from the first and the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from asymm_deploy.engines.tensors import Array
from asymm_deploy.export.proof import parity
from asymm_deploy.export.proof.parity import (
    FP32_TOLERANCE,
    MAP_RMS_TOLERANCE,
    MAP_TOLERANCE,
    Numbers,
    ParityReport,
    compare_outputs,
)

Sides = tuple[list[list[Array]], list[list[Array]]]


def sides(*outputs: tuple[Sequence[Array], Sequence[Array]]) -> Sides:
    """The reference and the candidate as [input][output], from a pair of both for each output."""
    reference = [[pair[0][i] for pair in outputs] for i in range(len(outputs[0][0]))]
    candidate = [[pair[1][i] for pair in outputs] for i in range(len(outputs[0][0]))]
    return reference, candidate


def rows(*values: Sequence[float]) -> list[Numbers]:
    """One output for several inputs."""
    return [np.array([row], np.float64) for row in values]


def turned(*degrees: float) -> tuple[list[Numbers], list[Numbers]]:
    """A unit vector for each input, and the same turned by an angle."""
    angles = np.radians(degrees)
    return rows(*[(1.0, 0.0)] * len(degrees)), rows(
        *zip(np.cos(angles), np.sin(angles), strict=True)
    )


def picking(*agrees: bool) -> tuple[list[Numbers], list[Numbers]]:
    """An output whose argmax agrees for some inputs."""
    return (
        rows(*[(0.0, 1.0, 3.0)] * len(agrees)),
        rows(*[(0.0, 1.0, 3.0) if one else (0.0, 4.0, 3.0) for one in agrees]),
    )


def test_the_argmaxes_of_all_outputs_count_as_one_share() -> None:
    reference, candidate = sides(
        picking(True, True, True, True),
        picking(False, True, False, False),
        picking(False, True, True, False),
    )
    assert compare_outputs(reference, candidate).argmax_agreement == pytest.approx(7 / 12)


def test_one_argmax_of_one_output_that_differs_fails() -> None:
    agreeing = picking(True, True, True, True)
    near = (rows(*[(0.0, 1.0, 1.0 - 4e-5)] * 4), rows(*[(0.0, 1.0 - 4e-5, 1.0)] * 4))
    report = compare_outputs(*sides(agreeing, near, agreeing))

    assert report.strain <= 1.0
    assert report.argmax_agreement == pytest.approx(2 / 3)
    assert not report.passed


def test_the_cosine_is_the_least_of_all_outputs_and_inputs() -> None:
    reference, candidate = sides(turned(10, 20, 15), turned(25, 60, 30), turned(5, 40, 12))

    report = compare_outputs(reference, candidate)
    assert report.cosine == pytest.approx(np.cos(np.radians(60)))


def test_nothing_has_the_direction_of_nothing_alone() -> None:
    zeros, ones = rows((0.0, 0.0)), rows((0.0, 1.0))
    assert compare_outputs(*sides((zeros, zeros))).cosine == 1.0
    assert compare_outputs(*sides((zeros, ones))).cosine == 0.0
    assert compare_outputs(*sides((ones, zeros))).cosine == 0.0
    opposite = compare_outputs(*sides((ones, rows((0.0, -1.0)))))
    assert opposite.cosine == pytest.approx(-1.0)


def test_the_cosine_is_not_that_of_the_output_with_the_largest_error() -> None:
    """A constant output may not differ at all; its errors are infinite, and its cosine is 1."""
    constant = (rows((3.0, 3.0), (3.0, 3.0)), rows((3.0, 3.0), (3.1, 3.1)))
    report = compare_outputs(*sides(turned(10, 60), constant, turned(20, 30)))

    assert report.relative_error == np.inf
    assert report.cosine == pytest.approx(np.cos(np.radians(60)))


def test_an_allowance_raises_both_tolerances_and_lowers_none() -> None:
    logits = turned(0, 0)
    maps = [[row.reshape(1, 1, 2) for row in side] for side in logits]
    reference, candidate = sides(logits, (maps[0], maps[1]), logits)
    reports = parity.compare_each(reference, candidate, [3e-3, 3e-3, 3e-5])

    assert [report.tolerance for report in reports] == [3e-3, MAP_TOLERANCE, FP32_TOLERANCE]
    assert [report.rms_tolerance for report in reports] == [3e-3, 3e-3, FP32_TOLERANCE]


def test_the_largest_difference_is_that_of_any_output_whichever_is_worst() -> None:
    wide = rows((0.0, 1e6), (1e6, 0.0), (0.0, 1e6))
    narrow = rows((0.0, 1.0), (1.0, 0.0), (0.0, 1.0))
    moved = [
        [row + by for row, by in zip(wide, steps, strict=True)]
        for steps in ((0.5, 2.0, 1.0), (3.0, 5.0, 4.0), (0.25, 1.0, 0.5))
    ]
    report = compare_outputs(
        *sides(
            (wide, moved[0]),
            (wide, moved[1]),
            (narrow, [row + by for row, by in zip(narrow, (0.02, 0.1, 0.05), strict=True)]),
            (wide, moved[2]),
        )
    )
    assert report.max_abs_error == pytest.approx(5.0)
    # Yet the third is the worst, by far: half a deviation is 0.25 there.
    assert report.relative_error == pytest.approx(0.2)
    assert report.rms_error == pytest.approx(np.sqrt((0.02**2 + 0.1**2 + 0.05**2) / 3) / 0.5)


def test_the_errors_are_those_of_the_output_nearest_to_its_own_tolerance() -> None:
    """A map may be further off than logits, and is not the worst for that."""
    logits = rows((0.0, 1.0), (1.0, 0.0), (0.0, 1.0))
    dense = [np.reshape(row, (1, 1, 2)) for row in logits]
    off = {by: [row + by for row in logits] for by in (1e-5, 1.5e-4)}
    report = compare_outputs(
        *sides(
            (logits, off[1e-5]),
            (dense, [row + 2e-4 for row in dense]),
            (logits, off[1.5e-4]),
            (dense, [row + 1e-4 for row in dense]),
        )
    )
    assert (report.tolerance, report.rms_tolerance) == (FP32_TOLERANCE, FP32_TOLERANCE)
    assert [report.relative_error, report.rms_error] == pytest.approx([3e-4, 3e-4])

    report = compare_outputs(
        *sides(
            (logits, off[1e-5]),
            (dense, [row + 4e-4 for row in dense]),
            (logits, off[1e-5]),
        )
    )
    assert (report.tolerance, report.rms_tolerance) == (MAP_TOLERANCE, MAP_RMS_TOLERANCE)
    assert report.rms_error == pytest.approx(8e-4)
    assert report.relative_error == pytest.approx(4e-4)  # half a deviation from the mean besides


def test_of_one_output_the_errors_are_over_all_inputs_and_elements() -> None:
    ours = rows((0.0, 2.0, 4.0), (4.0, 0.0, 2.0), (2.0, 4.0, 0.0))
    theirs = rows((0.0, 2.1, 4.0), (4.0, 0.3, 2.4), (2.0, 4.0, 0.2))
    report = compare_outputs(*sides((ours, theirs)))

    deviation = np.sqrt(8 / 3)
    assert report.samples == 3
    assert report.max_abs_error == pytest.approx(0.4)
    assert report.relative_error == pytest.approx(0.4 / deviation)
    assert report.rms_error == pytest.approx(np.sqrt(0.3 / 9) / deviation)


def test_each_output_has_a_report_in_its_place() -> None:
    reference, candidate = sides(turned(10, 20), turned(30, 60), turned(5, 40))
    reports = parity.compare_each(reference, candidate)

    assert [report.cosine for report in reports] == pytest.approx(np.cos(np.radians([20, 60, 40])))


def test_without_outputs_there_is_nothing_that_differs() -> None:
    report = compare_outputs([[], []], [[], []])

    assert report == ParityReport(0.0, 0.0, 1.0, 1.0, 2)
    assert report.passed


def test_an_output_without_elements_equals_itself() -> None:
    report = compare_outputs(*sides(([np.zeros((1, 0))] * 3, [np.zeros((1, 0))] * 3)))

    assert report == ParityReport(0.0, 0.0, 1.0, 1.0, 3)


@pytest.mark.parametrize(
    ("relative", "rms", "strain"), [(3e-4, 1e-4, 3.0), (1e-3, 2e-4, 4.0), (5e-4, 2.5e-5, 5.0)]
)
def test_the_strain_is_of_whichever_error_is_nearer_to_its_tolerance(
    relative: float, rms: float, strain: float
) -> None:
    report = ParityReport(0.0, relative, 1.0, 1.0, 1, 1e-4, rms, 5e-5)

    assert report.strain == pytest.approx(max(relative / 1e-4, rms / 5e-5))
    assert not report.passed


def test_an_error_of_exactly_the_tolerance_passes() -> None:
    assert ParityReport(0.0, 1e-4, 1.0, 1.0, 1, 1e-4, 1e-4, 1e-4).passed
    assert not ParityReport(0.0, 1.01e-4, 1.0, 1.0, 1, 1e-4, 1e-4, 1e-4).passed


def test_a_map_is_measured_at_each_value_by_its_own_distance_from_the_mean() -> None:
    expected, found = np.array([0.0, 0.0, 0.0, 8.0]), np.array([0.1, 0.0, 0.3, 8.6])
    deviation = float(expected.std())  # 2 sqrt(3), and the mean is 2

    dense = parity.relative_error(expected, found, deviation, dense=True)
    assert dense == pytest.approx(0.6 / (deviation + 6.0))
    assert parity.relative_error(expected, found, deviation, dense=False) == pytest.approx(
        0.6 / deviation
    )


def test_a_maps_worst_value_is_not_the_one_that_differs_most() -> None:
    expected, found = np.array([0.0, 0.0, 0.0, 8.0]), np.array([0.1, 0.5, 0.3, 8.6])
    deviation = float(expected.std())

    dense = parity.relative_error(expected, found, deviation, dense=True)
    assert dense == pytest.approx(0.5 / (deviation + 2.0))


def test_the_root_mean_square_is_over_the_elements() -> None:
    expected, found = np.zeros(4), np.array([1.0, 5.0, 3.0, 1.0])

    assert parity.rms_error(expected, found, 2.0) == pytest.approx(3.0 / 2.0)
    assert parity.errors(expected, found, 2.0) == pytest.approx((2.5, 1.5))
    assert parity.errors(np.zeros(0), np.zeros(0), 2.0) == (0.0, 0.0)


def test_a_deviation_is_over_inputs_and_elements_and_a_size_is_the_largest() -> None:
    assert parity.deviation_or_size(rows((0.0, 2.0, 4.0), (4.0, 0.0, 2.0))) == pytest.approx(
        np.sqrt(8 / 3)
    )
    assert parity.deviation_or_size(rows((1.0, 1.0), (3.0, 3.0))) == 1.0
    assert parity.deviation_or_size(rows((0.0, 6.0), (0.0, 0.0))) == pytest.approx(np.sqrt(6.75))
    assert parity.deviation_or_size(rows((-3.0, -3.0), (-3.0, -3.0))) == 3.0
    assert parity.deviation_or_size(rows((0.0, 0.0))) == 1.0
    assert parity.deviation_or_size([np.zeros((1, 0))]) == 1.0


def test_the_spread_is_the_least_of_the_outputs_and_the_mean_over_their_elements() -> None:
    # By element, the variance over inputs is 0, 9 and 1.
    mixed = rows((5.0, 3.0, 0.0), (5.0, -3.0, 2.0))
    deviation = np.std([5.0, 3.0, 0.0, 5.0, -3.0, 2.0])
    expected = np.sqrt(10 / 3) / deviation
    alone = [[row] for row in mixed]
    assert parity.spread(alone) == pytest.approx(expected)

    full = rows((1.0, -1.0, 1.0), (-1.0, 1.0, -1.0))  # 1, of which all is by the input
    between = rows((7.0, 3.0, 0.0), (7.0, -3.0, 2.0))
    constant = rows((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))
    outputs = (between, mixed, constant, full)
    expected = min(parity.spread([[row] for row in one]) for one in (between, mixed, full))
    assert expected == parity.spread([[row] for row in between])
    for order in ((0, 1, 2, 3), (3, 0, 1, 2), (1, 2, 0, 3), (2, 3, 1, 0)):
        ordered = [[outputs[i][sample] for i in order] for sample in range(2)]
        assert parity.spread(ordered) == expected


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_output_that_is_not_finite_takes_all_spread(place: int) -> None:
    good, bad = rows((1.0, -1.0), (-1.0, 1.0)), rows((1.0, np.inf), (-1.0, 1.0))
    outputs = [bad if place == index else good for index in range(3)]

    assert parity.spread([[output[sample] for output in outputs] for sample in range(2)]) == 0.0


@pytest.mark.parametrize(("gap", "agrees"), [(0.5e-6, True), (2e-6, False), (3e-5, False)])
def test_values_closer_than_a_millionth_of_the_deviation_are_one(gap: float, agrees: bool) -> None:
    ours, theirs = rows((1.0, -1.0, 1.0 - gap)), rows((1.0 - gap, -1.0, 1.0))
    deviation = float(np.std(ours))
    report = compare_outputs(
        *sides(([row / deviation for row in ours], [row / deviation for row in theirs]))
    )
    assert (report.argmax_agreement == 1.0) is (gap < 1e-6 * deviation) is agrees


@pytest.mark.parametrize(("gap", "agrees"), [(0.8e-2, True), (1.2e-2, False)])
def test_in_a_map_values_within_its_tolerance_are_one(gap: float, agrees: bool) -> None:
    ours, theirs = rows((1.0, -1.0, 1.0 - gap)), rows((1.0 - gap, -1.0, 1.0))
    unit = float(np.std(ours))
    assert unit == pytest.approx(0.94, abs=0.01)
    ours, theirs = ([row.reshape(1, 1, 3) for row in side] for side in (ours, theirs))

    assert (compare_outputs(*sides((ours, theirs))).argmax_agreement == 1.0) is agrees
