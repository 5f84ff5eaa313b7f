"""An ONNX graph as a map: who makes a tensor, who reads it, and which torch module that was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import onnx
from onnx import NodeProto

from asymm_deploy.export.proof.refusal.culprit import module_path


def types_of(names: str) -> frozenset[str]:
    """Return the types of operators that stand in ``names``, with spaces between."""
    return frozenset(names.split())


LAYOUT = types_of(
    "Reshape Transpose Flatten Squeeze Unsqueeze Identity Slice Split Gather Expand Pad "
    "Tile DepthToSpace SpaceToDepth GatherElements GatherND Concat"
)
"""Nodes that compute nothing."""


class OnnxView:
    """The main graph of ``model``, which is not changed."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.nodes: tuple[NodeProto, ...] = tuple(graph.node)
        self.outputs = frozenset(entry.name for entry in graph.output)
        self.weights: dict[str, onnx.TensorProto] = {each.name: each for each in graph.initializer}
        self.inputs = frozenset(entry.name for entry in graph.input) - self.weights.keys()
        self.maker: dict[str, NodeProto] = {}
        self.readers: dict[str, list[NodeProto]] = {}
        constants = set(self.weights)
        for node in self.nodes:
            for name in filter(None, node.input):
                self.readers.setdefault(name, []).append(node)
            self.maker |= {name: node for name in node.output if name}
            if all(name in constants for name in node.input if name) and not any(
                each.type in (each.GRAPH, each.GRAPHS) for each in node.attribute
            ):
                constants.update(node.output)
        self.constants = frozenset(constants)
        self._uses = Counter(name for node in self.nodes for name in set(node.input))

    @property
    def tensors(self) -> list[str]:
        """The tensors that depend on an input, in the order of the nodes that make them."""
        return [name for name in self.maker if name not in self.constants]

    def has(self, tensor: str) -> bool:
        """Whether the graph has a tensor of this name that depends on an input, or is one."""
        return tensor in self.inputs or (tensor in self.maker and tensor not in self.constants)

    def sole_reader(self, tensor: str) -> NodeProto | None:
        """Return the only node that reads a tensor; None if others do, or it is an output."""
        readers = self.readers.get(tensor, [])
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def is_after(self, tensor: str, earlier: str) -> bool:
        """Whether ``tensor`` is ``earlier``, or made of it alone in a few steps."""
        for _ in range(_FUSED_AT_MOST):
            if tensor == earlier:
                return True
            reader = self.sole_reader(earlier)
            if reader is None:
                return False
            earlier = reader.output[0]
        return False

    def is_laid_out(self, tensor: str, earlier: str) -> bool:
        """Whether ``tensor`` is ``earlier``, or copies of its values."""
        for _ in range(_FURTHEST):
            if tensor == earlier:
                return True
            maker = self.maker.get(tensor)
            if maker is None or maker.op_type not in LAYOUT:
                return False
            tensor = maker.input[0]
        return False

    def between(
        self, tensor: str, known: Collection[str], types: Collection[str] | None = None
    ) -> list[NodeProto]:
        """Return the nodes that make ``tensor`` of the tensors ``known``, its own maker first.

        Only those of ``types``, if given: what others make counts as known.
        """
        found: list[NodeProto] = []
        waiting = [tensor]
        while waiting:
            name = waiting.pop(0)
            node = self.maker.get(name)
            if node is None or name in self.constants or any(node is each for each in found):
                continue
            if types is not None and node.op_type not in types:
                continue
            found.append(node)
            waiting += [each for each in node.input if each and each not in known]
        return found

    def module(self, node: NodeProto, depth: int = 0) -> str | None:
        """Return the path of the torch module that a node is of, empty for the network itself.

        None if that isn't known. A node that torch didn't name is found by the names of what it
        makes, of its own weights, and of what follows and goes before it.
        """
        if node.name.startswith("/"):
            return module_path(node.name)
        for name in node.output:
            if name.startswith("/"):
                return module_path(name)
        own = [name for name in node.input if name in self.weights and _is_parameter(name)]
        for name in sorted(own, key=lambda name: self._uses[name]):
            if self._uses[name] == 1:
                return str(name).rpartition(".")[0]
        return self._by_neighbours(node, own, depth)

    def _by_neighbours(self, node: NodeProto, own: Sequence[str], depth: int) -> str | None:
        """Return the module of a nameless node by what follows it, or else goes before it."""
        after = self._first_named(node, forward=True)
        before = self._first_named(node, forward=False)
        for name in own:
            module = name.rpartition(".")[0]
            scope = module.rpartition(".")[0]
            if any(near is not None and _within(near, scope) for near in (after, before)):
                return module
        if after is not None:
            return after
        # Nothing follows: a last node that has no name belongs to what it is made of.
        makers = [self.maker[name] for name in node.input if name in self.maker]
        return before if not makers or depth > _FURTHEST else self.module(makers[0], depth + 1)

    def _first_named(self, node: NodeProto, *, forward: bool) -> str | None:
        waiting, seen = [node], 0
        while waiting and seen < _FURTHEST:
            at = waiting.pop(0)
            seen += 1
            if forward:
                near = [r for name in at.output for r in self.readers.get(name, [])]
            else:
                near = [self.maker[name] for name in at.input if name in self.maker]
            for each in near:
                named = [name for name in (each.name, *each.output) if name.startswith("/")]
                if named:
                    return module_path(named[0])
            waiting += near
        return None


_FUSED_AT_MOST = 8
"""Nodes that become one operator of a file."""
_FURTHEST = 50
"""Nodes that are looked at for a name."""


def _is_parameter(name: str) -> bool:
    """Whether torch named a weight: ``blocks.0.fc1.bias``, and not ``onnx::MatMul_211``."""
    return "." in name and not name.startswith(("/", "onnx::", "_"))


def _within(module: str, scope: str) -> bool:
    return not scope or module == scope or module.startswith(f"{scope}.")


def attribute(node: NodeProto, name: str) -> object:
    """Return the value of an attribute, or None if the node doesn't have it."""
    for each in node.attribute:
        if each.name == name:
            return onnx.helper.get_attribute_value(each)
    return None
