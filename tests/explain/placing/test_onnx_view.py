"""A node is of a torch module by its name, by what it makes, its weights, or its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import NodeProto, helper

from asymm_deploy.explain.placing.onnx_view import OnnxView


def view(nodes: Sequence[NodeProto], *weights: str, outputs: Sequence[str] = ("y",)) -> OnnxView:
    tensors = [onnx.numpy_helper.from_array(np.ones(1, np.float32), name) for name in weights]
    ends = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in outputs]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    return OnnxView(helper.make_model(helper.make_graph(nodes, "g", [x], ends, tensors)))


def node(kind: str, inputs: str, output: str, name: str = "") -> NodeProto:
    return helper.make_node(kind, inputs.split(), [output], name)


def test_torch_names_a_node_after_its_module_and_the_root_has_no_name() -> None:
    inside, root = node("Conv", "x w", "a", "/a/a.0/conv/Conv"), node("Add", "a a", "y", "/Add")
    found = view([inside, root], "w")
    assert [found.module(each) for each in found.nodes] == ["a.0.conv", ""]


def test_a_node_without_torchs_name_is_known_by_the_tensor_that_it_makes() -> None:
    found = view([node("Reshape", "x w", "/fc/Add_output_0", "Reshape_3")], "w")
    assert found.module(found.nodes[0]) == "fc"


def test_a_node_is_known_by_a_parameter_that_it_alone_has() -> None:
    found = view([node("Gemm", "x onnx::M_1 b.0.fc.bias", "y")], "onnx::M_1", "b.0.fc.bias")
    assert found.module(found.nodes[0]) == "b.0.fc"


def test_a_shared_parameter_counts_only_beside_its_own_module() -> None:
    near = [node("Gemm", "x w mha.out.bias", "_v"), node("Reshape", "_v w", "y", "/mha/Reshape")]
    far = [node("Gemm", "x w enc.out.bias", "_v"), node("Reshape", "_v w", "y", "/mha/Reshape")]
    shared = [*near, node("Add", "x mha.out.bias", "z", "/Add")]
    other = [*far, node("Add", "x enc.out.bias", "z", "/Add")]

    assert view(shared, "w", "mha.out.bias").module(near[0]) == "mha.out"
    assert view(other, "w", "enc.out.bias").module(far[0]) == "mha"


def test_a_last_node_without_a_name_belongs_to_what_it_is_made_of() -> None:
    found = view(
        [node("Gemm", "x w out.bias", "_v"), node("Reshape", "_v w", "y")], "w", "out.bias"
    )
    assert found.module(found.nodes[1]) == "out"


def test_a_graph_without_torchs_names_has_no_modules() -> None:
    found = view([node("Conv", "x w", "a", "conv_1"), node("Relu", "a", "y", "relu_1")], "w")
    assert [found.module(each) for each in found.nodes] == [None, None]


def test_what_is_made_of_constants_alone_depends_on_no_input() -> None:
    found = view([node("Add", "w w", "c"), node("Add", "x c", "y")], "w")
    assert (found.has("c"), found.has("x"), found.has("y"), found.has("w")) == (
        *(False, True, True, False),
    )
    assert found.tensors == ["y"]


@pytest.mark.parametrize(
    ("later", "earlier", "is_so"),
    [("a", "a", True), ("c", "a", True), ("y", "a", False), ("a", "c", False)],
)
def test_what_comes_after_a_tensor_is_made_of_it_alone(
    later: str, earlier: str, is_so: bool
) -> None:
    chain = [node("Relu", "x", "a"), node("Clip", "a", "b"), node("Neg", "b", "c")]
    ends = [node("Exp", "c", "y"), node("Log", "c", "z")]
    assert view([*chain, *ends]).is_after(later, earlier) == is_so
