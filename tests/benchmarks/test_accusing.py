"""A fault made in an .mnn file is the same fault made in the .onnx file that it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.mnn_session import MnnSession
from asymm_deploy.engines.ort_session import OrtSession
from asymm_deploy.engines.session import Session
from asymm_deploy.engines.tensors import Array
from asymm_deploy.export.mnn import to_mnn
from benchmarks.accusing import mnn_faults, onnx_faults
from benchmarks.accusing.mnn_faults import MnnFault
from benchmarks.accusing.onnx_faults import OnnxFault

NET = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,2,8,8] x) => (float[1,5,8,8] y) {
    [first] a = Conv<pads=[1,1,1,1]>(x, w1, b1)
    [act] b = Relu(a)
    [second] c = Conv(b, w2, b2)
    [swish] d = HardSwish(c)
    [join] y = Concat<axis=1>(b, d)
}"""
FAULTS: dict[str, tuple[str, OnnxFault, str, MnnFault]] = {
    "weights": (
        *("first", onnx_faults.weights(onnx_faults.one_channel(1.5))),
        *("a", mnn_faults.weights(onnx_faults.one_channel(1.5))),
    ),
    "fp16": (
        *("second", onnx_faults.weights(onnx_faults.in_fp16)),
        *("c", mnn_faults.weights(onnx_faults.in_fp16)),
    ),
    "bias": (
        *("second", onnx_faults.bias(onnx_faults.shifted(0.5))),
        *("c", mnn_faults.bias(onnx_faults.shifted(0.5))),
    ),
    "padding": ("first", onnx_faults.pads_moved, "a", mnn_faults.pads_moved),
    "no activation": ("act", onnx_faults.removed, "a", mnn_faults.activation()),
    "ReLU6": ("act", onnx_faults.replaced("Relu6"), "a", mnn_faults.activation(relu6=True)),
    "swish": (
        *("swish", onnx_faults.replaced("Swish")),
        *("d", mnn_faults.another_unary(mnn_faults.SILU)),
    ),
    "concat": ("join", onnx_faults.inputs_swapped, "y", mnn_faults.inputs_swapped),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(NET)
    for name, shape in {"w1": (3, 2, 3, 3), "b1": (3,), "w2": (2, 3, 1, 1), "b2": (2,)}.items():
        values = rng.standard_normal(shape).astype(np.float32) * 3
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    onnx.save(model, path)
    to_mnn(path, path.with_suffix(".mnn"))
    return path


def outputs_of(session: Session, x: Array) -> npt.NDArray[np.float64]:
    session.feed({"x": x})
    session.run()
    return session.outputs()["y"].astype(np.float64)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_the_same_in_both_files(kind: str, net: Path, tmp_path: Path) -> None:
    node, in_onnx, tensor, in_mnn = FAULTS[kind]
    x = np.random.default_rng(1).standard_normal((1, 2, 8, 8)).astype(np.float32) * 3
    model = onnx.load(net)
    model.graph.CopyFrom(onnx_faults.with_fault(model.graph, node, in_onnx))
    clean = net.with_suffix(".mnn")
    copy = tmp_path / "faulty.mnn"
    copy.write_bytes(mnn_faults.with_mnn_fault(clean.read_bytes(), tensor, in_mnn))
    found = outputs_of(MnnSession(str(copy), winograd=False), x)
    expected = outputs_of(OrtSession(model.SerializeToString()), x)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    right = outputs_of(MnnSession(str(clean), winograd=False), x)
    assert np.abs(found - right).max() > 1e-4
