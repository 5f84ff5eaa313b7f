"""PReLU's slopes in the shape that MNN's converter takes as one operator."""

from __future__ import annotations

import onnx_ir as ir

from asymm_deploy.export.passes.graph_pass import Build, GraphPass
from asymm_deploy.export.passes.known_values import constant_array, static_shape


class SlopesByChannel(GraphPass):
    """PRelu(x, slopes of shape (C, 1, 1)) -> PRelu(x, slopes of shape (1, C, 1, 1)).

    Both broadcast alike. torch writes the former, of which MNN's converter makes a comparison, a
    selection and a product, each over the whole map. Requires the shape of the map, of four axes,
    and constant slopes.
    """

    first_opset = 7  # PRelu broadcasts

    def plan(self, node: ir.Node) -> Build | None:
        """Match slopes with one axis less than the map."""
        if node.op_type != "PRelu" or len(node.inputs) != 2:
            return None
        maps, shape = node.inputs[0], static_shape(node.inputs[0])
        if shape is None or len(shape) != 4:
            return None
        slopes = constant_array(node.inputs[1])
        if slopes is None or slopes.shape != (shape[1], 1, 1):
            return None
        return lambda new: [new.like([maps, new.initializer("slopes", slopes[None])])]
