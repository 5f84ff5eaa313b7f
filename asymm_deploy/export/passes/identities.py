"""Identity nodes go, except those that hand a value on under a name that must stay."""

from __future__ import annotations

import onnx_ir as ir

from asymm_deploy.export.passes.graph_pass import Build, GraphPass


class RemoveIdentities(GraphPass):
    """Identity(x) -> x.

    onnx_ir's own pass takes the node away as well where a body hands on a value of the outer graph,
    or a graph gives one value under two names; neither is a valid graph without it.
    """

    first_opset = 1

    def plan(self, node: ir.Node) -> Build | None:
        """Match where the output is inner, or x can take its name."""
        x = node.inputs[0] if node.op_type == "Identity" and node.inputs else None
        if x is None:
            return None
        if node.outputs[0].is_graph_output():
            maker = x.producer()
            if maker is None or maker.graph is not node.graph or x.is_graph_output():
                return None
        return lambda _new: []
