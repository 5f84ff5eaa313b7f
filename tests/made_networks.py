"""Small networks that tests run for real, as .onnx files and as MNN's converter makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import PIL.Image

from asymm_deploy.engines.tensors import TensorSpec

# Two inputs whose order in the graph is not that of their names, and two outputs likewise.
TWO_ENDED = """
<ir_version: 8, opset_import: ["" : 17]>
two_ended (float[1,3,16,16] right, float[1,8,16,16] left)
    => (float[1,8,16,16] total, float[1,8,1,1] mean)
{
  convolved = Conv<pads=[1,1,1,1]>(right, weight)
  total = Add(convolved, left)
  mean = GlobalAveragePool(total)
}
"""
TWO_ENDED_INPUTS = (TensorSpec("right", (1, 3, 16, 16)), TensorSpec("left", (1, 8, 16, 16)))

# A branch and a loop, which MNN runs by its Module API alone.
LOOPED = """
<ir_version: 8, opset_import: ["" : 17]>
looped (float[1,3,16,16] x) => (float[1,8,16,16] y)
<int64 times = {4}, bool go = {1}, float zero = {0}>
{
  first = Conv<pads=[1,1,1,1]>(x, weight)
  total = ReduceSum<keepdims=0>(first)
  large = Greater(total, zero)
  bent = If(large) <
    then_branch = yes () => (float[1,8,16,16] kept) { kept = Relu(first) },
    else_branch = no () => (float[1,8,16,16] turned) { turned = Neg(first) }
  >
  y = Loop(times, go, bent) <
    body = once (int64 at, bool before, float[1,8,16,16] value)
        => (bool after, float[1,8,16,16] next)
    {
      after = Identity(before)
      doubled = Add(value, value)
      next = Tanh(doubled)
    }
  >
}
"""
LOOPED_INPUTS = (TensorSpec("x", (1, 3, 16, 16)),)

# Its convolution is computed in 8 bits by what ``in_8_bits`` returns.
PLAIN = """
<ir_version: 8, opset_import: ["" : 17]>
plain (float[1,3,16,16] x) => (float[1,8,16,16] y)
{
  first = Conv<pads=[1,1,1,1]>(x, weight)
  y = Sigmoid(first)
}
"""

# Eight classes of images of 16 x 16.
CLASSIFIER = """
<ir_version: 8, opset_import: ["" : 17]>
classifier (float[1,3,16,16] x) => (float[1,8,1,1] mean)
{
  convolved = Conv<pads=[1,1,1,1]>(x, weight)
  bent = Relu(convolved)
  mean = GlobalAveragePool(bent)
}
"""

_CONVERT = """
import sys, _tools
_tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--bizCode", "x",
                   "--modelFile", sys.argv[1], "--MNNModel", sys.argv[2]])
"""


_QUANTISE = """
import sys, _tools
_tools.mnnquant(["mnnquant", *sys.argv[1:]])
"""


def in_8_bits(model: Path, folder: Path) -> Path:
    """Quantise an .mnn file whose input is 16 pixels wide and high; return the new one."""
    images = folder / "images"
    images.mkdir()
    drawn = np.random.default_rng(1)
    for number in range(4):
        pixels = drawn.integers(0, 255, (16, 16, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(images / f"{number}.png")
    how = {
        "format": "RGB",
        "mean": [127.5] * 3,
        "normal": [1 / 64] * 3,
        "width": 16,
        "height": 16,
        "path": f"{images}/",
        "used_image_num": 4,
        "feature_quantize_method": "EMA",
        "weight_quantize_method": "MAX_ABS",
        "batch_size": 4,
    }
    asked = folder / "quantise.json"
    asked.write_text(json.dumps(how))
    made = model.with_suffix(".int8.mnn")
    command = [sys.executable, "-I", "-c", _QUANTISE, str(model), str(made), str(asked)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def mnn_of(path: Path) -> Path:
    """Convert an .onnx file; return the .mnn file beside it."""
    made = path.with_suffix(".mnn")
    command = [sys.executable, "-I", "-c", _CONVERT, str(path), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def made_network(graph: str, path: Path) -> Path:
    """Write a graph as .onnx, with 8x3x3x3 numbers drawn for ``weight``; return the .mnn file."""
    model = onnx.parser.parse_model(graph)
    weight = np.random.default_rng(1).normal(size=(8, 3, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    onnx.save(model, path)
    return mnn_of(path)
