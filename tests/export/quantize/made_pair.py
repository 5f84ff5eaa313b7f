"""A small network in fp32 and in int8: convolutions of every kind that MNN has in int8."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnx.parser
import pytest
from PIL import Image

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.export.mnn import to_mnn

NET = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,3,16,16] x) => (float[1,4,1,1] y, float[1,16,8,8] z) {
    a = Conv<pads=[1,1,1,1]>(x, stem)
    b = Relu(a)
    c = Conv<pads=[1,1,1,1], group=16, strides=[2,2]>(b, depthwise)
    d = Conv(c, pointwise)
    e = HardSwish(d)
    z = Add(e, c)
    p = GlobalAveragePool(z)
    y = Conv(p, last)
}"""
SHAPES = {
    "stem": (16, 3, 3, 3),
    "depthwise": (16, 1, 3, 3),
    "pointwise": (16, 16, 1, 1),
    "last": (4, 16, 1, 1),
}
CONVOLUTIONS = ("a", "c", "d", "y")
"""As MNN names them, in order; `a` is computed by Winograd's method."""
IMAGES = 8


class Pair(NamedTuple):
    """One network in both precisions, and what its quantiser saw."""

    fp32: Path
    int8: Path
    samples: list[Arrays]
    outputs: tuple[TensorSpec, ...]


def quantise(fp32: Path, into: Path, images: Path) -> None:
    """Have MNN's quantiser make an int8 file: pixels / 127.5 - 1, all images in one batch."""
    wanted = {
        "format": "RGB",
        "mean": [127.5] * 3,
        "normal": [1 / 127.5] * 3,
        "width": 16,
        "height": 16,
        "path": f"{images}/",
        "used_image_num": IMAGES,
        "batch_size": IMAGES,
        "feature_quantize_method": "EMA",
        "weight_quantize_method": "MAX_ABS",
    }
    settings = into.with_suffix(".json")
    settings.write_text(json.dumps(wanted))
    program = "import _tools, sys; _tools.mnnquant(['mnnquant', *sys.argv[1:]])"
    command = [sys.executable, "-c", program, str(fp32), str(into), str(settings)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=into.parent)


def made(folder: Path, *, seed: int = 0) -> Pair:
    """Make the network with weights from ``seed``; one channel of ``pointwise`` is dead."""
    rng = np.random.default_rng(seed)
    model = onnx.parser.parse_model(NET)
    for name, shape in SHAPES.items():
        weight = rng.standard_normal(shape).astype(np.float32)
        if name == "pointwise":
            weight[5] = 0
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, name))
    onnx.save(model, folder / "model.onnx")
    to_mnn(folder / "model.onnx", folder / "model.mnn")
    images = folder / "images"
    images.mkdir()
    pixels = rng.integers(0, 256, (IMAGES, 16, 16, 3), dtype=np.uint8)
    for number, each in enumerate(pixels):
        Image.fromarray(each).save(images / f"{number}.png")
    quantise(folder / "model.mnn", folder / "int8.mnn", images)
    values = pixels.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    outputs = (TensorSpec("y", (1, 4, 1, 1)), TensorSpec("z", (1, 16, 8, 8)))
    samples: list[Arrays] = [{"x": each[None]} for each in values]
    return Pair(folder / "model.mnn", folder / "int8.mnn", samples, outputs)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return made(tmp_path_factory.mktemp("pair"))
