"""A file's tensors stand for the graph's by name, by what only lays them out, and by what reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx.parser

from asymm_deploy.engines.mnn_file import MnnConvolution, MnnFile, MnnOperator
from asymm_deploy.explain.placing.converted_graph import ConvertedGraph
from asymm_deploy.explain.placing.onnx_view import OnnxView

NET = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,4,8,8] x) => (float[1,4,8,8] y) {
  a = Conv<kernel_shape=[1,1]>(x, w)
  b = Relu(a)
  c = Conv<kernel_shape=[1,1]>(b, w)
  d = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>(b, v)
  e = Sigmoid(c)
  y = Add(e, d)
}"""
Line = tuple[str, str, Sequence[str], str]
"""Name, type, the tensors that it reads, and the tensor that it makes."""


def convolution(kernel: int) -> MnnConvolution:
    return MnnConvolution(
        kernel=(kernel, kernel),
        strides=(1, 1),
        dilations=(1, 1),
        pads=(0, 0),
        groups=1,
        outputs=4,
        relu=False,
        relu6=False,
        weight=None,
        bias=None,
        encoded=None,
        scales=None,
    )


def stands_for(*lines: Line, kernels: Sequence[int] = (1,) * 9) -> dict[str, str | None]:
    """Return the ONNX tensor of each tensor of a file with these operators after its input x."""
    model = onnx.parser.parse_model(NET)
    for name, size in (("w", 1), ("v", 3)):
        values = np.ones((4, 4, size, size), np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    tensors = list(dict.fromkeys(["x", *(t for line in lines for t in (*line[2], line[3]))]))
    operators = [
        MnnOperator(
            index=index,
            name=name,
            type=kind,
            inputs=tuple(tensors.index(each) for each in reads),
            outputs=(tensors.index(made),),
            convolution=convolution(kernels[index - 1]) if kind == "Convolution" else None,
        )
        for index, (name, kind, reads, made) in enumerate([("x", "Input", (), "x"), *lines])
    ]
    graph = ConvertedGraph(MnnFile(tuple(operators), tuple(tensors)), OnnxView(model))
    return {name: graph.stands_for(at) for at, name in enumerate(tensors)}


def test_a_fused_operator_is_named_after_its_convolution_and_makes_the_activations_tensor() -> None:
    found = stands_for(("a", "Convolution", ["x"], "b"), ("c", "Convolution", ["b"], "c"))
    assert found == {"x": "x", "b": "b", "c": "c"}


def test_an_activation_that_no_tensor_is_named_after_was_taken_in() -> None:
    """As in a file that was quantised: its tensors are named after their operators."""
    found = stands_for(("a", "Convolution", ["x"], "a"), ("c", "Convolution", ["a"], "c"))
    assert found == {"x": "x", "a": "b", "c": "c"}


def test_a_convolution_without_a_name_is_the_one_that_reads_its_input_and_has_its_size() -> None:
    found = stands_for(
        ("a", "Convolution", ["x"], "a"),
        ("ConvInt87", "Convolution", ["a"], "ConvInt87"),
        ("ConvInt89", "Convolution", ["a"], "ConvInt89"),
        kernels=(1, 3, 1),
    )
    assert (found["ConvInt87"], found["ConvInt89"]) == ("d", "c")


def test_what_only_lays_a_tensor_out_stands_for_it_too() -> None:
    found = stands_for(
        ("b", "Convolution", ["x"], "b"),
        ("Reshape3", "Reshape", ["b"], "Reshape3"),
        ("b___tr4c", "ConvertTensor", ["Reshape3"], "b___tr4c"),
        ("made up", "BinaryOp", ["b___tr4c"], "made up"),
        ("Reshape5", "Reshape", ["made up"], "y"),
    )
    assert found["Reshape3"] == found["b___tr4c"] == "b"
    assert found["made up"] == "y"


def test_an_operator_that_was_moved_before_a_copy_has_its_name_and_not_the_tensors() -> None:
    """The converter leaves the tensors' names where they were."""
    found = stands_for(
        ("c__matmul_converted", "Convolution", ["x"], "c__matmul_converted"),
        ("e", "UnaryOp", ["c__matmul_converted"], "ConvertTensor4"),
        ("ConvertTensor4", "ConvertTensor", ["ConvertTensor4"], "c"),
        ("c", "Reshape", ["c"], "e"),
    )
    assert found["c__matmul_converted"] == "c"
    assert found["ConvertTensor4"] == found["c"] == found["e"] == "e"


def test_a_part_of_an_operator_stands_for_nothing() -> None:
    found = stands_for(("BinaryOp2", "BinaryOp", ["x"], "BinaryOp2"))
    assert found["BinaryOp2"] is None
