"""What changes while a model is exported is another model, and is told as that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.export import pipeline
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.steps.conversion import convert_graph
from asymm_deploy.models.source import OnnxFile


def write_graph(path: Path, value: float) -> None:
    """Write a graph with its weights in w.bin and a bias in itself."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,8] x) => (float[1,8] y) '
        f"<float[1] b = {{{value}}}> {{ p = MatMul(x, w) y = Add(p, b) }}"
    )
    weight = onnx.TensorProto(name="w", data_type=1, dims=[8, 8], data_location="EXTERNAL")
    weight.external_data.add(key="location", value="w.bin")
    model.graph.initializer.append(weight)
    path.write_bytes(model.SerializeToString())


def write_data(path: Path, value: float) -> None:
    (path.parent / "w.bin").write_bytes((value * np.eye(8, dtype=np.float32)).tobytes())


def write_samples(path: Path, value: float) -> None:
    np.savez(path.parent / "samples.npz", x=np.full((2, 1, 8), value, np.float32))


@pytest.mark.parametrize("change", [write_graph, write_data, write_samples])
def test_a_file_that_changes_meanwhile_is_exported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, float], None]
) -> None:
    path = tmp_path / "g.onnx"
    for write in (write_graph, write_data, write_samples):
        write(path, 1.0)

    def somebody_saves(*arguments: Any) -> Any:
        change(path, 2.0)
        return convert_graph(*arguments)

    request = ExportRequest(OnnxFile(path, ()), tmp_path / "out", samples=tmp_path / "samples.npz")
    pipeline.export_model(request, tmp_path, [])
    assert request.fresh_manifest() is not None
    monkeypatch.setattr(pipeline, "convert_graph", somebody_saves)
    pipeline.export_model(request, tmp_path, [])
    assert request.fresh_manifest() is None
