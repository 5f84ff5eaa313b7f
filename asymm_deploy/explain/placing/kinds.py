"""What a node is to the network: squeeze-excite and attention by structure, the rest by type."""

from __future__ import annotations

from math import prod

from onnx import NodeProto

from asymm_deploy.explain.explanation import Kind
from asymm_deploy.explain.placing.onnx_view import LAYOUT, OnnxView, attribute, types_of

_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "ConvInteger", "QLinearConv"})
_PRODUCTS = frozenset({"Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "Einsum"})
WEIGHTED = _CONVOLUTIONS | _PRODUCTS
_ACTIVATIONS = types_of(
    "Relu Clip HardSwish HardSigmoid Sigmoid Tanh PRelu LeakyRelu Elu Selu Celu "
    "ThresholdedRelu Softplus Softsign Mish Gelu Erf Swish Softmax LogSoftmax"
)
_POOLING = types_of(
    "MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool GlobalLpPool MaxRoiPool "
    "RoiAlign AdaptiveAveragePool"
)
_NORMALISATIONS = types_of(
    "BatchNormalization InstanceNormalization LayerNormalization GroupNormalization LRN "
    "LpNormalization RMSNormalization SimplifiedLayerNormalization SkipLayerNormalization"
)
_ELEMENTWISE = types_of(
    "Add Sub Mul Div Pow Sqrt Reciprocal Abs Neg Exp Log Min Max Sum Mean Mod Where Equal "
    "Less Greater LessOrEqual GreaterOrEqual And Or Not Xor Sign Floor Ceil Round Sin Cos "
    "Tan Cast IsNaN IsInf"
)
_GATES = frozenset({"Sigmoid", "HardSigmoid"})
_IN_A_GATE = (
    _ACTIVATIONS
    | _CONVOLUTIONS
    | frozenset({"Gemm", "MatMul"})
    | types_of("Reshape Flatten Squeeze Unsqueeze Identity Add Mul Div BatchNormalization")
)
_MEANS = frozenset({"GlobalAveragePool", "ReduceMean", "AveragePool", "AdaptiveAveragePool"})
_LARGEST_GATE = 24
"""Nodes of a squeeze-excite, at most: with BatchNorm and hard-sigmoids written out it has 20."""
_BETWEEN_PRODUCTS = types_of(
    "Softmax Mul Div Add Sub Where Cast Reshape Transpose Clip Max Identity Dropout "
    "Expand Unsqueeze Squeeze Slice IsNaN Tanh"
)


class NodeKinds:
    """The kind of every node of a graph."""

    def __init__(self, view: OnnxView, shapes: dict[str, tuple[int, ...]]) -> None:
        self._view = view
        self._shapes = shapes
        self._within: dict[int, Kind] = {}
        for node in view.nodes:
            if node.op_type == "Mul":
                self._within |= dict.fromkeys(self._squeeze_excite(node), "squeeze-excite")
            elif node.op_type == "Softmax":
                self._within |= dict.fromkeys(self._attention(node), "attention")

    def of(self, node: NodeProto) -> Kind:
        """Return the kind of a node."""
        return self._within.get(id(node)) or self._by_type(node)

    def is_within_module(self, node: NodeProto) -> bool:
        """Whether the node is a part of a squeeze-excite or of an attention."""
        return id(node) in self._within

    def _by_type(self, node: NodeProto) -> Kind:
        kind = node.op_type
        if kind in _CONVOLUTIONS:
            return self._convolution(node)
        if kind in _PRODUCTS:
            by_weight = any(name in self._view.constants for name in node.input[:2])
            return "fully connected" if by_weight else "attention"
        if kind == "Concat":
            return "concat copy"
        if kind == "ReduceMean" or kind in _POOLING:
            return "pooling"
        groups: tuple[tuple[frozenset[str], Kind], ...] = (
            (_ACTIVATIONS, "activation"),
            (_NORMALISATIONS, "normalisation"),
            (_ELEMENTWISE, "elementwise"),
            (LAYOUT, "layout"),
            (frozenset({"QuantizeLinear", "DequantizeLinear"}), "conversion"),
            (frozenset({"Attention", "MultiHeadAttention"}), "attention"),
        )
        return next((found for types, found in groups if kind in types), "other")

    def _convolution(self, node: NodeProto) -> Kind:
        weight = self._view.weights.get(node.input[1])
        source = self._shapes.get(node.input[0], ())
        kernel = tuple(weight.dims[2:]) if weight is not None else ()
        groups = attribute(node, "group")
        if isinstance(groups, int) and groups > 1 and len(source) > 1 and groups == source[1]:
            return "depthwise"
        if prod(kernel) != 1:
            return "convolution"
        # On a plane of one element it is a matrix product, and exporters write one as the other.
        alone = len(source) > 2 and prod(source[2:]) == 1
        return "fully connected" if alone else "pointwise"

    def _squeeze_excite(self, product: NodeProto) -> list[int]:
        """Return the nodes of the squeeze-excite that ends in this product; none if it is none."""
        for scaled, gate in (tuple(product.input), tuple(product.input)[::-1]):
            found = self._gate(gate, scaled)
            types = [node.op_type for node in found]
            if (
                any(kind in _MEANS for kind in types)
                and sum(kind in WEIGHTED for kind in types) == 2
                and self._ends_in_gate(gate)
            ):
                return [id(node) for node in (*found, product)]
        return []

    def _gate(self, gate: str, source: str) -> list[NodeProto]:
        """Return the nodes that make ``gate`` of ``source`` alone; none if others are needed."""
        found: list[NodeProto] = []
        waiting = [gate]
        while waiting:
            name = waiting.pop()
            if name == source or name in self._view.constants or not name:
                continue
            node = self._view.maker.get(name)
            if node is None or len(found) > _LARGEST_GATE:
                return []
            if any(node is each for each in found):
                continue
            if node.op_type not in _IN_A_GATE and node.op_type not in _MEANS:
                return []
            found.append(node)
            # Beyond the pool lies what is squeezed: it must be what is scaled.
            if node.op_type in _MEANS and node.input[0] != source:
                return []
            waiting += node.input
        return found

    def _ends_in_gate(self, gate: str) -> bool:
        """Whether the last nodes before the product bound it: a sigmoid, or a clipped sum."""
        node = self._view.maker.get(gate)
        for _ in range(4):
            if node is None or node.op_type in WEIGHTED:
                return False
            if node.op_type in _GATES or node.op_type == "Clip":
                return True
            node = next((self._view.maker[n] for n in node.input if n in self._view.maker), None)
        return False

    def _attention(self, softmax: NodeProto) -> list[int]:
        """Return the products around a softmax and what lies between, or nothing."""
        before = self._product(softmax, forward=False)
        after = self._product(softmax, forward=True)
        return [id(node) for node in (*before, *after)] if before and after else []

    def _product(self, softmax: NodeProto, *, forward: bool) -> list[NodeProto]:
        found = [softmax]
        node = softmax
        while len(found) < _LARGEST_GATE:
            if forward:
                near = self._view.readers.get(node.output[0], [])
            else:
                near = [self._view.maker[n] for n in node.input[:2] if n in self._view.maker]
            near = [n for n in near if n.op_type in _BETWEEN_PRODUCTS or n.op_type == "MatMul"]
            products = [n for n in near if n.op_type == "MatMul"]
            if products:
                return [*found, products[0]]
            if not near:
                return []
            node = near[0]
            found.append(node)
        return []
