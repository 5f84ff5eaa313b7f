"""Graphs and modules as users have them: exported, or refused with the operator and the value.

All graphs are exported by one command, and all modules by another.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy import cli
from asymm_deploy.engines.tensors import Array

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


GRAPHS: dict[str, tuple[str, dict[str, Array]]] = {
    # MNN is wrong for negative indices, and for what 32 bits can't hold.
    "elements": (
        "g (float[2,8] x, int64[2,7] ids) => (float[2,7] y)"
        "{ s = MatMul(x, w) y = GatherElements<axis=1>(s, ids) }",
        {"w": normal(8, 40)},
    ),
    "hashed": (
        "g (int64[1,12] ids) => (float[1,10] y)"
        "{ b = Mod(ids, n) t = Gather(e, b) m = ReduceMean<axes=[1], keepdims=0>(t)"
        " y = MatMul(m, w) }",
        {"n": np.array([97]), "e": normal(97, 16), "w": normal(16, 10)},
    ),
    "tokens": (
        "g (int64[1,12] ids) => (float[1,4] y)"
        "{ t = Gather(e, ids) m = ReduceMean<axes=[1], keepdims=0>(t) y = MatMul(m, w) }",
        {"e": normal(53, 16), "w": normal(16, 4)},
    ),
    "image": (
        "g (uint8[1,3,8,8] x) => (float[1,3,8,8] y)"
        "{ f = Cast<to=1>(x) c = Greater(f, t) h = Cast<to=1>(c) y = Mul(h, f) }",
        {"t": np.array(200, np.float32)},
    ),
    "logarithm": (
        "g (float[1,1,9,9] x) => (float[1,2,7,7] y){ a = Add(x, tiny) l = Log(a) y = Conv(l, w) }",
        {"tiny": np.array(1e-6, np.float32), "w": normal(2, 1, 3, 3)},
    ),
    "indices": (
        "g (float[1,3,8,8] x) => (float[1,5] v, int64[1,5] i)"
        "{ s = Conv(x, w) f = Reshape(s, flat) v, i = TopK<axis=1>(f, k) }",
        {"w": normal(1, 3, 1, 1), "flat": np.array([1, 64]), "k": np.array([5])},
    ),
    "classes": (
        "g (float[1,3,16,16] x) => (int64[1,16,16] y)"
        "{ s = Conv<pads=[1,1,1,1]>(x, w) y = ArgMax<axis=1, keepdims=0>(s) }",
        {"w": normal(4, 3, 3, 3)},
    ),
    "anchors": (
        "g (float[1,4] x) => (float[1,4] y, float[6,4] priors) { y = Neg(x) priors = Identity(a) }",
        {"a": normal(6, 4)},
    ),
    "total": ("g (float[1,4] x) => (float y) { y = ReduceSum<keepdims=0>(x) }", {}),
    "half": (
        "g (float16[1,3,8,8] x) => (float16[1,5] y)"
        "{ a = Conv<pads=[1,1,1,1]>(x, w) b = Relu(a) p = GlobalAveragePool(b) f = Flatten(p)"
        " y = MatMul(f, v) }",
        {"w": normal(8, 3, 3, 3).astype(np.float16), "v": normal(8, 5).astype(np.float16)},
    ),
    "text": (
        "g (float[1,3] x) => (string[1] y)"
        "{ i = ArgMax<axis=1, keepdims=0>(x) y = Gather(names, i) }",
        {"names": np.array(["a", "b", "c"], dtype=object)},
    ),
    "unused": (
        "g (float[1,8] x, float[1,3] never) => (float[1,5] y) { y = MatMul(x, w) }",
        {"w": normal(8, 5)},
    ),
    "nan": ("g (float[1,4] x) => (float[1,4] y) { z = Sub(x, x) y = Div(z, z) }", {}),
    "cubic": (
        'g (float[1,1,8,8] x) => (float[1,1,16,16] y){ y = Resize<mode="cubic">(x, , twice) }',
        {"twice": np.array([1, 1, 2, 2], np.float32)},
    ),
}

MODULES = """
import torch
from torch import nn

class Mapped(nn.Module):
    def __init__(self, function, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.function = function
    def forward(self, *inputs):
        return self.function(self.layers, *inputs)

def gelu():
    torch.manual_seed(0)
    blocks = [m for _ in range(4) for m in (nn.Linear(16, 16), nn.GELU(), nn.LayerNorm(16))]
    return nn.Sequential(*blocks)

def sampled():
    return Mapped(lambda m, x: m[0](x) + torch.randn_like(x), nn.Linear(8, 8))

def frozen():
    return Mapped(lambda m, x: m[0](x) if float(x.mean()) > 0 else -m[0](x), nn.Linear(8, 8))

def partial():
    return Mapped(lambda m, x: (m[0](x), None, 3), nn.Linear(8, 8))

def recurrent():
    torch.manual_seed(0)
    return Mapped(lambda m, x: m[0](x)[0], nn.LSTM(8, 8, batch_first=True))

def attention():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation=torch.tanh)
    return nn.TransformerEncoder(layer, 2)

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 8)
    def forward(self, ids, keep):
        return self.table(ids) * keep.unsqueeze(-1)
def tokens():
    return Tokens()
"""
SHAPES = {
    "gelu": ["1,16"],
    "sampled": ["1,8"],
    "frozen": ["1,8"],
    "partial": ["1,8"],
    "recurrent": ["1,6,8"],
    "attention": ["1,6,16"],
    "tokens": ["ids=1,6:int64", "keep=1,6:bool"],
}


@dataclass(frozen=True)
class Exports:
    """What one command printed, by model, and where its files are."""

    folder: Path
    code: int
    lines: list[str]

    def told(self, model: str, beginning: str = "") -> str:
        """Return what was said of ``model``, one line a remark or error."""
        start = f"{beginning}{model}: "
        found = [line for line in self.lines if line.startswith(start)]
        return "\n".join(line.removeprefix(start) for line in found)

    def error(self, model: str) -> str:
        """Return the error and the hint of a model that was refused."""
        at = next(i for i, line in enumerate(self.lines) if line.startswith(f"error: {model}: "))
        return "\n".join(self.lines[at : at + 2])

    def manifest(self, name: str) -> Any:
        return json.loads((self.folder / "artifacts" / name / "manifest.json").read_text())


def export(folder: Path, *arguments: str) -> Exports:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["export", *arguments])
    assert "Traceback" not in err.getvalue()
    return Exports(folder, code, err.getvalue().splitlines())


def write(folder: Path, name: str, text: str, constants: dict[str, Array]) -> None:
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> ' + text)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in constants.items())
    onnx.save(model, folder / f"{name}.onnx")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    folder = tmp_path_factory.mktemp("graphs")
    for name, (text, constants) in GRAPHS.items():
        write(folder, name, text, constants)
    return export(folder, *(f"{name}.onnx" for name in GRAPHS))


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "nets_of_users.py").write_text(MODULES)
    shapes = [
        f"--input-shape=nets_of_users:{name}:{shape}"
        for name, given in SHAPES.items()
        for shape in given
    ]
    return export(folder, *(f"nets_of_users:{name}" for name in SHAPES), *shapes)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("elements", ["the mnn stage differs", "GatherElements", "ids=2,7:int64:0..39"]),
        ("hashed", ["beyond 32 bits", "Mod", "in 32 bits", "ids=1,12:int64:0..2147483647"]),
        ("text", ["output y is text", "can't be compared"]),
        (
            "nan",
            ["no made-up input gives finite outputs", "the uniform input gives NaN", "--inputs"],
        ),
        ("cubic", ["the mnn stage differs", "Resize", "--tolerance"]),
    ],
)
def test_a_refusal_names_the_operator_and_a_way_out(
    graphs: Exports, model: str, words: Sequence[str]
) -> None:
    told = graphs.error(f"{model}.onnx")
    assert [word for word in words if word not in told] == []
    assert not (graphs.folder / "artifacts" / model).exists()


def test_the_way_out_that_a_refusal_names_is_one(tmp_path: Path) -> None:
    for name, option in (
        ("elements", "ids=2,7:int64:0..39"),
        ("hashed", "ids=1,12:int64:0..99999"),
    ):
        write(tmp_path, name, *GRAPHS[name])
        done = export(tmp_path, f"{name}.onnx", "--input-shape", option)
        assert done.code == 0, done.lines
        (ids,) = [p for p in done.manifest(name)["proven_inputs"] if p["name"] == "ids"]
        assert (ids["low"], ids["origin"]) == (0, "range")


@pytest.mark.parametrize(
    ("model", "proven"),
    [
        ("tokens", "ids int64 -53 to 52 (found by trying)"),
        ("image", "x uint8 0 to 255 (its type)"),
        ("logarithm", "x float32 0.001 to 1 (found by trying)"),
        ("unused", "x float32 -1.56 to 3.828 (made up)"),
    ],
)
def test_what_was_proven_is_said_and_recorded(graphs: Exports, model: str, proven: str) -> None:
    assert f"proven over {proven}" in graphs.told(f"{model}.onnx")
    (given,) = graphs.manifest(model)["proven_inputs"]
    assert f"{given['name']} {given['dtype']} " in proven


def test_graphs_of_every_other_kind_are_exported(graphs: Exports) -> None:
    made = {path.name for path in (graphs.folder / "artifacts").iterdir() if path.is_dir()}
    assert made == GRAPHS.keys() - {"elements", "hashed", "text", "nan", "cubic"}
    assert graphs.code == 5  # the worst of 2 and 5


def test_what_nothing_depends_on_is_in_no_file_and_said(graphs: Exports) -> None:
    assert "nothing depends on the input never: left out" in graphs.told("unused.onnx")
    told = graphs.manifest("unused")
    assert [spec["name"] for spec in told["inputs"]] == ["x"]
    assert told["unused_inputs"] == ["never"]
    assert (graphs.folder / "artifacts/unused/inputs.bin").stat().st_size == 4 * 8


def test_half_precision_is_held_to_its_own_rounding(graphs: Exports) -> None:
    stage = graphs.manifest("half")["stages"]["mnn"]
    assert 1e-4 < stage["relative_error"] < stage["tolerance"] < 1e-2


def test_a_gelu_is_allowed_what_mnn_approximates_and_no_more(modules: Exports) -> None:
    stage = modules.manifest("nets_of_users.gelu")["stages"]["mnn"]
    told = modules.told("nets_of_users:gelu")
    if stage["relative_error"] > 1e-4:  # else MNN's converter has not fused it
        assert "erf-GELU is approximated by MNN" in told
        assert "GELU('tanh') would be exact" in told
        assert stage["tolerance"] < 1e-2


def test_a_module_that_draws_numbers_is_told_so(modules: Exports) -> None:
    told = modules.error("nets_of_users:sampled")
    assert "two runs of the module differ" in told
    assert "randn" in told


def test_a_branch_in_python_is_told_so(modules: Exports) -> None:
    told = modules.error("nets_of_users:frozen")
    assert "the onnx stage differs" in told
    assert "frozen while exporting" in told


def test_outputs_that_are_no_tensors_are_left_out_and_said(modules: Exports) -> None:
    told = modules.told("nets_of_users:partial")
    assert "output 1 is None, output 2 is the number 3: left out" in told


@pytest.mark.parametrize("name", ["recurrent", "attention", "tokens"])
def test_recurrent_nets_attention_and_tokens_are_exported(modules: Exports, name: str) -> None:
    told = modules.manifest(f"nets_of_users.{name}")
    assert told["stages"]["mnn"]["relative_error"] < 1e-5
    assert told["api"] == ("module" if name == "recurrent" else "session")
