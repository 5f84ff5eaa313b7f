"""The comparison sees what it is there for: single wrong weights and wrongly wired graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from asymm_deploy.export.proof.parity import MIN_SPREAD, compare_outputs, spread

Make = Callable[[str], Any]
NAMES = ("asymmnet_small_035", "pruned_small_035", "mbv3_small_035")


def copy_of(graph: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    return copy


def weight_names(graph: onnx.ModelProto) -> list[str]:
    used = {
        name
        for node in graph.graph.node
        if node.op_type in ("Conv", "Gemm")
        for name in node.input[1:]
    }
    return [tensor.name for tensor in graph.graph.initializer if tensor.name in used]


def change(graph: onnx.ModelProto, name: str, by: float, where: int) -> onnx.ModelProto:
    """Move one number of an initializer by ``by`` standard deviations of its layer."""
    copy = copy_of(graph)
    tensor = next(t for t in copy.graph.initializer if t.name == name)
    values = numpy_helper.to_array(tensor).copy()
    step = float(values.std()) if values.size > 1 else 1.0
    values.reshape(-1)[where % values.size] += by * step
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    return copy


@pytest.mark.parametrize("name", NAMES)
def test_an_unchanged_graph_passes_and_its_outputs_depend_on_the_input(
    make_exported: Make, name: str
) -> None:
    exported = make_exported(name)
    assert compare_outputs(exported.reference, exported.run(exported.graph)).passed
    assert spread(exported.reference) > 10 * MIN_SPREAD


@pytest.mark.parametrize("name", NAMES)
def test_one_weight_moved_in_any_one_layer_is_caught(make_exported: Make, name: str) -> None:
    exported = make_exported(name)
    rng = np.random.default_rng(0)
    names = weight_names(exported.graph)
    assert len(names) > 60
    missed = [
        weight
        for weight in names
        if compare_outputs(
            exported.reference,
            exported.run(change(exported.graph, weight, 1.0, int(rng.integers(1 << 30)))),
        ).passed
    ]
    assert missed == []


def test_a_swapped_concat_order_is_caught(make_exported: Make) -> None:
    for name in ("asymmnet_small_035", "pruned_small_035"):
        exported = make_exported(name)
        places = [i for i, n in enumerate(exported.graph.graph.node) if n.op_type == "Concat"]
        assert len(places) > 8
        for place in places:
            copy = copy_of(exported.graph)
            names = list(copy.graph.node[place].input)
            copy.graph.node[place].input[0], copy.graph.node[place].input[1] = names[1], names[0]
            assert not compare_outputs(exported.reference, exported.run(copy)).passed


def test_a_wrong_padding_is_caught(make_exported: Make) -> None:
    exported = make_exported("asymmnet_small_035")
    padded = 0
    for place, node in enumerate(exported.graph.graph.node):
        pads = next((a for a in node.attribute if a.name == "pads"), None)
        strides = next((a for a in node.attribute if a.name == "strides"), None)
        if node.op_type != "Conv" or pads is None or not any(pads.ints):
            continue
        copy = copy_of(exported.graph)
        wrong = next(a for a in copy.graph.node[place].attribute if a.name == "pads")
        # The same output size, padded at the other side: TensorFlow's and PyTorch's difference.
        wrong.ints[:] = [p - 1 for p in pads.ints[:2]] + [p + 1 for p in pads.ints[2:]]
        assert strides is not None
        assert not compare_outputs(exported.reference, exported.run(copy)).passed
        padded += 1
    assert padded == 12  # the stem and eleven depthwise convolutions


def test_a_dropped_squeeze_and_excite_gate_is_caught(make_exported: Make) -> None:
    exported = make_exported("mbv3_small_035")
    gates = {n.output[0] for n in exported.graph.graph.node if n.op_type == "HardSigmoid"}
    assert len(gates) == 9
    for gate in gates:
        copy = copy_of(exported.graph)
        product = next(n for n in copy.graph.node if n.op_type == "Mul" and gate in n.input)
        kept = next(name for name in product.input if name != gate)
        for node in copy.graph.node:
            node.input[:] = [kept if name == product.output[0] else name for name in node.input]
        assert not compare_outputs(exported.reference, exported.run(copy)).passed
