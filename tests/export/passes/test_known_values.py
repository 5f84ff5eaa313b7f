"""What is known of a value is known for certain, or it is not known."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from onnx import parser

from asymm_deploy.export.passes.known_values import (
    constant_array,
    inner_node,
    is_float,
    is_scalar,
    static_shape,
)

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
g (float[2,n] x, float given, int64 count) => (float[2,n] y)
<float given = {3}, float three = {3}, float nearly = {3.05}, float[2] pair = {3, 3},
 float[1,1] wide = {3}, float[1,1,1] wider = {3}> {
  h = Relu (x)  i = Add (h, h)  y = Mul (i, three)
}"""


@pytest.fixture
def values() -> dict[str, ir.Value]:
    graph = ir.from_proto(parser.parse_model(TEXT)).graph
    made = [value for node in graph for value in node.outputs]
    named = [*graph.inputs, *graph.initializers.values(), *made]
    return {str(value.name): value for value in named}


def test_a_constant_is_an_initializer_that_the_caller_cannot_replace(
    values: dict[str, ir.Value],
) -> None:
    array = constant_array(values["pair"])
    assert array is not None
    assert array.tolist() == [3, 3]
    for name in ("given", "x", "h"):
        assert constant_array(values[name]) is None
    assert constant_array(None) is None


@pytest.mark.parametrize(
    ("name", "beside", "expected"),
    [
        ("three", "x", True),
        ("three", "h", True),
        ("wide", "x", True),
        ("wider", "x", False),
        ("wide", "h", False),  # of unknown rank
        ("pair", "x", False),
        ("nearly", "x", False),
        ("given", "x", False),
        ("h", "x", False),
    ],
)
def test_a_scalar_is_one_number_that_adds_no_axes(
    values: dict[str, ir.Value], name: str, beside: str, expected: bool
) -> None:
    assert is_scalar(values[name], 3.0, values[beside]) is expected


def test_a_shape_with_an_open_dimension_is_not_known(values: dict[str, ir.Value]) -> None:
    assert static_shape(values["wide"]) == (1, 1)
    assert static_shape(values["three"]) == ()
    assert static_shape(values["x"]) is None
    assert static_shape(values["h"]) is None


def test_a_type_that_is_not_told_or_no_float_does_not_count(values: dict[str, ir.Value]) -> None:
    assert is_float(values["x"])
    assert not is_float(values["count"])
    assert not is_float(values["h"])
    assert not is_float(None)


def test_an_inner_node_serves_one_input_of_one_node(values: dict[str, ir.Value]) -> None:
    double, last = values["i"].producer(), values["y"].producer()
    assert double is not None
    assert last is not None
    assert inner_node(values["i"], last, "Mul", "Add") is double
    assert inner_node(values["i"], last, "Mul") is None
    assert inner_node(values["h"], double, "Relu") is None  # it is both of its inputs
    assert inner_node(values["x"], double, "Relu") is None
    assert inner_node(None, double, "Relu") is None
