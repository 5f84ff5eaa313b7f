"""IsNaN in operators that MNN's converter knows."""

from __future__ import annotations

import onnx_ir as ir

from asymm_deploy.export.passes.graph_pass import Build, GraphPass
from asymm_deploy.export.passes.known_values import static_shape
from asymm_deploy.export.passes.node_builder import NodeBuilder


class CompareForNan(GraphPass):
    """IsNaN(x) -> Not(Equal(x, x)): NaN alone differs from itself.

    torch writes IsNaN after the softmax of every attention that has a mask, for rows in which
    nothing is left over. MNN has no such operator, and its softmax gives 0 for those rows.
    """

    first_opset = 11  # Equal takes floating-point numbers

    def plan(self, node: ir.Node) -> Build | None:
        """Match every IsNaN."""
        if node.op_type != "IsNaN" or len(node.inputs) != 1:
            return None
        x, shape = node.inputs[0], static_shape(node.inputs[0])

        def build(new: NodeBuilder) -> list[ir.Node]:
            same = new.node("Equal", [x, x], shape)
            return [same, new.node("Not", [same.outputs[0]], shape)]

        return build
