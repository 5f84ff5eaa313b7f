"""A classifier behind global pooling stays in 1x1 maps, as the convolutions that it is to MNN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from asymm_deploy.export.passes.graph_pass import Build, GraphPass
from asymm_deploy.export.passes.known_values import (
    constant_array,
    inner_node,
    is_float,
    static_shape,
)
from asymm_deploy.export.passes.node_builder import NodeBuilder

_ACTIVATIONS = frozenset(
    {"Clip", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh"}
)


class ClassifierInMaps(GraphPass):
    """Flatten moves behind the classifier; two rewrites in one walk, since each feeds the other.

    - Gemm(Flatten(x), W, b) with x of 1x1 maps -> Flatten(Conv(x, W as 1x1 kernels, b)). MNN
      computes both as a convolution, but wraps a Gemm in six operators that look up shapes.
    - Activation(Flatten(x)) with x of 1x1 maps -> Flatten(Activation(x)), so that a classifier of
      several layers stays in maps.

    Requires known shapes, constant weights, and a flat view that nothing else uses.
    """

    first_opset = 7  # Gemm broadcasts its bias

    def plan(self, node: ir.Node) -> Build | None:
        """Match a Gemm or an activation whose input is the flat view of 1x1 maps."""
        if not node.inputs or not is_float(node.outputs[0]):
            return None
        maps, shape = _flattened(node.inputs[0], node), static_shape(node.outputs[0])
        if maps is None or shape is None:
            return None
        if node.op_type in _ACTIVATIONS:
            return _activation(node, maps, shape)
        return _convolution(node, maps, shape) if node.op_type == "Gemm" else None


def _activation(node: ir.Node, maps: ir.Value, shape: tuple[int, ...]) -> Build:
    def build(new: NodeBuilder) -> Sequence[ir.Node]:
        inputs = [maps, *node.inputs[1:]]
        activation = new.node(node.op_type, inputs, (*shape, 1, 1), node.attributes)
        return [activation, new.node("Flatten", [activation.outputs[0]], shape, {"axis": 1})]

    return build


def _convolution(node: ir.Node, maps: ir.Value, shape: tuple[int, ...]) -> Build | None:
    attributes = node.attributes
    if attributes.get_float("alpha", 1.0) != 1.0 or attributes.get_float("beta", 1.0) != 1.0:
        return None
    weights = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
    if weights is None or attributes.get_int("transA", 0) != 0:
        return None
    rows = weights if attributes.get_int("transB", 0) == 1 else weights.T
    bias = None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = _bias_by_row(constant_array(node.inputs[2]), len(rows))
        if bias is None:
            return None

    def build(new: NodeBuilder) -> Sequence[ir.Node]:
        inputs: list[ir.Value | None] = [maps, new.initializer("kernels", rows[:, :, None, None])]
        if bias is not None:
            as_it_is = static_shape(node.inputs[2]) == bias.shape
            inputs.append(node.inputs[2] if as_it_is else new.initializer("bias", bias))
        conv = new.node("Conv", inputs, (*shape, 1, 1), {"kernel_shape": [1, 1]})
        return [conv, new.node("Flatten", [conv.outputs[0]], shape, {"axis": 1})]

    return build


def _bias_by_row(
    given: npt.NDArray[np.generic] | None, rows: int
) -> npt.NDArray[np.generic] | None:
    """Return one number for each row of the weights; None where ``given`` varies by sample."""
    if given is None or given.shape[-1:] not in ((), (given.size,)):
        return None
    return np.broadcast_to(given.reshape(-1), (rows,))


def _flattened(value: ir.Value | None, user: ir.Node) -> ir.Value | None:
    """Return the [n, c, 1, 1] tensor of which ``value`` is the [n, c] view for ``user`` alone."""
    view = inner_node(value, user, "Flatten", "Reshape", "Squeeze")
    maps = None if view is None else view.inputs[0]
    shape, flat = static_shape(maps), static_shape(value)
    if shape is None or shape[2:] != (1, 1) or flat != shape[:2]:
        return None
    return maps
