"""Count the multiply-adds and weights of an ONNX graph, as complexity.py counts a module's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import onnx
from onnx import NodeProto, TensorProto, inliner

from asymm_deploy.errors import UsageError
from asymm_deploy.models.cost import Complexity, LayerCost, convolution_kind

_Shape = tuple[int, ...]


def count_graph(
    model: onnx.ModelProto, input_shapes: Mapping[str, _Shape] | None = None
) -> Complexity:
    """Return the cost of one run of ``model``, which is left unchanged.

    ``input_shapes`` fixes the shapes of inputs by name. Params are the graph's own constants: where
    BatchNorm is folded into a convolution its scale and shift have become one bias, and exporters
    keep a single copy of equal tensors. Branches, loops, unknown operators and those whose shapes
    can't be inferred, or are not what the operator takes, are listed as uncounted. Raises
    UsageError if an input has no fixed shape.
    """
    if model.functions:
        model = inliner.inline_local_functions(model)
    if input_shapes:
        model = _with_input_shapes(model, input_shapes)
    _require_fixed_inputs(model.graph)
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # shapes that contradict one another: those that the file has must do
        graph = model.graph
    counter = _Counter(graph)
    for node in graph.node:
        counter.see(node)
    return Complexity(tuple(counter.layers), counter.params, tuple(counter.uncounted))


def _with_input_shapes(
    model: onnx.ModelProto, input_shapes: Mapping[str, _Shape]
) -> onnx.ModelProto:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for entry in fixed.graph.input:
        if entry.name in input_shapes:
            entry.type.tensor_type.ClearField("shape")
            shape = entry.type.tensor_type.shape
            shape.SetInParent()  # a scalar's has no dimension that would say that it is known
            for size in input_shapes[entry.name]:
                shape.dim.add().dim_value = size
    # Shapes that the file gives are not inferred anew, and these belong to other inputs.
    del fixed.graph.value_info[:]
    for entry in fixed.graph.output:
        entry.type.tensor_type.ClearField("shape")
    return fixed


def _require_fixed_inputs(graph: onnx.GraphProto) -> None:
    constants = {tensor.name for tensor in graph.initializer}
    for entry in graph.input:
        if entry.name not in constants and _fixed_shape(entry) is None:
            raise UsageError(
                f"input {entry.name} of the ONNX graph has no fixed shape",
                f"fix it with --input-shape {entry.name}=1,3,224,224 (your numbers)",
            )


def _fixed_shape(entry: onnx.ValueInfoProto) -> _Shape | None:
    tensor = entry.type.tensor_type
    if not tensor.HasField("shape") or any(dim.dim_value < 1 for dim in tensor.shape.dim):
        return None
    return tuple(dim.dim_value for dim in tensor.shape.dim)


_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
_QUANTISED = {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4}


def _is_weight(tensor: TensorProto) -> bool:
    """Tell weights from the scalars, shapes and indices that are constants of a graph too."""
    rank = len(tensor.dims)
    return (tensor.data_type in _FLOATS and rank >= 1) or (
        tensor.data_type in _QUANTISED and rank >= 2
    )


class _Unknown(Exception):  # noqa: N818  never leaves this module
    """The cost of a node can't be determined."""


class _Counter:
    """Walks over the nodes in order and collects layers, weights in use and what it can't count."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.layers: list[LayerCost] = []
        self.uncounted: list[str] = []
        self._sizes: dict[str, int] = {}  # elements of each weight, by the name of its constant
        self._used: set[str] = set()
        self._made_of: dict[str, frozenset[str]] = {}  # values computed from weights alone
        self._shapes: dict[str, _Shape] = {}
        for entry in (*graph.input, *graph.output, *graph.value_info):
            shape = _fixed_shape(entry)
            if shape is not None:
                self._shapes[entry.name] = shape
        for tensor in graph.initializer:
            self._add_constant(tensor.name, tensor)

    @property
    def params(self) -> int:
        """Elements of all weights in use, each weight once."""
        return sum(self._sizes[name] for name in self._used)

    def see(self, node: NodeProto) -> None:
        """Add the node's cost and the weights that it uses."""
        operator = node.op_type if _is_standard(node) else f"{node.domain}.{node.op_type}"
        if operator == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    self._add_constant(node.output[0], attribute.t)
            return
        if operator in _PASS_ON and node.input and node.input[0] in self._made_of:
            self._made_of[node.output[0]] = self._made_of[node.input[0]]
            return
        used = [
            name
            for position, name in enumerate(node.input)
            if name in self._made_of and position not in _NOT_WEIGHTS.get(operator, ())
        ]
        if operator in _COSTS:
            try:
                self.layers.append(self._layer(operator, node, used))
            except _Unknown as reason:
                self.uncounted.append(f"{operator} {_name(node)} ({reason})")
            except (IndexError, KeyError, TypeError, ValueError):  # an operand of another rank
                self.uncounted.append(f"{operator} {_name(node)} (its shapes are unexpected)")
        elif any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute) or (
            operator not in _FREE and any(len(self._shapes.get(name, ())) >= 2 for name in used)
        ):
            self.uncounted.append(f"{operator} {_name(node)}")
        self._used.update(*(self._made_of[name] for name in used))

    def _add_constant(self, name: str, tensor: TensorProto) -> None:
        self._shapes[name] = tuple(tensor.dims)
        if _is_weight(tensor):
            self._sizes[name] = prod(tensor.dims)
            self._made_of[name] = frozenset((name,))

    def _layer(self, operator: str, node: NodeProto, used: Sequence[str]) -> LayerCost:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        shapes = [self._shape(name) for name in node.input if name]
        if operator in _RECURRENT:
            (time, batch, _), (directions, _, hidden) = shapes[0], shapes[2]
            out: _Shape = (time, batch, directions * hidden)
        else:
            out = self._shape(node.output[0])
        madds = _COSTS[operator](shapes, out, attributes)
        fresh = frozenset[str]().union(*(self._made_of[name] for name in used)) - self._used
        params = sum(self._sizes[name] for name in fresh)
        if operator not in _CONVOLUTIONS:
            by_weight = any(len(self._shapes.get(name, ())) >= 2 for name in used)
            product = "linear" if by_weight else "matmul"
            what = operator.lower() if operator in _RECURRENT else product
            return LayerCost(_name(node), what, "classifier", out, madds, params)
        kernel = shapes[1][2:]
        groups = attributes.get("group", 1)
        ones = (1,) * len(kernel)
        return LayerCost(
            name=_name(node),
            operator=f"{_CONVOLUTIONS[operator]}{len(kernel)}d",
            kind=convolution_kind(kernel, groups, shapes[0][1]),
            output_shape=out,
            madds=madds,
            params=params,
            kernel=kernel,
            stride=tuple(attributes.get("strides", ones)),
            dilation=tuple(attributes.get("dilations", ones)),
            groups=groups,
        )

    def _shape(self, name: str) -> _Shape:
        if name not in self._shapes:
            raise _Unknown(f"shape of {name} unknown")
        return self._shapes[name]


def _is_standard(node: NodeProto) -> bool:
    return node.domain in ("", "ai.onnx")


def _name(node: NodeProto) -> str:
    """Return the node's name or, since names are optional in ONNX, its first output's."""
    return node.name or next(iter(node.output), "?")


def _conv(shapes: Sequence[_Shape], out: _Shape, _: Mapping[str, Any]) -> int:
    return prod(out) * prod(shapes[1][1:])


def _conv_transpose(shapes: Sequence[_Shape], _out: _Shape, _: Mapping[str, Any]) -> int:
    return prod(shapes[0]) * prod(shapes[1][1:])


def _gemm(shapes: Sequence[_Shape], out: _Shape, attributes: Mapping[str, Any]) -> int:
    return prod(out) * shapes[0][0 if attributes.get("transA") else 1]


def _matmul(shapes: Sequence[_Shape], out: _Shape, _: Mapping[str, Any]) -> int:
    return prod(out) * shapes[0][-1]


def _einsum(shapes: Sequence[_Shape], _out: _Shape, attributes: Mapping[str, Any]) -> int:
    """Return the cost of a contraction of two operands; without a sum it is element-wise, free."""
    inputs, arrow, output = attributes["equation"].decode().replace(" ", "").partition("->")
    operands = inputs.split(",")
    if "." in inputs or not arrow or len(operands) > 2:
        raise _Unknown("only equations of two operands, written in full")
    sizes = {
        label: size
        for labels, shape in zip(operands, shapes, strict=True)
        for label, size in zip(labels, shape, strict=True)
    }
    contracts = len(operands) == 2 and not set(sizes) <= set(output)
    return prod(sizes.values()) if contracts else 0


def _recurrent(shapes: Sequence[_Shape], _out: _Shape, _: Mapping[str, Any]) -> int:
    """Return the cost of X (time, batch, inputs) by W and R (directions, gates x hidden, ...)."""
    return shapes[0][0] * shapes[0][1] * (prod(shapes[1]) + prod(shapes[2]))


_CONVOLUTIONS = {"Conv": "conv", "ConvTranspose": "conv_transpose"}
_RECURRENT = {"GRU", "LSTM", "RNN"}
_COSTS: dict[str, Callable[[Sequence[_Shape], _Shape, Mapping[str, Any]], int]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
    **dict.fromkeys(_RECURRENT, _recurrent),
}

# The output of these is still the same weight, whatever their other inputs are.
_PASS_ON = {
    *("Cast", "DequantizeLinear", "Expand", "Flatten", "Identity", "QuantizeLinear", "Reshape"),
    *("Slice", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
}

# Positions of inputs that are no weights: running statistics, scales, bounds or states.
_NOT_WEIGHTS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (3, 4),
    "Clip": (1, 2),
    "GRU": (5,),
    "LSTM": (5, 6),
    "Pad": (2,),
    "RNN": (5,),
    "Resize": (1, 2),
    "Upsample": (1,),
}

# Operators that may take a weight and multiply nothing that we count.
_FREE = {
    *("Abs", "Add", "And", "BatchNormalization", "Clip", "Concat", "Div", "Equal", "Erf", "Exp"),
    *("Gather", "GatherElements", "GatherND", "Greater", "GroupNormalization"),
    *("InstanceNormalization", "LayerNormalization", "Less", "Log", "Max", "Mean", "Min", "Mod"),
    *("Mul", "Neg", "PRelu", "Pad", "Pow", "Range", "Reciprocal", "ReduceL2", "ReduceMax"),
    *("ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Resize", "ScatterElements", "ScatterND"),
    *("Shape", "Sigmoid", "Size", "Softmax", "Softplus", "Split", "Sqrt", "Sub", "Sum", "Tanh"),
    *("Upsample", "Where", *_PASS_ON),
}
