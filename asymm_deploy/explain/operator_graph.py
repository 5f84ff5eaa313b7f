"""Which ONNX nodes, which module and which tensor each operator is that MNN ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto

from asymm_deploy.engines.mnn_file import MnnOperator
from asymm_deploy.engines.observation import GRAPH_INPUT, ObservedOperator, ValueSource
from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.explain.explanation import Kind
from asymm_deploy.explain.placing.converted_graph import MOVES, ConvertedGraph
from asymm_deploy.explain.placing.kinds import WEIGHTED, NodeKinds
from asymm_deploy.explain.placing.placed_operator import ExpectedTensor, PlacedOperator

_CONVERSIONS = frozenset({"FloatToInt8", "Int8ToFloat"})
_KINDS_WITHOUT_NODE: dict[str, Kind] = {
    "Raster": "layout",
    "FloatToInt8": "conversion",
    "Int8ToFloat": "conversion",
}
_ALIKE = 0.1
"""Share of the deviation within which a copy of unknown order is taken for a tensor."""
_TELLING = (
    (WEIGHTED, 0),
    (frozenset({"LayerNormalization", "InstanceNormalization", "GroupNormalization"}), 1),
    (frozenset({"Erf", "Gelu", "Softmax", "HardSigmoid", "HardSwish", "PRelu"}), 2),
    (frozenset({"Sigmoid", "Tanh"}), 3),
)
"""Of several nodes that became one operator, the one that tells most; then the last."""
_FUSED_LAST = frozenset({"Relu", "Clip"})
"""What other operators take in."""
_SHAPES_ALONE = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})
"""What moves no value: of a copy, the Transpose or the Slice beside it tells more."""


class OperatorPlaces:
    """Places the operators of one run.

    ``values`` are the reference's tensors of the same input; ``inputs`` those of MNN, in its order.
    """

    def __init__(
        self, graph: ConvertedGraph, values: Mapping[str, Array], inputs: Sequence[TensorSpec]
    ) -> None:
        self._inputs = tuple(spec.name for spec in inputs)
        self._graph = graph
        self._values = values
        self.kinds = NodeKinds(graph.view, {n: tuple(v.shape) for n, v in values.items()})
        self._placed: list[PlacedOperator] = []

    def place(self, observed: Sequence[ObservedOperator]) -> tuple[PlacedOperator, ...]:
        """Return every operator of the run in its place."""
        owners = [self._graph.owner(each.name) for each in observed]
        last: dict[int, int] = {}
        exact: dict[int, int] = {}
        for each, owner in zip(observed, owners, strict=True):
            if owner is None:
                continue
            if each.name == owner.name:
                exact[owner.index] = each.index
            if _plain(each.type) != "Raster" or owner.type in MOVES:
                last[owner.index] = each.index
            last.setdefault(owner.index, each.index)
        makers = last | exact
        self._placed = []
        for each, owner in zip(observed, owners, strict=True):
            makes = owner is not None and makers[owner.index] == each.index
            self._placed.append(self._place(each, owner, makes=makes))
        return tuple(self._placed)

    def _place(
        self, observed: ObservedOperator, owner: MnnOperator | None, *, makes: bool
    ) -> PlacedOperator:
        references: tuple[ExpectedTensor | None, ...] = (None,) * len(observed.outputs)
        tensor: str | None = None
        why: str | None = None
        kind = _plain(observed.type)
        if owner is None:
            why = "MNN made it, and no operator of the file has its name"
        elif makes and self._own_output(owner, observed):
            references = tuple(self._made(owner, each) for each in range(len(observed.outputs)))
            tensor = self._graph.ends_in(owner)
        elif kind in _CONVERSIONS or self._copies(observed):
            references = (self._reference_of(observed.sources[0]),)
            tensor = references[0].tensor if references[0] else self._graph.ends_in(owner)
        elif kind == "Raster":
            found = self._copied(observed, owner)
            references = (found,)
            tensor = found.tensor if found else self._graph.ends_in(owner)
        else:
            tensor = self._graph.ends_in(owner)
            makes = False
        nodes = self._nodes(observed, tensor, owner, moved=kind == "Raster" or not makes)
        node = _most_telling(nodes)
        if not any(references) and why is None:
            why = self._why_unjudged(kind, tensor)
        return PlacedOperator(
            index=observed.index,
            name=observed.name,
            type=kind,
            kind=self._kind(kind, observed, nodes, node),
            module=None if node is None else self._graph.view.module(node),
            node=None if node is None else _name(node),
            node_type=None if node is None else node.op_type,
            nodes=tuple(each.op_type for each in nodes),
            node_names=tuple(map(_name, nodes)),
            makes=tensor,
            int8="INT8" in observed.type,
            output_shapes=tuple(tuple(each.shape) for each in observed.outputs),
            input_shapes=observed.input_shapes,
            sources=observed.sources,
            references=references,
            unjudged=why,
            file_operator=None if owner is None else owner.index,
            whole=makes,
            half=tensor is not None and self._is_half(tensor),
            as_given=tensor in self._graph.view.inputs and any(references),
        )

    def _is_half(self, tensor: str) -> bool:
        values = self._values.get(tensor)
        return values is not None and values.dtype == np.float16

    def _made(self, owner: MnnOperator, position: int) -> ExpectedTensor | None:
        """Return the reference of the output of the file's operator."""
        if position >= len(owner.outputs):
            return None
        tensor = owner.outputs[position]
        name = self._graph.stands_for(tensor)
        if name is not None:
            return ExpectedTensor(name) if name in self._values else None
        group = self._graph.channels_of(tensor)
        if group is None or owner.convolution is None or group[0] not in self._values:
            return None
        size = owner.convolution.outputs
        return ExpectedTensor(group[0], (group[1] * size, (group[1] + 1) * size))

    def _own_output(self, owner: MnnOperator, observed: ObservedOperator) -> bool:
        """Whether a copy that is the last of an operator makes its output, going by the size."""
        kind = _plain(observed.type)
        if owner.type not in MOVES:
            return kind not in _CONVERSIONS and (kind != "Raster" or observed.name == owner.name)
        name = self._graph.stands_for(owner.outputs[0])
        values = None if name is None else self._values.get(name)
        return values is not None and values.size == observed.outputs[0].size

    def _copies(self, observed: ObservedOperator) -> bool:
        """Whether a copy holds exactly what its only source holds."""
        if _plain(observed.type) != "Raster" or len(observed.sources) != 1:
            return False
        return observed.copies and observed.sources[0] is not None

    def _reference_of(self, source: ValueSource | None) -> ExpectedTensor | None:
        if source is None:
            return None
        if source.operator == GRAPH_INPUT:
            name = self._inputs[source.output]
            return ExpectedTensor(name) if name in self._values else None
        return self._placed[source.operator].references[source.output]

    def _copied(self, observed: ObservedOperator, owner: MnnOperator) -> ExpectedTensor | None:
        """Return which tensor a copy makes: one that the operator reads, or that those come of."""
        found = observed.outputs[0]
        shape = _without_ones(found.shape)
        names: dict[str, bool] = {}
        if not any(observed.sources):
            return None  # a copy of a constant
        read = self._tensors_read(observed)
        for tensor in self._graph.upstream(owner):
            name = self._graph.stands_for(tensor)
            values = None if name is None else self._values.get(name)
            if name is None or values is None or values.size != found.size:
                continue
            if name in read:
                continue  # in another order, else it were an exact copy
            if not read or read & self._graph.copied_from(tensor):
                names.setdefault(name, _without_ones(values.shape) == shape)
        exact = [name for name, alike in names.items() if alike]
        apart = {name: self._apart(name, found) for name in exact or names}
        best = min(apart, key=lambda name: apart[name], default=None)
        if best is not None and apart[best] < _ALIKE:
            return ExpectedTensor(best)
        # What is wrong is like none of them: it is the one nearest to the reader, since MNN makes
        # what is read, and nothing before it.
        if read and exact:
            return ExpectedTensor(exact[0])
        if names and self._joins(next(iter(names)), observed):
            return ExpectedTensor(next(iter(names)))
        return self._broadcast(observed, owner, read)

    def _tensors_read(self, observed: ObservedOperator) -> set[str]:
        """Return the ONNX tensors that an operator reads whole, as far as they are known."""
        found = map(self._reference_of, observed.sources)
        return {each.tensor for each in found if each is not None and each.channels is None}

    def _joins(self, name: str, observed: ObservedOperator) -> bool:
        """Whether a copy puts several tensors into one, as ``name`` is made."""
        several = len({each for each in observed.sources if each is not None}) > 1
        return several and any(n.op_type == "Concat" for n in self._graph.nodes_of(name))

    def _broadcast(
        self, observed: ObservedOperator, owner: MnnOperator, read: set[str]
    ) -> ExpectedTensor | None:
        """Return the tensor that is repeated for an operator with a larger one."""
        shape = observed.outputs[0].shape
        for tensor in owner.inputs:
            name = self._graph.stands_for(tensor)
            values = None if name is None else self._values.get(name)
            if name not in read or values is None or values.size == observed.outputs[0].size:
                continue
            try:
                if np.broadcast_shapes(values.shape, shape) == shape:
                    return ExpectedTensor(name)
            except ValueError:
                continue
        return None

    def _apart(self, name: str, found: Array) -> float:
        expected = self._values[name].astype(np.float64).ravel()
        with np.errstate(invalid="ignore", over="ignore"):
            apart = float(np.abs(found.astype(np.float64).ravel() - expected).mean())
        return apart / (float(expected.std()) or 1.0)

    def _nodes(
        self,
        observed: ObservedOperator,
        tensor: str | None,
        owner: MnnOperator | None,
        *,
        moved: bool,
    ) -> list[NodeProto]:
        """Return the nodes that an operator computes, or for which it copies."""
        if tensor is None or owner is None:
            return []
        if not moved:
            return self._graph.nodes_of(tensor)
        read = self._tensors_read(observed)
        nodes = self._graph.copied_through(tensor, read) if tensor not in read else []
        if nodes:
            return nodes
        nodes = self._graph.nodes_of(tensor)
        if len(set(observed.sources)) > 1 or not read:  # of the parts of a convolution
            return nodes
        # A copy of what another operator computed: it is made for whoever reads it.
        ends = self._graph.ends_in(owner)
        after = self._graph.nodes_of(ends) if ends else []
        return after or nodes

    def _kind(
        self,
        kind: str,
        observed: ObservedOperator,
        nodes: Sequence[NodeProto],
        node: NodeProto | None,
    ) -> Kind:
        if node is None:
            return (
                "conversion" if kind in _CONVERSIONS else "layout" if kind == "Raster" else "other"
            )
        within = next((each for each in nodes if self.kinds.is_within_module(each)), None)
        if within is not None and self.kinds.of(within) == "squeeze-excite":
            return "squeeze-excite"
        if kind in _CONVERSIONS:
            return "conversion"
        if kind == "Raster":
            joined = node.op_type == "Concat" and len(observed.sources) > 1
            return "concat copy" if joined else "layout"
        return self.kinds.of(node)

    def _why_unjudged(self, kind: str, tensor: str | None) -> str:
        node = self._graph.view.maker.get(tensor) if tensor else None
        if node is None:
            return "no tensor of the ONNX graph has its values"
        if kind == "Raster":
            return f"a copy for {node.op_type} {node.name}, judged there".replace("  ", " ")
        return f"a part of {node.op_type} {node.name}, judged at its end"


def _plain(kind: str) -> str:
    """Return MNN's type without what it adds for int8: ``Convolution [ DT_INT8 ]``."""
    return kind.partition(" ")[0]


def _name(node: NodeProto) -> str:
    return node.name or node.output[0]


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _most_telling(nodes: Sequence[NodeProto]) -> NodeProto | None:
    """Return the node that names an operator: of a concat's copies the concat."""
    joined = [node for node in nodes if node.op_type == "Concat"]
    if joined:
        return joined[0]
    for less_telling in (_FUSED_LAST, _SHAPES_ALONE):
        nodes = [node for node in nodes if node.op_type not in less_telling] or nodes
    ranks = {id(n): next((r for kinds, r in _TELLING if n.op_type in kinds), 9) for n in nodes}
    return min(nodes, key=lambda node: ranks[id(node)], default=None)
