"""An ONNX model -> the same function in fewer and faster operators."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnx_ir import from_proto, to_proto
from onnx_ir import passes as onnx_ir_passes
from onnx_ir.passes import common

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.onnx_graph import first_line
from asymm_deploy.export.passes import fuse
from asymm_deploy.export.passes.identities import RemoveIdentities
from asymm_deploy.export.passes.onnxsim_apart import run_onnxsim, run_onnxsim_apart
from asymm_deploy.export.passes.whole_graph import (
    prepared,
    unused_inputs,
    with_recurrent_outputs,
    without_inputs,
)

logging.getLogger("onnx_ir").addHandler(logging.NullHandler())  # what it skips is no news


@dataclass(frozen=True)
class Simplified:
    """A graph that computes what the given one does."""

    model: onnx.ModelProto
    how: str
    """What simplified it, for messages."""
    unused_inputs: tuple[str, ...]
    """Inputs of the model that this graph doesn't have, since nothing depends on them."""
    notes: tuple[str, ...]
    """What failed on the way, and what was left out."""


def simplifications(
    model: onnx.ModelProto, inputs: Sequence[TensorSpec], *, trusted: bool = False
) -> Iterator[Simplified]:
    """Give graphs that compute the same as ``model``, the most simplified one first.

    onnxsim folds constants and BatchNorm; ``passes`` then write global pooling, hard-sigmoid,
    hard-swish and the classifier the way MNN runs them fastest; at last, dead and duplicate nodes
    and constants go. After that come the graph without onnxsim, and the one as it was given, with
    its shapes fixed and, where they were open, as they were: a branch for other shapes than these
    may be no valid graph with them. Take the next where a converter fails on one. What fails here
    is skipped, and said in the notes of the next. ``model`` is not changed. onnxsim runs in a
    process of its own unless the model is ``trusted`` not to crash it. Raises ConversionError if
    not even the graph as given is valid.
    """
    failed: list[str] = []
    try:
        plain = prepared(model, inputs)
    except Exception as error:
        plain = model
        failed.append(f"inlining and sorting failed ({first_line(error)})")
    names = {entry.name for entry in plain.graph.input}
    shapes = {spec.name: spec.shape for spec in inputs if spec.name in names}
    onnxsim = run_onnxsim if trusted else run_onnxsim_apart
    ways: tuple[tuple[str, str, Callable[[], onnx.ModelProto]], ...] = (
        ("onnxsim", "onnxsim and our own passes", lambda: onnxsim(plain, shapes)),
        ("our own passes", "our own passes alone", lambda: _with_shapes(plain)),
        ("the graph", "no simplification", lambda: plain),
        ("the graph", "no simplification, with its axes left open", lambda: model),
    )
    if _is_fixed(model):
        ways = ways[:-1]
    given = False
    for step, how, start in ways:
        at = step
        try:
            graph = start()
            if step != "the graph":
                at = "our own passes"
                graph = _fuse_and_clean(graph)
            graph, unused = _finished(graph, inputs)
        except Exception as error:
            failed.append(f"{at} failed ({first_line(error)})")
            continue
        given = True
        yield Simplified(graph, how, unused, tuple(_notes(failed, how, unused)))
    if not given:
        raise ConversionError(
            f"no form of the graph is valid: {'; '.join(dict.fromkeys(failed))}",
            "check the .onnx file with onnx.checker, and that its operators are standard ones",
        )


def _is_fixed(model: onnx.ModelProto) -> bool:
    """Whether every input of the graph has a shape without open axes."""
    return all(
        entry.type.tensor_type.HasField("shape")
        and all(axis.HasField("dim_value") for axis in entry.type.tensor_type.shape.dim)
        for entry in model.graph.input
    )


def _notes(failed: Sequence[str], how: str, unused: Sequence[str]) -> Iterator[str]:
    if failed:
        yield f"{'; '.join(dict.fromkeys(failed))}: the graph went through {how}"
    if unused:
        inputs = "inputs" if len(unused) > 1 else "input"
        yield f"nothing depends on the {inputs} {', '.join(unused)}: left out"


def _fuse_and_clean(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = from_proto(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(graph)
    if next(graph.graph.subgraphs(), None) is not None:
        common.ShapeInferencePass(data_prop=True)(graph)  # onnxsim leaves out the bodies
    fuse(graph)
    onnx_ir_passes.Sequential(
        RemoveIdentities(),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
    )(graph)
    return to_proto(graph)


def _finished(
    model: onnx.ModelProto, inputs: Sequence[TensorSpec]
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return a valid graph with its shapes, and which of ``inputs`` it doesn't need."""
    graph = with_recurrent_outputs(model)
    graph = without_inputs(graph, unused_inputs(graph))
    _require_valid(graph)
    left = {entry.name for entry in graph.graph.input}
    return _with_shapes(graph), tuple(s.name for s in inputs if s.name not in left)


def _require_valid(model: onnx.ModelProto) -> None:
    """Raise the checker's error if ONNX Runtime refuses the graph too."""
    from asymm_deploy.engines.ort_session import OrtSession

    try:
        onnx.checker.check_model(model)
    except Exception as refused:
        try:
            OrtSession(model.SerializeToString(), optimised=False)
        except EngineError:
            raise refused from None


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` with the shapes that can be inferred; as it is where inferring fails."""
    for strict in (True, False):
        try:
            return onnx.shape_inference.infer_shapes(model, strict_mode=strict, data_prop=True)
        except Exception:  # noqa: S112  the type depends on what is wrong
            continue
    return model
