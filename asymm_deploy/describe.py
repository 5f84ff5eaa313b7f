"""What a model costs, whatever kind of source it comes from."""

from __future__ import annotations

from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.source import OnnxFile, Source


def described(source: Source) -> Complexity:
    """Return the layers of a network, of what a callable makes, or of an .onnx file's graph.

    Raises UsageError if it can't be made, read or run with the input shapes given.
    """
    if not isinstance(source, OnnxFile):
        from asymm_deploy.models.catalog import describe

        return describe(source)
    from asymm_deploy.export.onnx_graph import graph_inputs, load_onnx
    from asymm_deploy.models.onnx_cost import count_graph

    model = load_onnx(source.path)
    inputs = graph_inputs(model, source)
    return count_graph(model, {spec.name: spec.shape for spec in inputs})
