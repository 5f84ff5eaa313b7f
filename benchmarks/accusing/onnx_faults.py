"""Faults in a copy of an .onnx graph: each changes one node, and what it computes.

Every fault takes the graph and the node, and edits the graph in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, helper, numpy_helper

Floats: TypeAlias = npt.NDArray[np.float32]
OnnxFault: TypeAlias = Callable[[GraphProto, NodeProto], None]
Change: TypeAlias = Callable[[Floats], Floats]


def noisy(share: float) -> Change:
    """Return a change of each value by ``share`` of it, one way or the other."""

    def changed(values: Floats) -> Floats:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], values.shape)
        return np.asarray(values * (1 + share * signs), np.float32)

    return changed


def one_channel(factor: float) -> Change:
    """Return a change of the middle channel's values; channels are the first axis."""

    def changed(values: Floats) -> Floats:
        found = np.array(values, np.float32)
        found[len(found) // 2] *= factor
        return found

    return changed


def shifted(amount: float) -> Change:
    """Return a change of the middle value by ``amount`` of the largest one."""

    def changed(values: Floats) -> Floats:
        found = np.array(values, np.float32)
        found[len(found) // 2] += amount * float(np.abs(values).max() or 1.0)
        return found

    return changed


def in_fp16(values: Floats) -> Floats:
    """Return the values as 16-bit floats keep them."""
    return values.astype(np.float16).astype(np.float32)


def in_bf16(values: Floats) -> Floats:
    """Return the values as bfloat16 keeps them: the upper half of a float's bits, rounded."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def in_int8(values: Floats) -> Floats:
    """Return the values as 8 bits keep them, with one scale for all."""
    scale = float(np.abs(values).max()) / 127
    return (np.round(values / scale) * scale).astype(np.float32)


def weights(change: Change) -> OnnxFault:
    """Return the fault of a layer's weights."""
    return lambda graph, node: _change_constant(graph, node, 1, change)


def bias(change: Change) -> OnnxFault:
    """Return the fault of a layer's bias."""
    return lambda graph, node: _change_constant(graph, node, 2, change)


def scale(factor: float) -> OnnxFault:
    """Return the fault of one channel's scale, as of a BatchNorm: folded or not."""

    def made(graph: GraphProto, node: NodeProto) -> None:
        _change_constant(graph, node, 1, one_channel(factor))
        if node.op_type != "BatchNormalization":
            _change_constant(graph, node, 2, one_channel(factor))

    return made


def pads_moved(_graph: GraphProto, node: NodeProto) -> None:
    """Move the padding of one side to the other: the output keeps its shape."""
    pads = next(each for each in node.attribute if each.name == "pads")
    moved = list(pads.ints)
    half = len(moved) // 2
    moved[0], moved[half] = moved[0] + 1, moved[half] - 1
    pads.ints[:] = moved


def removed(graph: GraphProto, node: NodeProto) -> None:
    """Leave out an activation: its output is its input."""
    del node.attribute[:], node.input[1:]
    node.op_type = "Identity"
    assert node in graph.node


def replaced(by: str) -> OnnxFault:
    """Return the fault of an activation that is another: Relu6, Swish, or an ONNX operator."""

    def made(graph: GraphProto, node: NodeProto) -> None:
        del node.attribute[:], node.input[1:]
        if by == "Relu6":
            for name, value in (("low", 0.0), ("high", 6.0)):
                graph.initializer.append(
                    numpy_helper.from_array(np.array(value, np.float32), f"{node.name}/{name}")
                )
            node.input.extend([f"{node.name}/low", f"{node.name}/high"])
            node.op_type = "Clip"
        elif by == "Swish":
            gate = helper.make_node(
                "Sigmoid", [node.input[0]], [f"{node.name}/gate"], f"{node.name}/gate"
            )
            node.input.append(gate.output[0])
            node.op_type = "Mul"
            graph.node.insert(list(graph.node).index(node), gate)
        else:
            node.op_type = by

    return made


def inputs_swapped(_graph: GraphProto, node: NodeProto) -> None:
    """Exchange the first two inputs: a concat's order, a subtraction's sides."""
    first, second = node.input[:2]
    node.input[0], node.input[1] = second, first


def operator(kind: str) -> OnnxFault:
    """Return the fault of a node that is another operator with the same inputs."""

    def made(_graph: GraphProto, node: NodeProto) -> None:
        node.op_type = kind

    return made


def word(name: str, value: str) -> OnnxFault:
    """Return the fault of an attribute that is another word."""

    def made(_graph: GraphProto, node: NodeProto) -> None:
        next(each for each in node.attribute if each.name == name).s = value.encode()

    return made


def transposed_otherwise(_graph: GraphProto, node: NodeProto) -> None:
    """Exchange the last two axes of a Transpose as well; what comes after it takes any shape."""
    axes = next(each for each in node.attribute if each.name == "perm").ints
    axes[-2], axes[-1] = axes[-1], axes[-2]


def sliced_elsewhere(by: int) -> OnnxFault:
    """Return the fault of a Slice that begins and ends ``by`` further on."""

    def made(graph: GraphProto, node: NodeProto) -> None:
        for index in (1, 2):
            _change_constant(graph, node, index, lambda values: values + by)

    return made


def with_fault(graph: GraphProto, name: str, fault: OnnxFault) -> GraphProto:
    """Return a copy of ``graph`` with the fault at the node ``name``."""
    copy = GraphProto()
    copy.CopyFrom(graph)
    fault(copy, next(node for node in copy.node if node.name == name))
    return copy


def _change_constant(graph: GraphProto, node: NodeProto, index: int, change: Change) -> None:
    """Give the node a constant of its own: others may share it."""
    old = next(each for each in graph.initializer if each.name == node.input[index])
    new = numpy_helper.from_array(change(numpy_helper.to_array(old)), f"{node.name}/{index}")
    node.input[index] = new.name
    graph.initializer.append(new)
