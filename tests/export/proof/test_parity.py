"""Equal sides pass, and what differs by more than the tolerance does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.engines.tensors import Array
from asymm_deploy.export.proof.parity import (
    FP32_TOLERANCE,
    MAP_RMS_TOLERANCE,
    MAP_TOLERANCE,
    compare_outputs,
    is_map,
    spread,
)

RNG = np.random.default_rng(0)
REFERENCE = [[RNG.standard_normal((1, 50)).astype(np.float32)] for _ in range(8)]


def moved(by: float) -> list[list[np.ndarray]]:
    """The reference with one number of the last input moved by ``by`` deviations."""
    changed = [[sample[0].astype(np.float64)] for sample in REFERENCE]
    changed[-1][0][0, 3] += by * np.std(REFERENCE)
    return changed


def test_a_side_equals_itself() -> None:
    report = compare_outputs(REFERENCE, REFERENCE)
    assert (report.max_abs_error, report.relative_error) == (0.0, 0.0)
    assert report.cosine == pytest.approx(1.0)
    assert report.samples == 8
    assert report.passed


@given(st.floats(0.01, 100))
def test_the_tolerance_is_a_share_of_the_deviation_whatever_the_unit(unit: float) -> None:
    for by, passes in ((0.9 * FP32_TOLERANCE, True), (1.1 * FP32_TOLERANCE, False)):
        scaled = [[unit * a[0].astype(np.float64)] for a in REFERENCE]
        other = [[unit * a[0]] for a in moved(by)]
        assert compare_outputs(scaled, other).passed is passes


def test_an_argmax_that_differs_fails_however_small_the_difference() -> None:
    ours = [[np.array([[1.0, 1.0 - 4e-5, -1.0]])]] * 8
    theirs = [[np.array([[1.0 - 4e-5, 1.0, -1.0]])]] * 8
    report = compare_outputs(ours, theirs)
    assert report.relative_error <= FP32_TOLERANCE
    assert report.argmax_agreement == 0.0
    assert not report.passed


def test_a_tie_counts_as_agreement() -> None:
    ours = [[np.array([[1.0, 1.0, -1.0]])]]
    theirs = [[np.array([[1.0 - 1e-7, 1.0, -1.0]])]]
    assert compare_outputs(ours, theirs).argmax_agreement == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_fails_on_either_side(bad: float) -> None:
    spoilt = moved(0.0)
    spoilt[0][0][0, 0] = bad
    assert not compare_outputs(REFERENCE, spoilt).passed
    assert not compare_outputs(spoilt, REFERENCE).passed
    assert not compare_outputs(spoilt, spoilt).passed
    assert spread(spoilt) == 0.0


def test_other_shapes_and_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        compare_outputs(REFERENCE, [[a[0].reshape(5, 10)] for a in REFERENCE])
    with pytest.raises(ValueError, match="outputs"):
        compare_outputs(REFERENCE, [[a[0], a[0]] for a in REFERENCE])
    with pytest.raises(ValueError, match="results"):
        compare_outputs(REFERENCE, REFERENCE[:-1])


def test_every_output_counts_not_only_the_first() -> None:
    two = [[a[0], a[0]] for a in REFERENCE]
    wrong = [[a[0], b[0]] for a, b in zip(REFERENCE, moved(0.01), strict=True)]
    assert not compare_outputs(two, wrong).passed


def test_a_constant_output_may_not_differ_at_all() -> None:
    ours = [[np.full((1, 4), 3.0)]] * 3
    assert compare_outputs(ours, ours).passed
    assert not compare_outputs(ours, [[np.full((1, 4), 3.0 + 1e-6)]] * 3).passed


def test_spread_is_zero_without_and_large_with_dependence_on_the_input() -> None:
    assert spread([[np.ones((1, 4))]] * 8) == 0.0
    assert spread(REFERENCE) == pytest.approx(1.0, abs=0.2)
    hardly = [[100.0 + a[0]] for a in REFERENCE]
    assert spread(hardly) == pytest.approx(spread(REFERENCE))  # tolerances are shares of it, too
    patterned = [[100.0 * np.arange(50) + a[0]] for a in REFERENCE]
    assert spread(patterned) == pytest.approx(1 / 1443, rel=0.3)
    anchors: list[list[Array]] = [[a[0], np.ones(3)] for a in REFERENCE]
    assert spread(anchors) == spread(REFERENCE)


def maps(by: float) -> list[list[Array]]:
    """The reference as maps of 5 x 10, with one number of about 0.9 moved by ``by`` deviations."""
    return [[sample[0].reshape(1, 5, 10)] for sample in moved(by)]


@pytest.mark.parametrize(("share", "passes"), [(1.5, True), (2.5, False)])
def test_a_map_has_a_tolerance_of_its_own(share: float, passes: bool) -> None:
    report = compare_outputs(maps(0.0), maps(share * MAP_TOLERANCE))

    assert report.tolerance == MAP_TOLERANCE
    assert (report.relative_error <= report.tolerance) is passes


def test_the_argmax_of_a_map_may_be_any_value_within_the_tolerance() -> None:
    ours = [[np.array([[[1.0, 1.0 - 4e-4, -1.0]]])]] * 8
    theirs = [[np.array([[[1.0 - 4e-4, 1.0, -1.0]]])]] * 8
    assert compare_outputs(ours, theirs).passed
    ours, theirs = ([[a[0].reshape(1, 3)] for a in side] for side in (ours, theirs))
    assert not compare_outputs(ours, theirs).passed


def test_a_map_may_not_be_wrong_everywhere_by_a_little() -> None:
    everywhere = [[np.add(sample[0], 0.5 * MAP_TOLERANCE)] for sample in maps(0.0)]
    report = compare_outputs(maps(0.0), everywhere)
    assert report.relative_error < report.tolerance
    assert report.rms_error > MAP_RMS_TOLERANCE == report.rms_tolerance
    assert not report.passed


def test_boxes_half_a_pixel_off_are_not_equal() -> None:
    rng = np.random.default_rng(3)
    boxes = [[np.exp(rng.normal(5, 1, (1, 1000, 4)))] for _ in range(4)]
    assert not compare_outputs(boxes, [[sample[0] + 0.5] for sample in boxes]).passed
    assert compare_outputs(boxes, [[sample[0] * (1 + 1e-4)] for sample in boxes]).passed


@pytest.mark.parametrize(
    ("shape", "dense"),
    [
        ((50,), False),
        ((1, 50), False),
        ((1, 50, 1, 1), False),
        ((1, 50, 1), True),
        ((1, 5, 10), True),
        ((1, 5, 10, 1), True),
        ((1, 1, 1, 50), True),
    ],
)
def test_logits_are_no_map_whatever_axes_they_have(shape: tuple[int, ...], dense: bool) -> None:
    assert is_map(np.zeros(shape)) is dense


def test_what_one_output_is_allowed_is_not_another_ones() -> None:
    ours = [[a[0], a[0]] for a in REFERENCE]
    theirs = [[a[0], b[0]] for a, b in zip(REFERENCE, moved(5e-4), strict=True)]
    assert compare_outputs(ours, theirs, [0.0, 1e-3]).passed
    assert not compare_outputs(ours, theirs, [1e-3, 0.0]).passed


def test_the_report_is_of_the_output_that_is_furthest_above_its_tolerance() -> None:
    logits, both = REFERENCE, maps(0.0)
    ours = [[a[0], b[0]] for a, b in zip(logits, both, strict=True)]
    theirs = [[a[0], b[0]] for a, b in zip(moved(2e-4), maps(4e-4), strict=True)]
    report = compare_outputs(ours, theirs)

    assert report.tolerance == FP32_TOLERANCE  # 2 times its own, where the map is at a fifth
    assert report.relative_error == pytest.approx(2e-4, rel=1e-3)
    assert not report.passed
    swapped = compare_outputs([a[::-1] for a in ours], [b[::-1] for b in theirs])
    assert swapped == report
