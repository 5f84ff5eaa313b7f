"""A graph is made ready for simplifiers and converters without a change of what it computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.export.onnx_graph import run_onnx
from asymm_deploy.export.passes.whole_graph import (
    prepared,
    unused_inputs,
    with_recurrent_outputs,
    without_inputs,
)

HEADER = '<ir_version: 8, opset_import: ["" : 17, "own" : 1]> '
X = TensorSpec("x", (1, 2))


def parsed(text: str) -> onnx.ModelProto:
    model: onnx.ModelProto = onnx.parser.parse_model(HEADER + text)
    return model


def run(model: onnx.ModelProto, **arrays: Any) -> list[Array]:
    sample: Arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    return run_onnx(model.SerializeToString(), [sample])[0]


def test_local_functions_are_inlined() -> None:
    model = parsed(
        "g (float[1,2] x) => (float[1,2] y) { y = own.twice(x) } "
        '<domain: "own", opset_import: ["" : 17]> twice (a) => (b) { b = Add(a, a) }'
    )
    made = prepared(model, [X])

    assert (len(made.functions), len(model.functions)) == (0, 1)
    assert [node.op_type for node in made.graph.node] == ["Add"]


def test_nodes_stand_behind_what_feeds_them_in_bodies_too() -> None:
    model = parsed(
        """g (float[1,2] x, bool c) => (float[1,2] z) {
            z = Neg(y)
            y = If (c) <
                then_branch = t () => (float[1,2] p) { p = Exp(q) q = Add(x, x) },
                else_branch = e () => (float[1,2] r) { r = Identity(x) }
            >
        }"""
    )
    made = prepared(model, [X, TensorSpec("c", (), "bool")])

    assert [node.op_type for node in made.graph.node] == ["If", "Neg"]
    body = next(a.g for a in made.graph.node[0].attribute if a.name == "then_branch")
    assert [node.op_type for node in body.node] == ["Add", "Exp"]
    onnx.checker.check_model(made)


def test_a_graph_in_order_is_left_as_it_is() -> None:
    model = parsed("g (float[1,2] x) => (float[1,2] y) { a = Neg(x) y = Exp(a) }")
    assert prepared(model, [X]) == model


def test_initializers_that_old_files_list_as_inputs_are_none() -> None:
    model = parsed("g (float[1,2] x, float[2] w) => (float[1,2] y) <float[2] w = {2, 3}> "
                   "{ y = Mul(x, w) }")  # fmt: skip
    model.ir_version = 3
    made = prepared(model, [X])

    assert [entry.name for entry in made.graph.input] == ["x"]
    assert made.ir_version >= 4
    np.testing.assert_array_equal(run(made, x=[[1, 1]])[0], [[2, 3]])


def test_the_shapes_asked_for_replace_symbols_and_what_followed_from_them() -> None:
    model = parsed("g (float[n,2] x) => (float[n,2] y) <float[n,2] a> { a = Neg(x) y = Exp(a) }")
    made = prepared(model, [TensorSpec("x", (3, 2))])

    (x,) = made.graph.input
    assert [dim.dim_value for dim in x.type.tensor_type.shape.dim] == [3, 2]
    assert not made.graph.value_info
    assert [dim.dim_value for dim in made.graph.output[0].type.tensor_type.shape.dim] == [3, 2]


@pytest.mark.parametrize("sizes", [None, [-1, 2], ["n", 2]])
def test_outputs_get_the_shapes_that_follow(sizes: list[int | str] | None) -> None:
    model = parsed("g (float[1,2] x) => (float[1,2] y) { y = Neg(x) }")
    del model.graph.output[:]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, sizes)
    model.graph.output.append(output)

    (y,) = prepared(model, [X]).graph.output
    assert [dim.dim_value for dim in y.type.tensor_type.shape.dim] == [1, 2]


def test_a_scalar_keeps_its_rank() -> None:
    model = parsed("g (float x) => (float y) { y = Neg(x) }")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    (x,) = prepared(model, [TensorSpec("x", ())]).graph.input
    assert x.type.tensor_type.HasField("shape")


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("g (float[1] x, float[1] u) => (float[1] y) { y = Neg(x) }", ("u",)),
        ("g (float[1] u, float[1] x) => (float[1] x) { }", ("u",)),
        ("g (float[1] x, float[1] u) => (float[1] y, float[1] u) { y = Neg(x) }", ()),
        ("g (float[1] x, float[1] w) => (float[1] y) <float[1] w = {1}> { y = Neg(x) }", ()),
        ("g (float[1] a, float[1] b) => (float[1] y) <float[1] k = {1}> { y = Neg(k) }",
         ("a", "b")),
        ("g (float[1] x, bool c) => (float[1] y) { y = If (c) <then_branch = t () => (float[1] p) "
         "{ p = Neg(x) }, else_branch = e () => (float[1] q) { q = Exp(x) }> }", ()),
    ],
)  # fmt: skip
def test_an_input_is_unused_where_no_node_body_or_output_has_it(
    text: str, unused: tuple[str, ...]
) -> None:
    model = parsed(text)
    assert unused_inputs(model) == unused
    left = [entry.name for entry in without_inputs(model, unused).graph.input]
    assert left == [entry.name for entry in model.graph.input if entry.name not in unused]


def recurrent(kind: str, outputs: Sequence[str], used: str) -> onnx.ModelProto:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    rng = np.random.default_rng(0)
    weights = [
        onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in (("w", (1, 5 * gates, 8)), ("r", (1, 5 * gates, 5)))
    ]
    graph = helper.make_graph(
        [
            helper.make_node(kind, ["x", "w", "r"], outputs, hidden_size=5),
            helper.make_node("Neg", [used], ["z"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 1, 8])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [None] * (4 if used == "y" else 3))],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("kind", "outputs", "used"),
    [
        ("LSTM", ["y"], "y"),
        ("LSTM", ["", "h"], "h"),
        ("LSTM", ["", "", "c"], "c"),
        ("GRU", ["y"], "y"),
        ("GRU", ["", "h"], "h"),
        ("RNN", ["", "h"], "h"),
    ],
)
def test_recurrent_layers_get_all_their_outputs_back(
    kind: str, outputs: list[str], used: str
) -> None:
    model = recurrent(kind, outputs, used)
    made = with_recurrent_outputs(model)

    names = list(made.graph.node[0].output)
    assert len(set(names) - {""}) == {"LSTM": 3, "GRU": 2, "RNN": 2}[kind]
    assert [(n, was) for n, was in zip(names, outputs, strict=False) if was and n != was] == []
    x = np.random.default_rng(1).standard_normal((3, 1, 8))
    np.testing.assert_array_equal(run(made, x=x)[0], run(model, x=x)[0])


def test_names_that_are_taken_are_not_given_again() -> None:
    model = recurrent("LSTM", ["y"], "y")
    model.graph.node[1].output[0] = model.graph.output[0].name = "y_Y_h"
    onnx.checker.check_model(with_recurrent_outputs(model))
