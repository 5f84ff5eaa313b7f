"""The graph of an .onnx file in a wider type, to tell how far the reference itself rounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from asymm_deploy.engines.tensors import Array, Arrays
from asymm_deploy.export.proof.graph_values import MODEL_BYTES_LIMIT, graph_values

_MOST_MADDS = 300e6
"""onnx's own evaluator, which computes anything in double precision, needs minutes beyond this."""


def half_precision(model: onnx.ModelProto) -> bool:
    """Whether the graph takes or gives float16, or has constants in it."""
    half = TensorProto.FLOAT16
    return any(t.data_type == half for t in model.graph.initializer) or any(
        entry.type.tensor_type.elem_type == half
        for entry in (*model.graph.input, *model.graph.output)
    )


def widened_results(
    model: onnx.ModelProto, samples: Sequence[Arrays], madds: int
) -> list[list[Array]] | None:
    """Return the outputs ``[sample][output]`` of a graph, computed in a wider type.

    A graph in float16 is computed in float32, any other in double precision. None where neither
    ONNX Runtime nor onnx's own evaluator can, or the latter would take minutes.
    """
    if 2 * model.ByteSize() > MODEL_BYTES_LIMIT:
        return None
    half = half_precision(model)
    wide = widened(model, TensorProto.FLOAT if half else TensorProto.DOUBLE)
    dtype = np.float32 if half else np.float64
    widened_samples = [
        {key: a.astype(dtype) if a.dtype.kind == "f" else a for key, a in sample.items()}
        for sample in samples
    ]
    names = [entry.name for entry in model.graph.output]
    found = graph_values(wide, widened_samples, names)
    if found is None and madds <= _MOST_MADDS:
        found = _evaluated(wide, widened_samples, names)
    return None if found is None else [[arrays[name] for name in names] for arrays in found]


def widened(model: onnx.ModelProto, to: int) -> onnx.ModelProto:
    """Return a copy of ``model`` with every floating-point tensor of the type ``to``."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    del wide.graph.value_info[:]
    for function in wide.functions:
        for node in function.node:
            _widen_node(node, to)
    _widen_graph(wide.graph, to)
    return wide


_FLOATING = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE})


def _widen_graph(graph: onnx.GraphProto, to: int) -> None:
    for tensor in graph.initializer:
        _widen_tensor(tensor, to)
    for entry in (*graph.input, *graph.output, *graph.value_info):
        if entry.type.tensor_type.elem_type in _FLOATING:
            entry.type.tensor_type.elem_type = to
    for node in graph.node:
        _widen_node(node, to)


def _widen_node(node: onnx.NodeProto, to: int) -> None:
    for attribute in [a for a in node.attribute if a.name in ("value_float", "value_floats")]:
        value = attribute.f if attribute.name == "value_float" else list(attribute.floats)
        array = np.array(value, onnx.helper.tensor_dtype_to_np_dtype(to))
        node.attribute.remove(attribute)
        node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(array)))
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            _widen_tensor(attribute.t, to)
        elif attribute.type == onnx.AttributeProto.GRAPH:
            _widen_graph(attribute.g, to)
        elif attribute.name in ("to", "dtype") and attribute.i in _FLOATING:
            attribute.i = to


def _widen_tensor(tensor: onnx.TensorProto, to: int) -> None:
    if tensor.data_type in _FLOATING:
        array = numpy_helper.to_array(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(to))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _evaluated(
    model: onnx.ModelProto, samples: Sequence[Arrays], names: Sequence[str]
) -> list[Arrays] | None:
    from onnx.reference import ReferenceEvaluator

    try:
        evaluator = ReferenceEvaluator(model)
        return [
            dict(zip(names, map(np.asarray, evaluator.run(list(names), sample)), strict=True))
            for sample in samples
        ]
    except Exception:  # an operator without double precision, or without an implementation there
        return None
