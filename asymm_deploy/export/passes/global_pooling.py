"""A mean over the whole map becomes the operator of that name."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from asymm_deploy.export.passes.graph_pass import Build, GraphPass
from asymm_deploy.export.passes.known_values import constant_array, is_float, static_shape
from asymm_deploy.export.passes.node_builder import NodeBuilder


class PoolGlobally(GraphPass):
    """ReduceMean over all of a map, or AveragePool as large as it -> GlobalAveragePool (+ Flatten).

    torch's dynamo exporter writes AdaptiveAvgPool2d(1) as the former, which MNN runs seven times
    slower. Requires the shape of the map, of four axes.
    """

    first_opset = 1

    def plan(self, node: ir.Node) -> Build | None:
        """Match a mean over the last two axes of four, and nothing but them."""
        if node.op_type not in ("ReduceMean", "AveragePool") or not node.inputs:
            return None
        maps = node.inputs[0]
        shape = static_shape(maps)
        if shape is None or len(shape) != 4 or not is_float(maps):
            return None
        if node.op_type == "ReduceMean":
            axes = _axes(node)
            if axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
                return None
        elif not _covers_the_map(node, shape):
            return None
        flat = node.op_type == "ReduceMean" and node.attributes.get_int("keepdims", 1) == 0

        def build(new: NodeBuilder) -> Sequence[ir.Node]:
            pool = new.node("GlobalAveragePool", [maps], (*shape[:2], 1, 1))
            if not flat:
                return [pool]
            return [pool, new.node("Flatten", [pool.outputs[0]], shape[:2], {"axis": 1})]

        return build


def _axes(node: ir.Node) -> tuple[int, ...] | None:
    """Return ReduceMean's axes: an attribute up to opset 17, an input from 18 on."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        array = constant_array(node.inputs[1])
        return None if array is None else tuple(int(axis) for axis in array.reshape(-1))
    axes = node.attributes.get_ints("axes", None)
    return None if axes is None else tuple(axes)


def _covers_the_map(pool: ir.Node, shape: tuple[int, ...]) -> bool:
    attributes = pool.attributes
    return (
        tuple(attributes.get_ints("kernel_shape", ())) == shape[2:]
        and not any(attributes.get_ints("pads", ()))
        and attributes.get_string("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    )
