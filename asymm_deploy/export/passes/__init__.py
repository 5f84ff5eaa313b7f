"""Rewrites of an ONNX graph into operators that MNN has or runs fast; the function stays the same.

==================  ====================================================================
global_pooling.py   a mean over the whole map -> GlobalAveragePool
hard_sigmoid.py     Clip(x + 3, 0, 6) / 6 -> HardSigmoid
hard_swish.py       x * HardSigmoid(x), however it is spelt out -> HardSwish
channel_slopes.py   PRelu's slopes (C, 1, 1) -> (1, C, 1, 1)
classifier.py       Gemm after pooling, and what stands between two of them -> 1x1 Conv
not_a_number.py     IsNaN(x) -> x != x
identities.py       Identity -> nothing
onnxsim_apart.py    onnxsim in a process of its own: constants and BatchNorm folded
whole_graph.py      functions inlined, nodes in order, initializers and unused inputs no inputs
graph_pass.py       what the passes have in common: requirements, the walk, the result
node_builder.py     new nodes and initializers under names that are still free
known_values.py     what is known of a value: its shape, its constant, the node that makes it
==================  ====================================================================

A pass visits the main graph and the bodies of If, Loop and Scan. It never raises for a valid graph:
where a requirement isn't met, it leaves the graph as it is, and its result says why.
"""

from __future__ import annotations

import onnx_ir as ir

from asymm_deploy.export.passes.channel_slopes import SlopesByChannel
from asymm_deploy.export.passes.classifier import ClassifierInMaps
from asymm_deploy.export.passes.global_pooling import PoolGlobally
from asymm_deploy.export.passes.graph_pass import GraphPass, GraphPassResult
from asymm_deploy.export.passes.hard_sigmoid import FuseHardSigmoid
from asymm_deploy.export.passes.hard_swish import FuseHardSwish
from asymm_deploy.export.passes.not_a_number import CompareForNan

FUSIONS: tuple[GraphPass, ...] = (
    PoolGlobally(),
    FuseHardSigmoid(),
    FuseHardSwish(),  # finds the gates that the pass before it has made
    SlopesByChannel(),
    ClassifierInMaps(),
    CompareForNan(),
)


def fuse(model: ir.Model) -> tuple[GraphPassResult, ...]:
    """Run every fusion on ``model``, in place; return what each of them did, in their order.

    Wants inferred shapes and types, as onnxsim leaves them, and constants as initializers: a node
    of which too little is known stays as it is.
    """
    return tuple(fusion(model) for fusion in FUSIONS)
