"""Models of every kind, each with inputs of its own, fit one command, and are timed as exported."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from asymm_deploy import cli

CODE = """
import torch
from torch import nn

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.last = nn.Linear(16, 4)
    def forward(self, ids):
        return self.last(self.embedding(ids).mean(1))

def tokens():
    return Tokens()

def rows():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

def nowhere():
    raise RuntimeError("not today")
"""
NET = "asymmnet_small_035"
SHAPES = {
    "graph.onnx": "graph.onnx:x:0=1,3,8,8:float32:0..1",
    "mixed_code:tokens": "mixed_code:tokens:ids=1,12:int64:0..49",
    "mixed_code:rows": "mixed_code:rows:2,6",
    NET: f"{NET}:1,3,64,64:float32:-1..1",
}
QUICK = ("--runs", "4", "--launches", "2", "--warmup", "1")
NOISE = ("--allow", "bimodal", "--allow", "launch-spread", "--allow", "stolen-time")


@dataclass(frozen=True)
class Done:
    """What a command returned and printed."""

    code: int
    out: str
    err: str


def run(folder: Path, *arguments: str) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = cli.run(arguments)
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Done(code, out.getvalue(), err.getvalue())


def bench(folder: Path, *arguments: str) -> Done:
    return run(folder, "bench", *arguments, *QUICK, *NOISE, "--format", "csv")


def write_graph(path: Path) -> None:
    """Write a graph with an open axis, whose input's name has a colon in it."""
    shape: list[int | str | None] = [1, 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Sin", ["x:0"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x:0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mixed_code.py").write_text(CODE)
    write_graph(tmp_path / "graph.onnx")
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def manifest(folder: Path, model: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (folder / "artifacts" / model / "manifest.json").read_text()
    )
    return loaded


def shapes(*models: str) -> list[str]:
    return [word for model in models for word in ("--input-shape", SHAPES[model])]


def test_models_of_every_kind_are_exported_and_timed_by_one_command(folder: Path) -> None:
    models = [NET, "graph.onnx", "mixed_code:tokens", "mixed_code:rows"]
    done = run(folder, "export", *models, *shapes(*models))
    assert done.code == 0, done.err
    assert [line.split()[1] for line in done.out.splitlines()[2:]] == ["exported"] * 4
    told = {name: manifest(folder, name) for name in (NET, "graph", "mixed_code.tokens")}
    assert {name: (m["inputs"][0]["shape"], m["given_shapes"]) for name, m in told.items()} == {
        NET: ([1, 3, 64, 64], ["1,3,64,64:float32:-1..1"]),
        "graph": ([1, 3, 8, 8], ["x:0=1,3,8,8:float32:0..1"]),
        "mixed_code.tokens": ([1, 12], ["ids=1,12:int64:0..49"]),
    }
    assert told["mixed_code.tokens"]["inputs"][0]["dtype"] == "int64"

    timed = bench(folder, *models, *shapes(*models))
    assert timed.code == 0, timed.err
    assert len(timed.out.splitlines()) == 1 + len(models)
    # What was exported is timed without saying it all again; a network has its own resolution.
    again = run(folder, "export", *models, *shapes(*models))
    assert [line.split()[1] for line in again.out.splitlines()[2:]] == ["unchanged"] * 4
    before = {name: manifest(folder, name)["files"] for name in ("graph", "mixed_code.tokens")}
    timed = bench(folder, *models[1:], "--fresh")
    assert timed.code == 0, timed.err
    assert before == {name: manifest(folder, name)["files"] for name in before}


def test_bench_of_a_callable_that_was_never_exported_needs_its_shapes(folder: Path) -> None:
    done = bench(folder, "mixed_code:rows")
    assert done.code == 2
    assert "error: the input shape of 'mixed_code:rows' is unknown" in done.err
    assert "hint: give it with --input-shape" in done.err


def test_a_model_that_can_not_be_made_keeps_its_row_and_its_shape(folder: Path) -> None:
    shape = ("--input-shape", "mixed_code:nowhere:x=1,7")
    done = bench(folder, "graph.onnx", "mixed_code:nowhere", *shapes("graph.onnx"), *shape)
    assert done.code == 2
    assert "mixed_code:nowhere: mixed_code:nowhere raised RuntimeError: not today" in done.err
    (row,) = (line for line in done.out.splitlines() if "mixed_code.nowhere" in line)
    assert "failed" in row
    launches = [
        json.loads(line) for line in (folder / "results" / "runs.jsonl").read_text().splitlines()
    ]
    assert [each["input_shape"] for each in launches if each["model"] == "mixed_code.nowhere"] == [
        [1, 7]
    ]


@pytest.mark.parametrize("command", ["export", "bench"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--input-shape", "other.onnx:1,3,8,8"], "is for other.onnx, which is not among"),
        (["--inputs", "s.npz"], "doesn't say which of the 2 models it is for"),
        (["--inputs", "no:where:s.npz"], "is for no:where, which is not among"),
        (["--input-shape", "x:0=1,3,8,8"], f"{NET} has no input 'x:0'"),
        (["--input-shape", "1,3,64,64:uint8"], f"{NET} takes float32, not uint8"),
        (["--input-shape", "graph.onnx:1,3,8,8:floot"], "can't have the type 'floot'"),
    ],
)
def test_what_is_for_no_model_is_one_error_that_says_how(
    folder: Path, command: str, given: list[str], said: str
) -> None:
    done = run(folder, command, NET, "graph.onnx", *given)
    assert done.code == 2
    assert done.err.count("error: ") == 1
    assert said in done.err
    assert "hint: " in done.err
    if "floot" not in said:
        assert f"--input-shape {NET}:" in done.err or f"--inputs {NET}:" in done.err


def test_a_name_that_only_another_model_has_says_how_to_tell_them_apart(folder: Path) -> None:
    models = ["graph.onnx", "mixed_code:tokens"]
    done = run(folder, "export", *models, "--input-shape", "ids=1,12:int64:0..49")
    assert done.code == 2
    assert [line.split()[1] for line in done.out.splitlines()[2:]] == ["failed", "exported"]
    assert "graph.onnx has no input ids" in done.err
    assert "--input-shape graph.onnx:x:0=" in done.err


def test_shapes_come_from_the_samples_where_none_are_given(folder: Path) -> None:
    graph: dict[str, Any] = {"x:0": np.ones((5, 1, 3, 8, 8), np.float32)}
    np.savez(folder / "g.npz", **graph)
    np.savez(folder / "t.npz", ids=np.arange(12).reshape(1, 12))
    np.save(folder / "r.npy", np.ones((2, 6)))
    inputs = [
        word
        for text in ("graph.onnx:g.npz", "mixed_code:tokens:t.npz", "mixed_code:rows:r.npy")
        for word in ("--inputs", text)
    ]
    models = ["graph.onnx", "mixed_code:tokens", "mixed_code:rows"]
    described = run(folder, "describe", "graph.onnx", "--inputs", "g.npz")
    assert described.code == 0, described.err
    described = run(folder, "describe", "mixed_code:tokens", "--inputs", "t.npz")
    assert described.code == 0, described.err
    assert described.out.count("1x4") == 1
    for model, samples in zip(models, inputs[1::2], strict=True):
        done = run(folder, "export", model, "--inputs", samples)
        if done.code not in (0, 5):  # few samples may prove nothing
            pytest.fail(done.err)
    assert "mixed_code" in done.out
    done = run(folder, "export", *models, *inputs)
    assert "shape" not in done.err


def test_a_bare_mnn_file_takes_no_inputs(folder: Path) -> None:
    (folder / "net.mnn").write_bytes(b"any bytes")
    for option in (("--input-shape", "1,3"), ("--inputs", "s.npz")):
        done = bench(folder, "net.mnn", *option)
        assert done.code == 2
        assert "error: net.mnn is timed as it is" in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tolerance", "0"], "--tolerance 0.0 is not a positive number"),
        (["--tolerance", "nan"], "--tolerance nan is not a positive number"),
        (["--tolerance", "much"], "invalid value for '--tolerance'"),
        (["--opset", "17"], "graph.onnx has its opset in it"),
        (["--opset", "8"], "is out of range"),
        (["--opset", "21"], "is out of range"),
        (["--weights-key", "ema"], "--weights-key is about a file of weights"),
        (["--strip-prefix", "net."], "--strip-prefix is about a file of weights"),
        (["--inputs", "none.npz"], "can't read none.npz: No such file"),
        (["--inputs", "."], "can't read .: it is a folder"),
        (["--input-shape", "x:0=1,3,8,8:float64"], "has type float32 in the graph, not float64"),
    ],
)
def test_an_option_that_means_nothing_exits_2_with_a_hint(
    folder: Path, options: list[str], said: str
) -> None:
    done = run(folder, "export", "graph.onnx", *options)
    assert done.code == 2
    assert said in done.err
    assert "hint: " in done.err


@pytest.mark.parametrize("opset", [9, 20])
def test_the_graph_has_the_opset_that_was_asked_for(folder: Path, opset: int) -> None:
    shape = ("--input-shape", "1,6")
    done = run(folder, "export", "mixed_code:rows", *shape, "--opset", str(opset))
    assert done.code == 0, done.err
    told = manifest(folder, "mixed_code.rows")
    assert (told["opset"], told["given_opset"]) == (opset, opset)
    done = run(folder, "export", "mixed_code:rows", *shape)
    assert done.code == 0, done.err
    told = manifest(folder, "mixed_code.rows")
    assert (told["opset"], told["given_opset"]) == (17, None)


def test_samples_that_are_not_finite_are_an_error_that_names_them(folder: Path) -> None:
    samples = np.ones((4, 2, 6), np.float32)
    samples[3, 1, 5] = np.nan
    np.save(folder / "s.npy", samples)
    shape = ("--input-shape", "2,6")
    done = run(folder, "export", "mixed_code:rows", *shape, "--inputs", "s.npy")
    assert done.code == 2
    assert "s.npy: input holds nan (in sample 3, at [3, 1, 5])" in done.err


def test_bench_takes_the_samples_of_the_export_or_says_that_they_have_changed(folder: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(folder / "s.npy", rng.random((4, 2, 6)))
    done = run(folder, "export", "mixed_code:rows", "--input-shape", "2,6", "--inputs", "s.npy")
    assert done.code == 0, done.err
    told = manifest(folder, "mixed_code.rows")
    assert told["samples_path"] == "s.npy"
    assert told["proven_inputs"][0]["origin"] == "samples"
    np.save(folder / "s.npy", rng.random((4, 2, 6)))
    (folder / "artifacts" / "mixed_code.rows" / "model.mnn").write_bytes(b"damaged")
    done = bench(folder, "mixed_code:rows")
    assert done.code == 2
    assert "s.npy is not the file that mixed_code:rows was exported with" in done.err
    assert "--inputs FILE" in done.err
