"""Changes to a whole ONNX graph that keep its function: functions inlined, nodes in order, inputs.

They work on onnx's own messages, where the passes beside them work node by node on onnx_ir's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
from onnx import inliner
from onnx_ir import from_proto, to_proto

from asymm_deploy.engines.tensors import TensorSpec

_RECURRENT_OUTPUTS = {"LSTM": ("Y", "Y_h", "Y_c"), "GRU": ("Y", "Y_h"), "RNN": ("Y", "Y_h")}
"""What these give; MNN's converter dies of signal 11 on an LSTM that leaves out some of it."""

_CONSTANTS_IR = 4
"""The first version of ONNX's format whose initializers need not be inputs as well."""


def prepared(model: onnx.ModelProto, inputs: Sequence[TensorSpec]) -> onnx.ModelProto:
    """Return ``model`` as simplifiers and converters want it; ``model`` is not changed.

    Local functions are inlined, nodes stand behind those that feed them, initializers are no
    inputs, the inputs have the shapes of ``inputs``, and outputs the shapes that follow from them.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    if made.functions:
        made = inliner.inline_local_functions(made)
    if not _is_sorted(made.graph, set()):
        graph = from_proto(made)
        graph.graph.sort()
        made = to_proto(graph)
    constants = {tensor.name for tensor in made.graph.initializer}
    if any(entry.name in constants for entry in made.graph.input):
        _keep_inputs(made.graph, {e.name for e in made.graph.input} - constants)
        made.ir_version = max(made.ir_version, _CONSTANTS_IR)
    _fix_shapes(made.graph, {spec.name: spec.shape for spec in inputs})
    return made if all(map(_is_described, made.graph.output)) else _with_output_shapes(made)


def unused_inputs(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the names of the inputs that no node uses, in a body or not, and no output is."""
    used = {output.name for output in model.graph.output}
    for graph in _graphs(model.graph):
        used.update(name for node in graph.node for name in node.input)
        used.update(output.name for output in graph.output)
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [entry.name for entry in model.graph.input]
    return tuple(name for name in names if name not in used | constants)


def without_inputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return ``model`` without the inputs ``names``, which nothing uses."""
    if not names:
        return model
    made = onnx.ModelProto()
    made.CopyFrom(model)
    _keep_inputs(made.graph, {entry.name for entry in made.graph.input} - set(names))
    return made


def with_recurrent_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` with every output of LSTM, GRU and RNN named, used or not."""
    if not any(_roles(node) for graph in _graphs(model.graph) for node in graph.node):
        return model
    made = onnx.ModelProto()
    made.CopyFrom(model)
    taken = set()
    for graph in _graphs(made.graph):
        taken |= {entry.name for entry in (*graph.input, *graph.initializer)}
        taken |= {name for node in graph.node for name in node.output}
    for graph in _graphs(made.graph):
        for node in graph.node:
            roles = _roles(node)
            names = [*node.output, *[""] * (len(roles) - len(node.output))]
            base = node.name or next(filter(None, names), node.op_type)
            for index, role in enumerate(roles):
                names[index] = names[index] or _free_name(f"{base}_{role}", taken)
            node.output[:] = names
    return made


def _roles(node: onnx.NodeProto) -> tuple[str, ...]:
    standard = node.domain in ("", "ai.onnx")
    return _RECURRENT_OUTPUTS.get(node.op_type, ()) if standard else ()


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Give the graph and all bodies within it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                if body.node or body.output:
                    yield from _graphs(body)


def _is_sorted(graph: onnx.GraphProto, outer: set[str]) -> bool:
    """Tell whether every node and body uses only what stands before it."""
    known = outer | {entry.name for entry in (*graph.input, *graph.initializer)}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    for node in graph.node:
        if any(name and name not in known for name in node.input):
            return False
        bodies = [body for a in node.attribute for body in (a.g, *a.graphs) if body.node]
        if not all(_is_sorted(body, known) for body in bodies):
            return False
        known.update(node.output)
    return True


def _is_described(output: onnx.ValueInfoProto) -> bool:
    """Tell whether the shape is known; -1 is none, and a symbol may have become a number."""
    tensor = output.type.tensor_type
    return tensor.HasField("shape") and all(
        dim.HasField("dim_value") and dim.dim_value >= 0 for dim in tensor.shape.dim
    )


def _with_output_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Infer the shapes of outputs that have none; leave them as they are where that fails."""
    cleared = onnx.ModelProto()
    cleared.CopyFrom(model)
    for output in cleared.graph.output:
        if not _is_described(output):
            output.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(cleared, data_prop=True)
    except Exception:  # the type depends on what is wrong
        return model
    del cleared.graph.output[:]
    cleared.graph.output.extend(inferred.graph.output)
    return cleared


def _keep_inputs(graph: onnx.GraphProto, names: set[str]) -> None:
    kept = [entry for entry in graph.input if entry.name in names]
    del graph.input[:]
    graph.input.extend(kept)


def _fix_shapes(graph: onnx.GraphProto, shapes: dict[str, tuple[int, ...]]) -> None:
    """Write the shapes of inputs; what was known of others goes where one of them is new."""
    changed = False
    for entry in graph.input:
        if entry.name not in shapes or not entry.type.HasField("tensor_type"):
            continue
        tensor, wanted = entry.type.tensor_type, shapes[entry.name]
        if tensor.HasField("shape") and [d.dim_value for d in tensor.shape.dim] == [*wanted]:
            continue
        changed = True
        tensor.ClearField("shape")
        tensor.shape.SetInParent()
        for size in wanted:
            tensor.shape.dim.add().dim_value = size
    if changed:
        del graph.value_info[:]
        for output in graph.output:
            output.type.tensor_type.ClearField("shape")
