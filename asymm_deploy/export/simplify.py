"""An ONNX model -> the same function in fewer and faster operators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnx_ir import from_proto, to_proto
from onnx_ir import passes as onnx_ir_passes
from onnx_ir.passes import common

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.onnx_graph import first_line
from asymm_deploy.export.passes import fuse
from asymm_deploy.export.passes.identities import RemoveIdentities


def simplify(model: onnx.ModelProto, inputs: Sequence[TensorSpec]) -> onnx.ModelProto:
    """Return ``model`` with shapes fixed, constants folded and the fast operators in place.

    onnxsim folds constants and BatchNorm; ``passes`` then write global pooling, hard-sigmoid,
    hard-swish and the classifier the way MNN runs them fastest; at last, dead and duplicate nodes
    and constants go. ``model`` is not changed. Raises ConversionError.
    """
    import onnxsim

    shapes = {spec.name: list(spec.shape) for spec in inputs}
    try:
        simplified, _ = onnxsim.simplify(model, overwrite_input_shapes=shapes)
    except Exception as error:
        raise ConversionError(
            f"onnxsim can't simplify the graph: {first_line(error)}",
            "check the .onnx file with onnx.checker, and that its operators are standard ones",
        ) from error
    try:
        fused = _fuse_and_clean(simplified)
        onnx.checker.check_model(fused)
        return onnx.shape_inference.infer_shapes(fused, strict_mode=True, data_prop=True)
    except Exception as error:
        raise ConversionError(
            f"the simplified graph is not valid: {first_line(error)}",
            "this is likely a bug in asymm-deploy; please report it with the .onnx file",
        ) from error


@dataclass(frozen=True)
class Simplified:
    """A simplified graph, and what could not be done to it."""

    model: onnx.ModelProto
    notes: tuple[str, ...] = ()


def simplifications(model: onnx.ModelProto, inputs: Sequence[TensorSpec]) -> Iterator[Simplified]:
    """Yield graphs that compute the same, the most simplified first."""
    yield Simplified(simplify(model, inputs))


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
