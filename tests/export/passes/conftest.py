"""Graphs written as text, put through a pass, and proven equal in ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import parser

from asymm_deploy.export.passes.graph_pass import GraphPass, GraphPassResult


@dataclass(frozen=True)
class Passed:
    """The graph after a pass, what the pass said, and the operators of the graph and its bodies."""

    model: onnx.ModelProto
    result: GraphPassResult
    kinds: Counter[str]
    names: tuple[str, ...]


Apply = Callable[..., Passed]
TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
}


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes_of(attribute.g)


def results(model: onnx.ModelProto) -> list[list[np.ndarray]]:
    """What the graph gives for positive, negative and mixed input: both branches of an If."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    given = []
    for sign in (np.abs, lambda a: -np.abs(a), lambda a: a):
        arrays = {
            entry.name: np.asarray(sign(4 * rng.standard_normal(entry.shape))).astype(
                TYPES[entry.type]
            )
            for entry in session.get_inputs()
        }
        given.append(arrays)
    return [session.run(None, arrays) for arrays in given]


@pytest.fixture(scope="session")
def apply() -> Apply:
    """Run a pass on ``g (inputs) => (outputs) {...}``; the outputs must not change."""

    def run(
        graph: str,
        *passes: GraphPass,
        opset: int = 17,
        infer: bool = True,
        proven: bool = True,
    ) -> Passed:
        text = f'<ir_version: 8, opset_import: ["" : {opset}, "other" : 1]> {graph}'
        before = parser.parse_model(text)
        onnx.checker.check_model(before)
        if infer:
            before = onnx.shape_inference.infer_shapes(before, strict_mode=proven)
        model = ir.from_proto(before)
        untouched = ir.to_proto(model.clone())
        said = [each(model) for each in passes]
        after = ir.to_proto(model)
        assert any(result.modified for result in said) == (untouched != after)
        assert all(result.modified == (result.rewritten > 0) for result in said)
        onnx.checker.check_model(after)
        if proven:
            for old, new in zip(results(before), results(after), strict=True):
                for a, b in zip(old, new, strict=True):
                    assert a.shape == b.shape
                    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        everything = list(nodes_of(after.graph))
        names = tuple(name for node in everything for name in node.output)
        assert len(set(names)) == len(names)
        kinds = Counter(node.op_type for node in everything)
        return Passed(after, said[-1], kinds, names)

    return run
