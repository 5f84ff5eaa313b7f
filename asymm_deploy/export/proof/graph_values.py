"""Any tensor of an ONNX graph, for given samples: what ONNX Runtime computes inside it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.tensors import Arrays

MODEL_BYTES_LIMIT = 2**31 - 1
"""protobuf's own: a larger graph travels in several files, and is not looked into."""


def producers(graph: onnx.GraphProto) -> dict[str, tuple[onnx.NodeProto, int]]:
    """Return, by tensor, the node that makes it and which of its outputs it is."""
    return {
        name: (node, index) for node in graph.node for index, name in enumerate(node.output) if name
    }


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a copy of ``model`` whose outputs are the tensors ``names``."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.output[:]
    changed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return changed


def graph_values(
    model: onnx.ModelProto, samples: Sequence[Arrays], names: Sequence[str]
) -> list[Arrays] | None:
    """Return the tensors ``names`` for each sample, graph optimisations off.

    None where ONNX Runtime can't give them.
    """
    from asymm_deploy.engines.ort_session import OrtSession

    if not names or model.ByteSize() > MODEL_BYTES_LIMIT:
        return None
    found = []
    try:
        session = OrtSession(with_outputs(model, names).SerializeToString(), optimised=False)
        for sample in samples:
            session.feed(sample)
            session.run()
            found.append(session.outputs())
    except EngineError:
        return None
    return found


_SHAPE_ONLY = frozenset({"Shape", "Size"})


def outputs_of_inputs(model: onnx.ModelProto) -> set[str]:
    """Return the outputs that depend on the values of an input, not on shapes alone."""
    constants = {tensor.name for tensor in model.graph.initializer}
    reached = {entry.name for entry in model.graph.input} - constants
    for node in model.graph.node:
        if node.op_type not in _SHAPE_ONLY and any(n in reached for n in _read_by(node)):
            reached.update(node.output)
    return {entry.name for entry in model.graph.output if entry.name in reached}


def _read_by(node: onnx.NodeProto) -> list[str]:
    """Return the tensors that a node reads, those inside its bodies included."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                names += _read_by(inner)
            names += [entry.name for entry in graph.output]
    return names
