"""A small network with an image as its input, exported once for all tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from asymm_deploy.export.pipeline import export_model
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.source import resolve
from tests.export.quantize.made_pair import pair  # noqa: F401

NET = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,3,32,32] image) => (float[1,10] scores) {
    a = Conv<pads=[1,1,1,1], strides=[2,2]>(image, w1, b1)
    b = Relu(a)
    c = Conv<group=16, pads=[1,1,1,1]>(b, w2)
    d = Relu(c)
    e = GlobalAveragePool(d)
    f = Flatten(e)
    scores = MatMul(f, w3)
}"""
WEIGHTS = {"w1": (16, 3, 3, 3), "b1": (16,), "w2": (16, 1, 3, 3), "w3": (16, 10)}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportRequest:
    """The request of the network's export, which is done."""
    folder = tmp_path_factory.mktemp("quantize")
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(NET)
    for name, shape in WEIGHTS.items():
        values = rng.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    onnx.save(model, folder / "net.onnx")
    request = ExportRequest(resolve(str(folder / "net.onnx")), folder / "artifacts")
    request.out.mkdir()
    export_model(request, folder, [])
    return request


@pytest.fixture
def base(exported: ExportRequest, tmp_path: Path) -> ExportRequest:
    """The same in a folder of the test's own."""
    shutil.copytree(exported.out, tmp_path / "artifacts")
    return ExportRequest(exported.source, tmp_path / "artifacts")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs, two of them in a folder further down."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        waves = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        image = Image.fromarray(waves).resize((50, 40), Image.Resampling.BICUBIC)
        image.save(folder / ("more" if number > 3 else "") / f"{number}.png")
    return folder
