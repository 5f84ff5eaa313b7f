"""What MNN approximates, written out as ONNX operators: the erf-GELU.

MNN's converter turns the erf-GELU into an operator of its own, which computes the tanh-GELU with a
quotient of polynomials for tanh. A graph that does the same gives what MNN's may give.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose, pi, sqrt
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from asymm_deploy.engines.tensors import Array, Arrays
from asymm_deploy.export.proof.exact import half_precision
from asymm_deploy.export.proof.graph_values import MODEL_BYTES_LIMIT, graph_values

APPROXIMATED = (
    "erf-GELU is approximated by MNN: {effect:.0e} of the outputs' deviation; GELU('tanh') would "
    "be exact"
)

# tanh(t) = t (135135 + 17325 t^2 + 378 t^4 + t^6) / (135135 + 62370 t^2 + 3150 t^4 + 28 t^6),
# Lambert's continued fraction cut at its seventh term; MNN 3.6.1 keeps t within 5.
_ABOVE = (135135.0, 17325.0, 378.0, 1.0)
_BELOW = (135135.0, 62370.0, 3150.0, 28.0)
_FURTHEST = 5.0
_CUBIC = 0.044715


def approximated_results(
    model: onnx.ModelProto, samples: Sequence[Arrays]
) -> list[list[Array]] | None:
    """Return the outputs ``[sample][output]`` with MNN's approximations in the graph's place.

    None where the graph has nothing that MNN approximates, or can't be run.
    """
    changed = approximated(model)
    if changed is None:
        return None
    names = [entry.name for entry in model.graph.output]
    found = graph_values(changed, samples, names)
    return None if found is None else [[arrays[name] for name in names] for arrays in found]


def approximated(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Return a copy of ``model`` that computes its GELUs as MNN does; None if it has none."""
    if model.ByteSize() > MODEL_BYTES_LIMIT:
        return None
    kinds = {node.op_type for node in model.graph.node}
    if not kinds & {"Erf", "Gelu"}:
        return None
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes = list(changed.graph.node)
    constants = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in changed.graph.initializer
        if len(tensor.dims) <= 1
    }
    constants |= {n.output[0]: _constant(n) for n in nodes if n.op_type == "Constant"}
    made: list[NodeProto] = []
    replaced = 0
    dtype = np.float16 if half_precision(model) else np.float32
    for number, node in enumerate(nodes):
        if node.op_type == "Erf" and _is_gate(node.output[0], nodes, constants):
            made += _Spelt(f"gelu_{number}", dtype).erf_of(node.input[0], node.output[0])
            replaced += 1
        elif node.op_type == "Gelu" and node.domain in ("", "com.microsoft"):
            made += _Spelt(f"gelu_{number}", dtype).gelu_of(node.input[0], node.output[0])
            replaced += 1
        else:
            made.append(node)
    if not replaced:
        return None
    del changed.graph.node[:]
    changed.graph.node.extend(made)
    return changed


def _is_gate(name: str, nodes: Sequence[NodeProto], constants: dict[str, Array]) -> bool:
    """Whether ``name`` is used as erf in 1 + erf, as a GELU does."""
    users = [node for node in nodes if name in node.input]
    return bool(users) and all(
        user.op_type == "Add"
        and any(
            other in constants and _is_number(constants[other], 1.0)
            for other in user.input
            if other != name
        )
        for user in users
    )


def _constant(node: NodeProto) -> Array:
    """Return what a Constant holds; nothing where it holds no numbers."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name == "value_float":
            return np.array(attribute.f, np.float32)
    return np.empty(0, np.float32)


def _is_number(array: Array, wanted: float) -> bool:
    return array.size == 1 and isclose(float(np.ravel(array)[0]), wanted)


class _Spelt:
    """Makes the nodes of one GELU; every name begins with ``prefix``."""

    def __init__(self, prefix: str, dtype: type[np.floating[Any]]) -> None:
        self._prefix = prefix
        self._dtype = dtype
        self._nodes: list[NodeProto] = []

    def erf_of(self, scaled: str, into: str) -> list[NodeProto]:
        """Return nodes that put into ``into`` what stands for erf; ``scaled`` is x / sqrt(2)."""
        x = self._node("Mul", scaled, self._number(sqrt(2.0)))
        self._tanh(x, into)
        return self._nodes

    def gelu_of(self, x: str, into: str) -> list[NodeProto]:
        """Return nodes that put the GELU of ``x`` into ``into``."""
        gate = self._tanh(x, None)
        total = self._node("Add", gate, self._number(1.0))
        half = self._node("Mul", x, self._number(0.5))
        self._nodes.append(helper.make_node("Mul", [half, total], [into]))
        return self._nodes

    def _tanh(self, x: str, into: str | None) -> str:
        cube = self._node("Mul", self._node("Mul", x, x), x)
        inner = self._node("Add", x, self._node("Mul", cube, self._number(_CUBIC)))
        scaled = self._node("Mul", inner, self._number(sqrt(2.0 / pi)))
        low, high = self._number(-_FURTHEST), self._number(_FURTHEST)
        t = self._node("Min", self._node("Max", scaled, low), high)
        square = self._node("Mul", t, t)
        above = self._node("Mul", t, self._polynomial(square, _ABOVE))
        quotient = self._node("Div", above, self._polynomial(square, _BELOW))
        bounded = self._node("Max", quotient, self._number(-1.0))
        one = self._number(1.0)
        last = into or f"{self._prefix}_{len(self._nodes)}"
        self._nodes.append(helper.make_node("Min", [bounded, one], [last]))
        return last

    def _polynomial(self, square: str, factors: Sequence[float]) -> str:
        total = self._number(factors[-1])
        for factor in reversed(factors[:-1]):
            product = self._node("Mul", total, square)
            total = self._node("Add", product, self._number(factor))
        return total

    def _number(self, value: float) -> str:
        """Return a scalar of the graph's precision."""
        name = f"{self._prefix}_{len(self._nodes)}"
        tensor = numpy_helper.from_array(np.array(value, self._dtype))
        self._nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return name

    def _node(self, kind: str, *inputs: str) -> str:
        name = f"{self._prefix}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name]))
        return name
