"""A hard-sigmoid that an exporter spelt out becomes a single operator."""

from __future__ import annotations

import onnx_ir as ir

from asymm_deploy.export.passes.graph_pass import Build, GraphPass
from asymm_deploy.export.passes.known_values import (
    inner_node,
    is_float,
    is_scalar,
    static_shape,
)


class FuseHardSigmoid(GraphPass):
    """Clip(x + 3, 0, 6) / 6, or the same times 1/6 -> HardSigmoid(x; 1/6, 1/2).

    Requires constants, and inner values that nothing else uses.
    """

    first_opset = 11  # Clip has its limits as inputs

    def plan(self, node: ir.Node) -> Build | None:
        """Match the last node of the three, the division."""
        if not is_float(node.outputs[0]):
            return None
        x = relu6_of_plus_three(sixth_of(node), node)
        if x is None:
            return None
        shape = static_shape(node.outputs[0])
        return lambda new: [new.node("HardSigmoid", [x], shape, {"alpha": 1.0 / 6.0, "beta": 0.5})]


def sixth_of(node: ir.Node) -> ir.Value | None:
    """Return y where ``node`` is y / 6 or y * (1/6)."""
    if len(node.inputs) != 2:
        return None
    left, right = node.inputs
    if node.op_type == "Div" and is_scalar(right, 6.0, left):
        return left
    if node.op_type == "Mul":
        if is_scalar(right, 1 / 6, left):
            return left
        if is_scalar(left, 1 / 6, right):
            return right
    return None


def relu6_of_plus_three(value: ir.Value | None, user: ir.Node) -> ir.Value | None:
    """Return x where ``value`` is Clip(x + 3, 0, 6) and made for ``user`` alone."""
    clip = inner_node(value, user, "Clip")
    if clip is None or len(clip.inputs) != 3:
        return None
    total, low, high = clip.inputs
    if not (is_scalar(low, 0.0, total) and is_scalar(high, 6.0, total)):
        return None
    add = inner_node(total, clip, "Add")
    if add is None:
        return None
    left, right = add.inputs
    if is_scalar(right, 3.0, left):
        return left
    return right if is_scalar(left, 3.0, right) else None
