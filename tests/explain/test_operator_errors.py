"""An error is a share of the deviation; what isn't finite, varies or has elements is told apart."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.explain.explanation import MOST_OVER_DEVIATION, MOST_SNR_DB
from asymm_deploy.explain.operator_errors import error_of, expected_values
from asymm_deploy.explain.placing.placed_operator import ExpectedTensor

WAVE = np.tile(np.array([-1.0, 1.0], np.float32), 50)


def test_an_error_is_told_over_the_deviation_and_as_power() -> None:
    found = WAVE.copy()
    found[0] += 0.5
    error = error_of(WAVE, found)

    assert error.over_deviation == pytest.approx(0.5)
    assert error.snr_db == pytest.approx(10 * math.log10(100 / 0.25))


def test_equal_values_have_no_error_even_where_they_are_not_finite() -> None:
    values = np.array([1.0, np.nan, np.inf, -np.inf, 2.0])
    assert error_of(values, values.copy()).over_deviation == 0.0
    assert error_of(values, values.copy()).snr_db == MOST_SNR_DB


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_should_be_a_number_and_is_none_is_as_far_as_can_be(wrong: float) -> None:
    found = WAVE.copy()
    found[3] = wrong
    for error in (error_of(WAVE, found), error_of(found, WAVE)):
        assert error.over_deviation == MOST_OVER_DEVIATION
        assert error.snr_db == -MOST_SNR_DB


def test_values_beside_an_infinity_are_still_compared() -> None:
    expected = np.append(WAVE, np.inf)
    found = expected.copy()
    found[0] += 0.5
    assert error_of(expected, found).over_deviation == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("constant", "found", "over"),
    [(5.0, 5.001, 0.01), (0.0, 0.0, 0.0), (0.0, 1e-30, MOST_OVER_DEVIATION)],
)
def test_constant_values_are_measured_by_their_size(
    constant: float, found: float, over: float
) -> None:
    error = error_of(np.full(4, constant), np.full(4, found))
    assert error.over_deviation == pytest.approx(over)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8, np.bool_])
def test_integers_and_booleans_are_compared_too(kind: type[np.generic]) -> None:
    expected = np.array([0, 1, 1, 0]).astype(kind)
    assert error_of(expected, expected.astype(np.int32)).over_deviation == 0.0
    assert error_of(expected, 1 - expected.astype(np.int32)).over_deviation == 2.0


def test_a_reference_is_repeated_cut_or_laid_out_as_its_operator_needs_it() -> None:
    values = {"t": np.arange(6.0).reshape(1, 6, 1, 1)}

    def expected(shape: tuple[int, ...], channels: tuple[int, int] | None = None) -> Any:
        return expected_values(ExpectedTensor("t", channels), shape, values)

    assert expected((2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert expected((1, 6, 2, 1))[0, :, 1, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert expected((1, 2, 1, 1), (2, 4)).ravel().tolist() == [2, 3]
    assert expected((1, 5)) is None
    assert expected_values(ExpectedTensor("unknown"), (1,), values) is None


def test_a_fault_is_an_error_of_its_own_of_one_operator_and_on_layer_of_those_after_it(
    everything: Any, tmp_path: Path, judge: Any
) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(everything.graph)
    (node,) = [x for x in changed.graph.node if x.name == "/bottleneck/project/Conv"]
    (weight,) = [x for x in changed.graph.initializer if x.name == node.input[1]]
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] *= 1.5
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))

    faulty = judge(everything.graph, changed, everything.sample, tmp_path)
    accused = [each for each in faulty.operators if each.accused]
    assert [each.node for each in accused] == ["/bottleneck/project/Conv"]
    later = [x for x in faulty.operators if x.index > accused[0].index and x.on_layer]
    assert sum(x.on_layer.over_deviation > x.own_limit for x in later) > 30


STRIDED = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,3,8,8] x) => (float[1,3,{size},{size}] y) {{
  [first] a = Abs(x)
  [pool] b = MaxPool<kernel_shape=[2,2], strides=[{stride},{stride}]>(a)
  [later] y = Exp(b)
}}"""


def test_what_has_another_shape_is_accused_and_what_reads_it_is_not(
    tmp_path: Path, judge: Any
) -> None:
    right, wrong = (
        onnx.parser.parse_model(STRIDED.format(stride=stride, size=size))
        for stride, size in ((2, 4), (1, 7))
    )
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    faulty = judge(right, wrong, {"x": x}, tmp_path)

    assert [each.node for each in faulty.operators if each.accused] == ["pool"]
    assert {each.unjudged for each in faulty.operators if each.node == "later"} == {
        "what it reads has another shape than in the reference"
    }


def test_nobody_is_accused_without_a_fault(everything: Any) -> None:
    assert [each.name for each in everything.operators if each.accused] == []
