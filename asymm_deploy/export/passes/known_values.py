"""What is known of a value before the graph runs: its shape, its constant, the node behind it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

_FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16})
"""Types that the operators made here exist in, in ONNX Runtime and in MNN."""


def is_float(value: ir.Value | None) -> bool:
    """Tell whether ``value`` is known to be of a type that the fast operators take."""
    return value is not None and value.dtype in _FLOATS


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """Return the shape of ``value`` if every dimension of it is known."""
    if value is None or value.shape is None or not value.shape.is_static():
        return None
    return tuple(int(dim) for dim in value.shape.numpy())


def constant_array(value: ir.Value | None) -> npt.NDArray[np.generic] | None:
    """Return the array of ``value`` if it is an initializer, of this graph or an outer one.

    None for an initializer that is a graph input as well: the caller may give another.
    """
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def is_scalar(value: ir.Value | None, expected: float, beside: ir.Value | None) -> bool:
    """Tell whether ``value`` is the number ``expected`` and doesn't widen ``beside``.

    A constant of shape (1, 1, 1) is one number too, but gives an operand of fewer axes more axes.
    """
    array = constant_array(value)
    if array is None or array.size != 1 or abs(float(array.item()) - expected) >= 1e-6:
        return False
    rank = None if beside is None or beside.shape is None else len(beside.shape)
    return array.ndim <= (rank or 0)


def inner_node(value: ir.Value | None, user: ir.Node, *kinds: str) -> ir.Node | None:
    """Return the node that makes ``value``, if it is of ``kinds`` and serves ``user`` alone.

    A use in a body counts as much as one in the same graph. A node outside of the body that
    ``user`` stands in is none of it: in a loop it would be computed anew in every round.
    """
    node = None if value is None else value.producer()
    if value is None or node is None or node.op_type not in kinds or node.domain != "":
        return None
    if node.graph is not user.graph or len(value.uses()) != 1 or value.is_graph_output():
        return None
    return node
