"""New nodes and initializers, named after the node that they replace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir import traversal

Attributes = Mapping[str, int | float | Sequence[int] | ir.Attr]


@dataclass(frozen=True)
class TakenNames:
    """The names in use, of values and of nodes; a body must not reuse a name of its outer graph."""

    values: set[str]
    nodes: set[str]

    @classmethod
    def in_model(cls, model: ir.Model) -> TakenNames:
        """Return the names of the main graph and the bodies within it."""
        nodes = list(traversal.RecursiveGraphIterator(model.graph))
        values = [value for node in nodes for value in node.outputs]
        for graph in (model.graph, *model.graph.subgraphs()):
            values += [*graph.inputs, *graph.initializers.values()]
        return cls({v.name for v in values if v.name}, {n.name for n in nodes if n.name})


class NodeBuilder:
    """Makes what goes in the place of one node: in its graph, of its type, named after it."""

    def __init__(self, replaced: ir.Node, taken: TakenNames) -> None:
        """Keep the node that will be replaced, and the names that are in use."""
        self._replaced = replaced
        self._output = replaced.outputs[0]
        self._taken = taken

    def node(
        self,
        kind: str,
        inputs: Sequence[ir.Value | None],
        shape: tuple[int, ...] | None,
        attributes: Attributes | None = None,
    ) -> ir.Node:
        """Return a node with one output of ``shape`` (None: unknown)."""
        name = self._replaced.name and _free(f"{self._replaced.name}_{kind}", self._taken.nodes)
        new = ir.node(kind, list(inputs), attributes, name=name)
        new.outputs[0].name = self._value_name(kind)
        new.outputs[0].type = self._output.type
        new.outputs[0].shape = None if shape is None else ir.Shape(shape)
        return new

    def like(self, inputs: Sequence[ir.Value | None]) -> ir.Node:
        """Return a node that differs from the replaced one in its inputs alone."""
        old = self._replaced
        new = ir.node(
            old.op_type,
            list(inputs),
            old.attributes,
            name=old.name,
            doc_string=old.doc_string,
            metadata_props=dict(old.metadata_props),
        )
        new.outputs[0].name = self._value_name(old.op_type)
        return new

    def initializer(self, role: str, array: npt.NDArray[np.generic]) -> ir.Value:
        """Return a constant of the graph that the replaced node stands in."""
        name = self._value_name(role)
        tensor = ir.tensor(np.ascontiguousarray(array), name=name)
        value = ir.Value(
            name=name,
            const_value=tensor,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(tensor.dtype),
        )
        assert self._replaced.graph is not None
        self._replaced.graph.register_initializer(value)
        return value

    def _value_name(self, role: str) -> str:
        return _free(f"{self._output.name}_{role}", self._taken.values)


def _free(wanted: str, taken: set[str]) -> str:
    """Return ``wanted``, numbered if it is taken, and take it."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name
