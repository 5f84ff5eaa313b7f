"""What explain says of a file, on two samples made from seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.explain.explanation import ExplainedOperator
from asymm_deploy.explain.host_errors import explain_values


def judged(model: Path, reference: Path) -> tuple[ExplainedOperator, ...]:
    """Return every operator of the .mnn file with its own error against the .onnx file."""
    graph = onnx.load(reference)
    sample, *further = (made_up(graph, seed) for seed in range(2))
    return explain_values(model, graph, sample, further=further)


def made_up(graph: onnx.ModelProto, seed: int) -> Arrays:
    """Return normal values for each input."""
    rng = np.random.default_rng(seed)
    return {
        entry.name: rng.standard_normal(
            [axis.dim_value for axis in entry.type.tensor_type.shape.dim]
        ).astype(np.float32)
        for entry in graph.graph.input
    }
