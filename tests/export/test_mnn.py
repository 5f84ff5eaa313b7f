"""MNN in a process of its own: every type of input goes there and back, and it says what failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.mnn import run_mnn, to_mnn

OUTPUTS = (TensorSpec("y", (1, 4)),)


def converted(graph: str, folder: Path) -> Path:
    text = f'<ir_version: 8, opset_import: ["" : 17]> {graph}'
    onnx.save(onnx.parser.parse_model(text), folder / "model.onnx")
    to_mnn(folder / "model.onnx", folder / "model.mnn")
    return folder / "model.mnn"


@pytest.mark.parametrize(
    ("kind", "dtype"), [("uint8", "uint8"), ("int8", "int8"), ("bool", "bool")]
)
def test_small_integers_are_run_for_each_sample(kind: str, dtype: str, tmp_path: Path) -> None:
    graph = f"g ({kind}[1,4] x) => (float[1,4] y) {{ f = Cast<to=1>(x) y = Add(f, f) }}"
    samples = [{"x": np.array([[0, 1, int(i > 9), 1]]).astype(kind)} for i in range(12)]
    found = run_mnn(converted(graph, tmp_path), samples, OUTPUTS, tmp_path, inputs=())

    assert [[int(value) for value in row[0][0]] for row in found] == [
        [0, 2, 2 * (i > 9), 2] for i in range(12)
    ]


def test_outputs_come_in_the_order_asked_for(tmp_path: Path) -> None:
    graph = "g (float[1,4] x) => (float[1,4] b, float[1,4] a) { b = Neg(x) a = Add(x, x) }"
    x = np.ones((1, 4), np.float32)
    outputs = [TensorSpec("b", (1, 4)), TensorSpec("a", (1, 4))]
    ((b, a),) = run_mnn(converted(graph, tmp_path), [{"x": x}], outputs, tmp_path, inputs=())

    np.testing.assert_array_equal(b, -x)
    np.testing.assert_array_equal(a, 2 * x)


@pytest.mark.parametrize(
    ("contents", "outputs", "message"),
    [
        (b"no model", OUTPUTS, "MNN can't load the model: it is damaged or no .mnn file"),
        (None, (TensorSpec("z", (1, 4)),), "MNN's file lacks the outputs z"),
    ],
)
def test_what_failed_is_told(
    contents: bytes | None, outputs: tuple[TensorSpec, ...], message: str, tmp_path: Path
) -> None:
    file = converted("g (float[1,4] x) => (float[1,4] y) { y = Neg(x) }", tmp_path)
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(ConversionError) as caught:
        run_mnn(file, [{"x": np.ones((1, 4), np.float32)}], outputs, tmp_path, inputs=())

    assert caught.value.what.startswith("MNN can't run the converted file: ")
    assert caught.value.what.endswith(message)  # behind what MNN itself printed


def test_a_conversion_that_writes_no_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")

    with pytest.raises(ConversionError, match="MNN's converter wrote no file: "):
        to_mnn(tmp_path / "model.onnx", tmp_path / "model.mnn")
