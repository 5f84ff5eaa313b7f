"""How far the reference of a graph itself rounds: against a wider type."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
from onnx import TensorProto, numpy_helper

from asymm_deploy.engines.ort_session import OrtSession
from asymm_deploy.engines.tensors import Array, Arrays
from asymm_deploy.export.proof.exact import half_precision, widened, widened_results
from asymm_deploy.export.proof.reference import distances

HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
SAMPLES: list[Arrays] = [
    {"x": np.random.default_rng(seed).standard_normal((1, 8)).astype(np.float32)}
    for seed in range(4)
]


def rounding(model: onnx.ModelProto, samples: list[Arrays], madds: int = 0) -> list[float]:
    return distances(widened_results(model, samples, madds), run(model, samples))


def run(model: onnx.ModelProto, samples: list[Arrays]) -> list[list[Array]]:
    session = OrtSession(model.SerializeToString(), optimised=False)
    results = []
    for sample in samples:
        session.feed(sample)
        session.run()
        results.append(list(session.outputs().values()))
    return results


def cancelling(large: float) -> onnx.ModelProto:
    return onnx.parser.parse_model(
        HEADER + "g (float[1,8] x) => (float[1,8] y)"
        f"{{ c = Constant<value_float={large}>()\n a = Add(x, c)\n y = Sub(a, c) }}"
    )


def test_a_graph_that_cancels_loses_the_digits_that_double_precision_keeps() -> None:
    model = cancelling(1000.0)
    (found,) = rounding(model, SAMPLES)
    assert 1e-6 < found < 1e-3
    plain = cancelling(0.0)
    assert rounding(plain, SAMPLES) == [0.0]


def test_convolutions_are_computed_in_double_precision_too() -> None:
    model = onnx.parser.parse_model(
        HEADER + "g (float[1,2,6,6] x) => (float[1,3,4,4] y) { y = Conv(x, w) }"
    )
    weight = np.random.default_rng(1).standard_normal((3, 2, 3, 3)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    samples: list[Arrays] = [{"x": np.full((1, 2, 6, 6), 0.1 * n, np.float32)} for n in range(1, 4)]
    (found,) = rounding(model, samples, 100)
    assert 0.0 < found < 1e-6
    assert rounding(model, samples, 10**9) == []  # takes too long


def test_half_precision_is_held_against_single_precision() -> None:
    scaling = onnx.parser.parse_model(
        HEADER + "g (float[1,8] x) => (float[1,8] y)"
        "{ c = Constant<value = float {1.1}>()\n y = Mul(x, c) }"
    )
    model = widened(scaling, TensorProto.FLOAT16)
    assert half_precision(model)
    assert not half_precision(scaling)
    samples: list[Arrays] = [{"x": sample["x"].astype(np.float16)} for sample in SAMPLES]
    (found,) = rounding(model, samples)
    assert 1e-4 < found < 1e-2


def test_every_floating_type_is_widened_and_no_other() -> None:
    model = onnx.parser.parse_model(
        HEADER + "g (float[2] x, int64[2] i) => (float[2] y)"
        "{ f = Cast<to=1>(i)\n c = Constant<value = float {2.0}>()\n"
        " a = Mul(f, c)\n y = Add(x, a) }"
    )
    wide = widened(model, TensorProto.DOUBLE)
    kinds = [entry.type.tensor_type.elem_type for entry in (*wide.graph.input, *wide.graph.output)]
    assert kinds == [TensorProto.DOUBLE, TensorProto.INT64, TensorProto.DOUBLE]
    sample: Arrays = {"x": np.ones(2), "i": np.array([1, 2])}
    assert run(wide, [sample])[0][0].tolist() == [3.0, 5.0]
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT  # left as it was
