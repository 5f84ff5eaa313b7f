"""New nodes and constants never share a name with anything."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx import parser

from asymm_deploy.export.passes.node_builder import NodeBuilder, TakenNames

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
g (float[2] x) => (float[2] y) <float[2] y_bias = {1, 2}> {
  [sum] h = Add (x, y_bias)  [sum_Sin] i = Neg (h)  [last] y = Relu (i)
}"""


def builder() -> tuple[ir.Model, NodeBuilder]:
    model = ir.from_proto(parser.parse_model(TEXT))
    return model, NodeBuilder(model.graph[-1], TakenNames.in_model(model))


def test_constants_of_one_role_are_numbered() -> None:
    model, new = builder()
    names = [new.initializer("bias", np.zeros(2, np.float32)).name for _ in range(3)]
    assert names == ["y_bias_2", "y_bias_3", "y_bias_4"]
    assert list(model.graph.initializers) == ["y_bias", *names]


def test_nodes_of_one_kind_are_numbered() -> None:
    _, new = builder()
    made = [new.node("Sin", [None], (2,)) for _ in range(2)]
    assert [node.name for node in made] == ["last_Sin", "last_Sin_2"]
    assert [node.outputs[0].name for node in made] == ["y_Sin", "y_Sin_2"]


def test_a_node_has_the_type_of_what_it_replaces_and_the_shape_given() -> None:
    _, new = builder()
    known, unknown = new.node("Sin", [None], (2, 3)), new.node("Sin", [None], None)
    assert known.outputs[0].dtype == ir.DataType.FLOAT
    assert known.outputs[0].shape == ir.Shape((2, 3))
    assert unknown.outputs[0].shape is None


def test_names_in_use_are_those_of_inputs_constants_and_outputs() -> None:
    model, _ = builder()
    taken = TakenNames.in_model(model)
    assert taken.values == {"x", "y_bias", "h", "i", "y"}
    assert taken.nodes == {"sum", "sum_Sin", "last"}
