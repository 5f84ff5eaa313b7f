"""A hard-swish that an exporter spelt out becomes a single operator."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from asymm_deploy.export.passes.graph_pass import Build, GraphPass
from asymm_deploy.export.passes.hard_sigmoid import relu6_of_plus_three, sixth_of
from asymm_deploy.export.passes.known_values import inner_node, is_float, static_shape

_GateOf = Callable[[ir.Value, ir.Node], ir.Value | None]
"""Returns x where a value is the gate of x, made for a node alone."""


class FuseHardSwish(GraphPass):
    """X * HardSigmoid(x; 1/6, 1/2), or x * Clip(x + 3, 0, 6) / 6 -> HardSwish(x).

    Requires constants, and inner values that nothing else uses.
    """

    first_opset = 14  # HardSwish is new there

    def plan(self, node: ir.Node) -> Build | None:
        """Match the last node: the product, or what divides it by 6."""
        if not is_float(node.outputs[0]):
            return None
        x = _gated(node, _hard_sigmoid_of)
        if x is None:
            product = inner_node(sixth_of(node), node, "Mul")
            x = None if product is None else _gated(product, relu6_of_plus_three)
        if x is None:
            return None
        shape = static_shape(node.outputs[0])
        return lambda new: [new.node("HardSwish", [x], shape)]


def _gated(node: ir.Node, gate_of: _GateOf) -> ir.Value | None:
    """Return x where ``node`` is x * gate, and ``gate_of(gate)`` is x itself."""
    if node.op_type != "Mul" or len(node.inputs) != 2:
        return None
    for x, gate in (tuple(node.inputs), tuple(reversed(node.inputs))):
        if x is not None and gate is not None and gate_of(gate, node) is x:
            return x
    return None


def _hard_sigmoid_of(value: ir.Value, user: ir.Node) -> ir.Value | None:
    gate = inner_node(value, user, "HardSigmoid")
    if gate is None:
        return None
    alpha, beta = (gate.attributes.get_float(n, d) for n, d in (("alpha", 0.2), ("beta", 0.5)))
    return gate.inputs[0] if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5 else None
