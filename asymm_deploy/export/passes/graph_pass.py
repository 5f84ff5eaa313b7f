"""What every pass over a graph has in common: requirements, the walk over bodies, the result."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir
from onnx_ir import convenience, traversal
from onnx_ir.passes import InPlacePass, PassResult, PostconditionError

from asymm_deploy.export.passes.node_builder import NodeBuilder, TakenNames

Build = Callable[[NodeBuilder], Sequence[ir.Node]]
"""Makes the nodes that replace a matched one; the last of them takes over its output.

Without any, the matched node's first input does.
"""


@dataclass
class GraphPassResult(PassResult):
    """What a pass did: how many nodes it replaced, or the requirement that wasn't met."""

    rewritten: int = 0
    unmet: str | None = None
    """Why the pass left the whole graph alone; None where it ran."""


class GraphPass(InPlacePass):
    """A pass that replaces single nodes, in the main graph and in the bodies within it.

    A subclass says in ``plan`` what it matches and what it puts in its place. The bodies of local
    functions are left alone: they have no initializers, and their shapes depend on the caller.
    """

    first_opset: ClassVar[int]
    """The first version of the standard operators that has what the pass matches and makes."""

    @abstractmethod
    def plan(self, node: ir.Node) -> Build | None:
        """Return how to replace ``node``, a standard operator, or None; change nothing yet."""

    def unmet(self, model: ir.Model) -> str | None:
        """Return the requirement that ``model`` as a whole doesn't meet, or None."""
        imports = model.graph.opset_imports
        opset = imports.get("", imports.get("ai.onnx"))
        if opset is None:
            return "the model imports no standard operators"
        if opset < self.first_opset:
            return f"the model has opset {opset}; {type(self).__name__} needs {self.first_opset}"
        return None

    def __call__(self, model_or_result: ir.Model | PassResult, /) -> GraphPassResult:
        """Run the pass on a model, or on what another pass returned, and check what it ensures."""
        result = super().__call__(model_or_result)
        assert isinstance(result, GraphPassResult)
        return result

    def call(self, model: ir.Model) -> GraphPassResult:
        """Replace every node that ``plan`` matches, and remove what nothing uses any longer.

        Raises PostconditionError if that changed the name or type of an input or output.
        """
        unmet = self.unmet(model)
        if unmet is not None:
            return GraphPassResult(model, modified=False, unmet=unmet)
        interface, taken, rewritten = _interface(model), TakenNames.in_model(model), 0
        for node in _standard_nodes(model):
            build = None if node.graph is None else self.plan(node)
            if build is not None:
                _replace(node, build(NodeBuilder(node, taken)))
                rewritten += 1
        if _interface(model) != interface:
            raise PostconditionError(f"{type(self).__name__} changed the model's inputs or outputs")
        return GraphPassResult(model, modified=rewritten > 0, rewritten=rewritten)

    def ensures(self, model: ir.Model) -> None:
        """Raise PostconditionError where a second run would still find something to replace."""
        if self.unmet(model) is not None:
            return
        for node in _standard_nodes(model):
            if self.plan(node) is not None:
                raise PostconditionError(f"{type(self).__name__} has missed {node.name}")


def _standard_nodes(model: ir.Model) -> list[ir.Node]:
    """Return the standard operators of the main graph and its bodies, makers before users."""
    return [
        node
        for node in traversal.RecursiveGraphIterator(model.graph)
        if node.domain == "" and node.outputs
    ]


def _replace(old: ir.Node, new: Sequence[ir.Node]) -> None:
    """Put ``new`` in ``old``'s place; the last one takes over its output, name included."""
    assert old.graph is not None
    inputs, was = old.inputs, old.outputs[0]
    if new:
        now = [new[-1].outputs[0]]
        convenience.replace_nodes_and_values(old.graph, old, [old], list(new), [was], now)
    else:
        _bypass(old)
    for value in inputs:
        _remove_if_unused(value)


def _bypass(old: ir.Node) -> None:
    """Let everyone who uses the output of ``old`` use its first input; remove ``old``."""
    kept, was = old.inputs[0], old.outputs[0]
    assert kept is not None
    assert old.graph is not None
    if was.is_graph_output():
        kept.name = was.name
    if kept.type is None:
        kept.type = was.type
    if kept.shape is None:
        kept.shape = was.shape
    was.replace_all_uses_with(kept, replace_graph_outputs=True)
    old.graph.remove(old, safe=True)


def _remove_if_unused(value: ir.Value | None) -> None:
    """Remove the initializer or the node behind ``value``, and what only that node used."""
    if value is None or value.uses() or value.is_graph_output():
        return
    if value.is_initializer():
        assert value.graph is not None
        assert value.name is not None
        del value.graph.initializers[value.name]
        return
    node = value.producer()
    if node is None or node.graph is None:
        return
    if any(output.uses() or output.is_graph_output() for output in node.outputs):
        return
    inputs = node.inputs
    node.graph.remove(node, safe=True)
    for needed in inputs:
        _remove_if_unused(needed)


def _interface(model: ir.Model) -> tuple[list[tuple[object, ...]], ...]:
    graph = model.graph
    return tuple(
        [(value.name, value.type) for value in side] for side in (graph.inputs, graph.outputs)
    )
