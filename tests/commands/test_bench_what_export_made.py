"""Whatever export makes of a graph, bench times it by either engine and finds its output right."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy import cli
from asymm_deploy.engines.tensors import Array

_RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return _RNG.normal(size=shape).astype(np.float32)


GRAPHS: dict[str, tuple[str, dict[str, Array]]] = {
    "tokens": (
        "g (int64[1,12] ids) => (float[1,12,8] y) { y = Gather(table, ids) }",
        {"table": normal(97, 8)},
    ),
    "image": (
        """g (uint8[1,3,16,16] image) => (float[1,4,16,16] y) {
          f = Cast<to=1>(image) s = Mul(f, scale) y = Conv<pads=[1,1,1,1]>(s, w)
        }""",
        {"scale": np.array(1 / 255, np.float32), "w": normal(4, 3, 3, 3)},
    ),
    "mask": (
        "g (bool[1,16] m, float[1,16] x) => (float[1,16] y) { n = Neg(x) y = Where(m, x, n) }",
        {},
    ),
    "number": ("g (float x, float[1,8] z) => (float[1,8] y) { y = Mul(z, x) }", {}),
    "unused": (
        "g (float[1,8] x, float[1,3] never) => (float[1,5] y) { y = MatMul(x, w) }",
        {"w": normal(8, 5)},
    ),
    "constant": ("g (float[1,8] x) => (float[8,5] y) { y = Exp(w) }", {"w": normal(8, 5)}),
    "branch": (
        """g (float[1,8] x) => (float[1,5] y) {
          a = MatMul(x, w) m = ReduceMean<keepdims=0>(x) c = Greater(m, zero)
          y = If(c) <
            then_branch = t () => (float[1,5] u) { u = Relu(a) },
            else_branch = e () => (float[1,5] v) { v = Neg(a) }
          >
        }""",
        {"w": normal(8, 5), "zero": np.array(0, np.float32)},
    ),
    "loop": (
        """g (float[3,1,4] x) => (float[3,1,1,6] y, float[1,1,6] h) {
          y, h = GRU<hidden_size=6, linear_before_reset=1>(x, gates, again)
        }""",
        {"gates": normal(1, 18, 4), "again": normal(1, 18, 6)},
    ),
    "ties": (
        """g (uint8[1,256] x) => (float[1,20] y, int64[1,20] places) {
          f = Cast<to=1>(x) y, places = TopK(f, most)
        }""",
        {"most": np.array([20])},
    ),
    "half": (
        "g (float16[1,8] x) => (float16[1,5] y) { y = MatMul(x, w) }",
        {"w": normal(8, 5).astype(np.float16)},
    ),
    "rows": (
        """g (float[1,20,8] x) => (int64[N,3] y) {
          boxes = MatMul(x, wb) raw = MatMul(x, ws) s = Sigmoid(raw)
          scores = Transpose<perm=[0,2,1]>(s)
          y = NonMaxSuppression(boxes, scores, most, overlap, least)
        }""",
        {
            "wb": normal(8, 4),
            "ws": normal(8, 2),
            "most": np.array([5]),
            "overlap": np.array([0.5], np.float32),
            "least": np.array([0.3], np.float32),
        },
    ),
}
IN_MODULE = {"branch", "loop", "rows", "constant"}
NOISE = {"bimodal", "stolen-time"}


def run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the command in this process; return its code and all that it printed."""
    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        return cli.run(arguments), told.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all graphs, and their exports in ``artifacts``."""
    folder = tmp_path_factory.mktemp("graphs")
    for name, (text, constants) in GRAPHS.items():
        model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
        for constant, array in constants.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, constant))
        onnx.save(model, folder / f"{name}.onnx")
    models = [str(folder / f"{name}.onnx") for name in GRAPHS]
    code, told = run(["export", *models, "--out", str(folder / "artifacts")])
    assert code == 0, told
    return folder


@pytest.fixture(scope="module", params=["mnn", "onnxruntime"])
def launches(request: pytest.FixtureRequest, files: Path) -> dict[str, dict[str, Any]]:
    """A launch of each graph, by its name, on the engine that is its ``engine``."""
    models = [str(files / f"{name}.onnx") for name in GRAPHS]
    results = files / request.param
    arguments = ["--artifacts", str(files / "artifacts"), "--out", str(results)]
    arguments += ["--runs", "5", "--launches", "1", "--engine", request.param]
    code, told = run(["bench", *models, *arguments])
    assert code in (0, 4), told
    lines = (results / "runs.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["model"]: record for record in map(json.loads, lines)}


@pytest.mark.parametrize("name", GRAPHS)
def test_its_output_is_the_references(launches: dict[str, dict[str, Any]], name: str) -> None:
    record = launches[name]
    assert record["error"] is None
    assert set(record["flags"]) <= NOISE
    assert record["output_error"] <= record["output_tolerance"]
    assert len(record["samples_ns"]) == 5


@pytest.mark.parametrize("name", GRAPHS)
def test_it_ran_as_it_was_exported(
    launches: dict[str, dict[str, Any]], files: Path, name: str
) -> None:
    record = launches[name]
    manifest = json.loads((files / "artifacts" / name / "manifest.json").read_bytes())
    assert manifest["api"] == ("module" if name in IN_MODULE else "session")
    assert record["api"] == (manifest["api"] if record["engine"] == "mnn" else "session")
    recorded = manifest["files"]["inputs.bin"]
    assert record["inputs_sha256"] == recorded
