"""MNN's GELU, written out: MNN's own results to a millionth, and nothing else excused by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from torch import nn

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.export.mnn import run_mnn, to_mnn
from asymm_deploy.export.proof.approximations import approximated, approximated_results

SAMPLES: list[Arrays] = [{"x": np.linspace(-6, 6, 4096, dtype=np.float32).reshape(1, -1)}]
ERF_GELU = (
    "{ r = Constant<value = float {1.4142135381698608}>()\n one = Constant<value = float {1.0}>()\n"
    " half = Constant<value = float {0.5}>()\n s = Div(x, r)\n e = Erf(s)\n a = Add(e, one)\n"
    " m = Mul(x, a)\n y = Mul(m, half) }"
)


def graph(body: str, opset: int = 17) -> onnx.ModelProto:
    return onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]>'
        f"g (float[1,4096] x) => (float[1,4096] y) {body}"
    )


def in_mnn(model: onnx.ModelProto, folder: Path) -> Array:
    (folder / "g.onnx").write_bytes(model.SerializeToString())
    to_mnn(folder / "g.onnx", folder / "g.mnn")
    specs = TensorSpec("x", (1, 4096)), TensorSpec("y", (1, 4096))
    ((found,),) = run_mnn(folder / "g.mnn", SAMPLES, specs[1:], folder, inputs=specs[:1])
    return found


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        (ERF_GELU, 17),
        (ERF_GELU, 13),
        ("{ y = Gelu(x) }", 20),
        ('{ y = Gelu<approximate="tanh">(x) }', 20),
    ],
)
def test_what_mnn_gives_is_known_to_a_millionth(body: str, opset: int, tmp_path: Path) -> None:
    model = graph(body, opset)
    results = approximated_results(model, SAMPLES)
    assert results is not None
    ((close,),) = results
    found = in_mnn(model, tmp_path).astype(np.float64)
    assert np.abs(found - close.astype(np.float64)).max() < 3e-6
    exact = nn.functional.gelu(torch.from_numpy(SAMPLES[0]["x"].astype(np.float64))).numpy()
    assert 1e-4 < np.abs(found - exact).max() < 1e-3  # so it is worth knowing


def test_erf_by_itself_is_exact_in_mnn_and_left_alone(tmp_path: Path) -> None:
    model = graph("{ y = Erf(x) }")
    assert approximated(model) is None
    exact = torch.erf(torch.from_numpy(SAMPLES[0]["x"].astype(np.float64))).numpy()
    assert np.abs(in_mnn(model, tmp_path) - exact).max() < 1e-6


def test_a_graph_without_a_gelu_has_nothing_approximated() -> None:
    assert approximated(graph("{ y = Tanh(x) }")) is None
    assert approximated_results(graph("{ y = Tanh(x) }"), SAMPLES) is None


def test_the_given_graph_stays_as_it_was() -> None:
    model = graph(ERF_GELU)
    before = model.SerializeToString(deterministic=True)
    assert approximated(model) is not None
    assert model.SerializeToString(deterministic=True) == before
