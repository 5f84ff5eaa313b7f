"""New nodes and initializers, named after the node that they replace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir import traversal

Attributes = Mapping[str, int | float | Sequence[int] | ir.Attr]


def names_in(model: ir.Model) -> set[str]:
    """Return the names of all values, bodies included: a body must not reuse an outer name."""
    values = [*model.graph.inputs, *model.graph.initializers.values()]
    for graph in model.graph.subgraphs():
        values += [*graph.inputs, *graph.initializers.values()]
    for node in traversal.RecursiveGraphIterator(model.graph):
        values += node.outputs
    return {value.name for value in values if value.name}


class NodeBuilder:
    """Makes what goes in the place of one node: in its graph, of its type, named after it."""

    def __init__(self, replaced: ir.Node, taken: set[str]) -> None:
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
        new = ir.node(kind, list(inputs), attributes, name=f"{self._replaced.name}_{kind}")
        new.outputs[0].name = self._free(kind)
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
        new.outputs[0].name = self._free(old.op_type)
        return new

    def initializer(self, role: str, array: npt.NDArray[np.generic]) -> ir.Value:
        """Return a constant of the graph that the replaced node stands in."""
        name = self._free(role)
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

    def _free(self, role: str) -> str:
        """Return a name that nothing in the model has, and take it."""
        name = wanted = f"{self._output.name}_{role}"
        number = 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name
