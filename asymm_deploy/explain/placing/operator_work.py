"""What an operator does: multiply-adds, and the bytes that it reads and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import onnx

from asymm_deploy.bench.records import Precision
from asymm_deploy.engines.mnn_file import MnnFile, MnnOperator
from asymm_deploy.engines.observation import ValueSource
from asymm_deploy.errors import UsageError
from asymm_deploy.explain.placing.converted_graph import ConvertedGraph
from asymm_deploy.explain.placing.placed_operator import PlacedOperator
from asymm_deploy.models.onnx_cost import count_graph


def madds_of(
    placed: Sequence[PlacedOperator],
    graph: ConvertedGraph,
    model: onnx.ModelProto,
    input_shapes: Mapping[str, tuple[int, ...]],
) -> list[int]:
    """Return the multiply-adds of each operator; those of a node in parts are shared among them."""
    try:
        counted = count_graph(model, input_shapes)
    except UsageError:
        return [0] * len(placed)
    by_node: dict[str, int] = {}
    for layer in counted.layers:
        by_node[layer.name] = by_node.get(layer.name, 0) + layer.madds
    doing: dict[str, list[int]] = {}
    for operator in placed:
        for node in _nodes_of(operator, graph):
            if by_node.get(node):
                doing.setdefault(node, []).append(operator.index)
    madds = [0] * len(placed)
    for node, indices in doing.items():
        part, rest = divmod(by_node[node], len(indices))
        for number, index in enumerate(indices):
            madds[index] += part + (number < rest)
    return madds


def _nodes_of(operator: PlacedOperator, graph: ConvertedGraph) -> list[str]:
    """Return the names of the nodes whose products an operator computes."""
    if operator.makes is None or not operator.whole or operator.type == "Raster":
        return []
    nodes = graph.nodes_of(operator.makes)
    return [node.name or next(iter(node.output), "?") for node in nodes]


def bytes_moved(placed: Sequence[PlacedOperator], file: MnnFile, precision: Precision) -> list[int]:
    """Return the bytes of each operator's inputs, weights and outputs, each once."""
    width = 2 if precision == "fp16" else 4
    found = []
    for operator in placed:
        read = {
            (source, position * (source is None)): (source, shape)
            for position, (source, shape) in enumerate(
                zip(operator.sources, operator.input_shapes, strict=True)
            )
        }
        total = sum(
            prod(shape) * (1 if _is_int8(placed, source) else width)
            for source, shape in read.values()
        )
        made = sum(prod(shape) for shape in operator.output_shapes)
        total += made * (1 if operator.int8 else width)
        if operator.file_operator is not None and operator.whole:
            total += _weight_bytes(file.operators[operator.file_operator], width)
        found.append(total)
    return found


def _is_int8(placed: Sequence[PlacedOperator], source: ValueSource | None) -> bool:
    return source is not None and source.operator >= 0 and placed[source.operator].int8


def _weight_bytes(operator: MnnOperator, width: int) -> int:
    convolution = operator.convolution
    if convolution is None:
        return 0
    plain = sum(each.count for each in (convolution.weight, convolution.bias) if each)
    scales = convolution.scales.count if convolution.scales else 0
    return plain * width + (convolution.encoded.count if convolution.encoded else 0) + 4 * scales
