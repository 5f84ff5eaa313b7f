"""One .mnn file against one ONNX graph, in this process: observed, placed and judged.

It imports MNN, which prints on stdout and may crash: `host_errors` runs it in another process.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import msgspec
import onnx

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.feeding import in_32_bits
from asymm_deploy.engines.mnn_file import MnnFile, read_mnn
from asymm_deploy.engines.observation import ObservedOperator
from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import UsageError
from asymm_deploy.explain.error_limits import weight_bits
from asymm_deploy.explain.explanation import OperatorError
from asymm_deploy.explain.host_errors import JudgedRun, WatchRequest, load_arrays, save_arrays
from asymm_deploy.explain.operator_errors import KEPT, operator_error, overwritten, unfed
from asymm_deploy.explain.operator_graph import OperatorPlaces
from asymm_deploy.explain.placing.converted_graph import ConvertedGraph
from asymm_deploy.explain.placing.onnx_view import OnnxView
from asymm_deploy.explain.placing.operator_work import bytes_moved, madds_of
from asymm_deploy.explain.placing.placed_operator import PlacedOperator
from asymm_deploy.export.onnx_graph import load_onnx
from asymm_deploy.export.proof.graph_values import graph_values
from asymm_deploy.files import read_regular

_OTHER_SHAPE = "what it reads has another shape than in the reference"
_EMPTY = "it makes no elements"


def judge_run(request: WatchRequest) -> JudgedRun:
    """Return the operators of a run in their places, with their errors.

    Raises EngineError where an engine fails, and DeployError where a file can't be read.
    """
    from asymm_deploy.engines.mnn_observed import MnnWatched

    reference = load_onnx(Path(request.reference))
    samples = [load_arrays(Path(each)) for each in request.samples]
    graph = ConvertedGraph(read_mnn(_content(Path(request.model))), OnnxView(reference))
    watched = MnnWatched(request.model)
    placed: tuple[PlacedOperator, ...] = ()
    on_layer: list[OperatorError | None] = []
    own: list[OperatorError | None] = []
    without_own: dict[int, str] = {}
    for number, sample in enumerate(samples):
        values = _values(reference, graph, sample)
        feed = {name: in_32_bits(array) for name, array in sample.items()}
        natural = watched.run(feed)
        if number == 0:
            placed = OperatorPlaces(graph, values, watched.inputs).place(natural)
            if request.values is not None:
                save_arrays(Path(request.values), values)
        given = overwritten(placed, values)
        alone = watched.run(feed, lambda *place, given=given: given.get(place))
        on_layer = _largest(on_layer, _errors(placed, natural, values))
        without_own |= dict.fromkeys((index for index, _input in watched.kept), KEPT)
        without_own |= dict.fromkeys(unfed(placed, values), _OTHER_SHAPE)
        own = _largest(own, _errors(placed, alone, values))
    shapes = {name: tuple(array.shape) for name, array in samples[0].items()}
    for operator in placed:
        if operator.unjudged is None and not any(map(prod, operator.output_shapes)):
            without_own[operator.index] = _EMPTY
    return JudgedRun(
        placed=tuple(_without_own(each, without_own.get(each.index)) for each in placed),
        madds=tuple(madds_of(placed, graph, reference, shapes)),
        bytes_moved=tuple(bytes_moved(placed, graph.file, request.precision)),
        weight_bits=_all_weight_bits(placed, graph.file),
        on_layer=tuple(on_layer),
        own=tuple(None if i in without_own else each for i, each in enumerate(own)),
    )


def _content(model: Path) -> bytes:
    try:
        return read_regular(model)
    except OSError as error:
        raise UsageError(
            f"can't read {model}: {error.strerror}", "check the path and its permissions"
        ) from error


def _without_own(operator: PlacedOperator, why: str | None) -> PlacedOperator:
    if why is None or operator.unjudged is not None:
        return operator
    return msgspec.structs.replace(operator, unjudged=why)


def _values(reference: onnx.ModelProto, graph: ConvertedGraph, sample: Arrays) -> Arrays:
    """Return the reference's tensors that the file has, the inputs included."""
    missing = sorted(graph.view.inputs - sample.keys())
    if missing:
        raise EngineError(f"there is no array for the reference's input {missing[0]}")
    names = [name for name in graph.view.tensors if name in graph.boundary]
    found = graph_values(reference, [sample], names) if names else [{}]
    if found is None:
        raise EngineError("ONNX Runtime can't give the tensors inside the reference")
    return {**sample, **found[0]}


def _errors(
    placed: Sequence[PlacedOperator], run: Sequence[ObservedOperator], values: Arrays
) -> list[OperatorError | None]:
    return [
        operator_error(place, observed.outputs, values)
        for place, observed in zip(placed, run, strict=True)
    ]


def _largest(
    before: Sequence[OperatorError | None], now: Sequence[OperatorError | None]
) -> list[OperatorError | None]:
    """Return of each operator's errors over two samples the one that is further off."""
    if not before:
        return list(now)
    return [
        max((each for each in pair if each), key=lambda error: error.over_deviation, default=None)
        for pair in zip(before, now, strict=True)
    ]


def _all_weight_bits(placed: Sequence[PlacedOperator], file: MnnFile) -> tuple[int | None, ...]:
    """Return in how many bits the file keeps each operator's weights.

    None for all where few of them are in less than 32: that is no file of such weights, but a
    change of those. A file with weights in 16 bits has all of its constants in so many.
    """
    found = [_weight_bits(each, file) for each in placed]
    weighted = [each for each in file.operators if each.convolution is not None]
    if 2 * sum(each is not None for each in found) < len(weighted):
        return (None,) * len(found)
    return tuple(16 if each is None and 16 in found else each for each in found)


def _weight_bits(operator: PlacedOperator, file: MnnFile) -> int | None:
    """Return in how many bits the file keeps an operator's weights."""
    if operator.file_operator is None or not operator.whole:
        return None
    convolution = file.operators[operator.file_operator].convolution
    if convolution is None or not operator.input_shapes or len(operator.input_shapes[0]) < 2:
        return None
    channels = operator.input_shapes[0][1] // max(1, convolution.groups)
    return weight_bits(convolution, convolution.outputs * channels * prod(convolution.kernel))
