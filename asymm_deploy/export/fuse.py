"""Sub-graphs that an exporter spelt out -> the single operators that MNN runs fast.

Each rewrite states the pattern it replaces. A pattern matches only where its inner values are used
nowhere else and its constants are initializers; everything else is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir import convenience

_HARD_SWISH_OPSET = 14
_ACTIVATIONS = frozenset(
    {"Clip", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh"}
)


def rewrite(model: ir.Model) -> None:
    """Replace every pattern below in ``model``'s main graph; the function stays the same.

    Requires constants in initializers and inferred shapes (onnxsim leaves both); where a shape is
    unknown the node stays. What a replacement leaves dead is removed by the caller.
    """
    graph = model.graph
    opset = graph.opset_imports.get("", 0)
    for node in list(graph):
        _global_pool(graph, node)
    for node in list(graph):
        _hard_sigmoid(graph, node)
    if opset >= _HARD_SWISH_OPSET:
        for node in list(graph):
            _hard_swish(graph, node)
    for node in list(graph):
        _slopes_by_channel(graph, node)
        _activation_before_flatten(graph, node)
        _classifier_as_convolution(graph, node)


def _global_pool(graph: ir.Graph, node: ir.Node) -> None:
    """ReduceMean over all of a map, or AveragePool as large as it -> GlobalAveragePool (+ Flatten).

    torch's dynamo exporter writes AdaptiveAvgPool2d(1) as the former, which MNN runs seven times
    slower.
    """
    shape = _shape(node.inputs[0]) if node.inputs else None
    if shape is None or len(shape) != 4:
        return
    keeps_axes = True
    if node.op_type == "ReduceMean":
        axes = _axes(node)
        if axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
            return
        keeps_axes = node.attributes.get_int("keepdims", 1) == 1
    elif node.op_type == "AveragePool":
        kernel = node.attributes.get_ints("kernel_shape", ())
        if tuple(kernel) != shape[2:] or any(node.attributes.get_ints("pads", ())):
            return
        if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
            return
    else:
        return
    pool = _node("GlobalAveragePool", [node.inputs[0]], node, (*shape[:2], 1, 1))
    flatten = _node("Flatten", [pool.outputs[0]], node, shape[:2], {"axis": 1})
    _replace(graph, node, [pool] if keeps_axes else [pool, flatten])


def _hard_sigmoid(graph: ir.Graph, node: ir.Node) -> None:
    """Clip(x + 3, 0, 6) / 6, or the same times 1/6 -> HardSigmoid(x; 1/6, 1/2)."""
    inner = _sixth_of(node)
    x = None if inner is None else _relu6_of_plus_three(inner)
    if x is None:
        return
    new = _node(
        "HardSigmoid", [x], node, _shape(node.outputs[0]), {"alpha": 1.0 / 6.0, "beta": 0.5}
    )
    _replace(graph, node, [new])


def _hard_swish(graph: ir.Graph, node: ir.Node) -> None:
    """X * HardSigmoid(x; 1/6, 1/2), or x * Clip(x + 3, 0, 6) / 6 -> HardSwish(x)."""
    x = _gated_by_hard_sigmoid(node)
    if x is None:
        product = _sixth_of(node)
        maker = None if product is None else _made_by(product, "Mul")
        x = None if maker is None else _gated(maker, _relu6_of_plus_three)
    if x is not None:
        _replace(graph, node, [_node("HardSwish", [x], node, _shape(node.outputs[0]))])


def _slopes_by_channel(graph: ir.Graph, node: ir.Node) -> None:
    """PRelu(x, slopes of shape (C, 1, 1)) -> PRelu(x, slopes of shape (1, C, 1, 1)).

    Both broadcast alike. torch writes the former, of which MNN's converter makes a comparison, a
    selection and a product, each over the whole map.
    """
    if node.op_type != "PRelu":
        return
    maps, slopes = _shape(node.inputs[0]), _constant(node.inputs[1])
    if maps is None or len(maps) != 4 or slopes is None or slopes.shape != (maps[1], 1, 1):
        return
    node.replace_input_with(1, _initializer(graph, node, "slopes", slopes[None]))


def _activation_before_flatten(graph: ir.Graph, node: ir.Node) -> None:
    """Activation(Flatten(x)) with x of 1x1 maps -> Flatten(Activation(x)).

    So that a classifier of several layers stays in maps, and the next rewrite sees each of them.
    """
    maps = _flattened_from(node.inputs[0]) if node.op_type in _ACTIVATIONS else None
    shape = _shape(node.outputs[0])
    if maps is None or shape is None:
        return
    new = _node(node.op_type, [maps, *node.inputs[1:]], node, (*shape, 1, 1))
    new.attributes.update(node.attributes)
    flatten = _node("Flatten", [new.outputs[0]], node, shape, {"axis": 1})
    _replace(graph, node, [new, flatten])


def _classifier_as_convolution(graph: ir.Graph, node: ir.Node) -> None:
    """Gemm(Flatten(x), W, b) with x of 1x1 maps -> Flatten(Conv(x, W as 1x1 kernels, b)).

    MNN computes both as a convolution, but wraps a Gemm in six operators that look up shapes.
    """
    if node.op_type != "Gemm" or len(node.inputs) < 2:
        return
    attributes = node.attributes
    if attributes.get_float("alpha", 1.0) != 1.0 or attributes.get_float("beta", 1.0) != 1.0:
        return
    flat, weights, shape = node.inputs[0], _constant(node.inputs[1]), _shape(node.outputs[0])
    maps = _flattened_from(flat)
    if maps is None or weights is None or shape is None or attributes.get_int("transA", 0) != 0:
        return
    rows = weights if attributes.get_int("transB", 0) == 1 else weights.T
    inputs = [maps, _initializer(graph, node, "kernels", rows[:, :, None, None])]
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = _constant(node.inputs[2])
        if bias is None or bias.size not in (1, len(rows)):
            return
        whole = np.broadcast_to(bias.reshape(-1), (len(rows),))
        inputs.append(_initializer(graph, node, "bias", whole))
    convolution = _node("Conv", inputs, node, (*shape, 1, 1), {"kernel_shape": [1, 1]})
    flatten = _node("Flatten", [convolution.outputs[0]], node, shape, {"axis": 1})
    _replace(graph, node, [convolution, flatten])


def _gated_by_hard_sigmoid(node: ir.Node) -> ir.Value | None:
    def hard_sigmoid_of(value: ir.Value) -> ir.Value | None:
        gate = _made_by(value, "HardSigmoid")
        if gate is None:
            return None
        alpha, beta = (gate.attributes.get_float(n, d) for n, d in (("alpha", 0.2), ("beta", 0.5)))
        return gate.inputs[0] if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5 else None

    return _gated(node, hard_sigmoid_of)


def _gated(node: ir.Node, gate_of: Callable[[ir.Value], ir.Value | None]) -> ir.Value | None:
    """Return x where ``node`` is x * gate, and ``gate_of(gate)`` is x itself."""
    if node.op_type != "Mul" or len(node.inputs) != 2:
        return None
    for x, gate in (tuple(node.inputs), tuple(reversed(node.inputs))):
        if x is not None and gate is not None and gate_of(gate) is x:
            return x
    return None


def _sixth_of(node: ir.Node) -> ir.Value | None:
    """Return y where ``node`` is y / 6 or y * (1/6)."""
    if len(node.inputs) != 2:
        return None
    left, right = node.inputs
    if node.op_type == "Div" and _is_scalar(right, 6.0):
        return left
    if node.op_type == "Mul":
        if _is_scalar(right, 1 / 6):
            return left
        if _is_scalar(left, 1 / 6):
            return right
    return None


def _relu6_of_plus_three(value: ir.Value) -> ir.Value | None:
    """Return x where ``value`` is Clip(x + 3, 0, 6)."""
    clip = _made_by(value, "Clip")
    if clip is None or len(clip.inputs) != 3:
        return None
    if not (_is_scalar(clip.inputs[1], 0.0) and _is_scalar(clip.inputs[2], 6.0)):
        return None
    add = None if clip.inputs[0] is None else _made_by(clip.inputs[0], "Add")
    if add is None:
        return None
    left, right = add.inputs
    if _is_scalar(right, 3.0):
        return left
    return right if _is_scalar(left, 3.0) else None


def _flattened_from(value: ir.Value | None) -> ir.Value | None:
    """Return the [n, c, 1, 1] tensor of which ``value`` is the [n, c] view, if there is one."""
    if value is None:
        return None
    view = _made_by(value, "Flatten", "Reshape", "Squeeze")
    maps = None if view is None else view.inputs[0]
    shape, flat = _shape(maps), _shape(value)
    if shape is None or len(shape) != 4 or shape[2:] != (1, 1) or flat != shape[:2]:
        return None
    return maps


def _made_by(value: ir.Value, *kinds: str) -> ir.Node | None:
    """Return the node that makes ``value``, if of one of ``kinds`` and used only here."""
    node = value.producer()
    if node is None or node.op_type not in kinds or node.domain not in ("", "ai.onnx"):
        return None
    if len(value.uses()) != 1 or value.is_graph_output():
        return None
    return node


def _shape(value: ir.Value | None) -> tuple[int, ...] | None:
    if value is None or value.shape is None or not value.shape.is_static():
        return None
    return tuple(int(dim) for dim in value.shape.numpy())


def _constant(value: ir.Value | None) -> npt.NDArray[np.generic] | None:
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def _is_scalar(value: ir.Value | None, expected: float) -> bool:
    array = _constant(value)
    return array is not None and array.size == 1 and abs(float(array.item()) - expected) < 1e-6


def _axes(node: ir.Node) -> tuple[int, ...] | None:
    """Return ReduceMean's axes: an attribute up to opset 17, an input from 18 on."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        array = _constant(node.inputs[1])
        return None if array is None else tuple(int(axis) for axis in array.reshape(-1))
    axes = node.attributes.get_ints("axes", None)
    return None if axes is None else tuple(axes)


def _node(
    kind: str,
    inputs: Iterable[ir.Value | None],
    replaced: ir.Node,
    shape: tuple[int, ...] | None,
    attributes: dict[str, int | float | list[int]] | None = None,
) -> ir.Node:
    """Return a node with one output of ``shape``, named after the one it will replace."""
    new = ir.node(kind, list(inputs), attributes, name=f"{replaced.name}_{kind}")
    new.outputs[0].name = f"{replaced.outputs[0].name}_{kind}"
    new.outputs[0].type = replaced.outputs[0].type
    new.outputs[0].shape = None if shape is None else ir.Shape(shape)
    return new


def _replace(graph: ir.Graph, old: ir.Node, new: list[ir.Node]) -> None:
    """Put ``new`` in ``old``'s place; the last one takes over its output, name included."""
    was, now = old.outputs[0], new[-1].outputs[0]
    now.name = was.name
    convenience.replace_nodes_and_values(graph, old, [old], new, [was], [now])


def _initializer(
    graph: ir.Graph, node: ir.Node, role: str, array: npt.NDArray[np.generic]
) -> ir.Value:
    name = f"{node.outputs[0].name}_{role}"
    tensor = ir.tensor(np.ascontiguousarray(array), name=name)
    value = ir.Value(
        name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype)
    )
    graph.register_initializer(value)
    return value
