"""A copy of a folder, or a second one, never times the model of the first."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

from asymm_deploy import cli

CODE = """
import json
import torch
from pathlib import Path
from a_users_sizes import WIDTH

def net():
    kernel = json.loads(Path("kernel.json").read_text())
    return torch.nn.Sequential(torch.nn.Conv2d(3, WIDTH, kernel), torch.nn.ReLU())
"""
SHAPE = ("--input-shape", "1,3,16,16")
QUICK = ("--runs", "4", "--launches", "1", "--warmup", "1")
NOISE = ("--allow", "bimodal", "--allow", "stolen-time")
CALLABLE, GRAPH = "a_users_code:net", "graph.onnx"


@dataclass(frozen=True)
class Folders:
    """A checkout with what was exported and timed there, and a copy of all of it."""

    one: Path
    two: Path


def run(folder: Path, *arguments: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = cli.run(arguments)
    assert code == 0, err.getvalue()
    return out.getvalue()


def bench(folder: Path, model: str, *more: str) -> None:
    run(folder, "bench", model, *QUICK, *NOISE, *more)


def write_graph(path: Path, value: float) -> None:
    """Write a graph whose weights are in graph.data beside it."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (float[1,32] x) => (float[1,64] y) { y = MatMul(x, w) }"
    )
    weight = value * np.random.default_rng(0).normal(size=(32, 64)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    (path.parent / "graph.data").unlink(missing_ok=True)  # it would be appended to
    onnx.save(model, path, save_as_external_data=True, location="graph.data", size_threshold=0)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setattr(sys, "path", list(sys.path))
    one = tmp_path / "one"
    one.mkdir()
    (one / "a_users_code.py").write_text(CODE)
    (one / "a_users_sizes.py").write_text("WIDTH = 8")
    (one / "kernel.json").write_text("3")
    write_graph(one / GRAPH, 1.0)
    return Folders(one, tmp_path / "two")


def exported_and_copied(folders: Folders, model: str, *options: str) -> None:
    run(folders.one, "export", model, *options)
    bench(folders.one, model)
    shutil.copytree(folders.one, folders.two)


def model_file(folder: Path, model: str) -> bytes:
    return (folder / "artifacts" / model / "model.mnn").read_bytes()


def timed_files(folder: Path) -> list[str]:
    lines = (folder / "results" / "runs.jsonl").read_text().splitlines()
    return [json.loads(line)["artifact_sha256"] for line in lines]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a_users_code.py", CODE.replace("ReLU", "Tanh")),
        ("a_users_sizes.py", "WIDTH = 16"),
        ("kernel.json", "5"),
    ],
)
def test_a_copy_with_another_module_or_data_file_is_exported_again(
    folders: Folders, name: str, content: str
) -> None:
    exported_and_copied(folders, CALLABLE, *SHAPE)
    (folders.two / name).write_text(content)
    bench(folders.two, CALLABLE)
    assert model_file(folders.two, "a_users_code.net") != model_file(
        folders.one, "a_users_code.net"
    )
    first, second = timed_files(folders.two)
    assert first != second
    assert "unchanged" in run(folders.one, "export", CALLABLE, *SHAPE)


def test_a_copy_of_a_graph_with_other_data_beside_it_is_exported_again(folders: Folders) -> None:
    exported_and_copied(folders, GRAPH)
    write_graph(folders.two / GRAPH, 2.0)
    assert (folders.one / GRAPH).read_bytes() == (folders.two / GRAPH).read_bytes()
    bench(folders.two, GRAPH)
    first, second = timed_files(folders.two)
    assert first != second
    assert "unchanged" in run(folders.one, "export", GRAPH)


@pytest.mark.parametrize("model", [CALLABLE, GRAPH])
def test_two_checkouts_with_one_folder_for_exports_time_their_own_model(
    folders: Folders, model: str, tmp_path: Path
) -> None:
    shutil.copytree(folders.one, folders.two)
    (folders.two / "a_users_sizes.py").write_text("WIDTH = 16")
    write_graph(folders.two / GRAPH, 2.0)
    shared = ("--artifacts", str(tmp_path / "shared"))
    shape = SHAPE if model == CALLABLE else ()
    for folder in (folders.one, folders.two, folders.one):
        bench(folder, model, *shared, *shape, "--out", str(tmp_path / "results"))
    first, second, third = timed_files(tmp_path)
    assert first != second
    assert second != third


def test_a_module_that_now_hides_the_one_that_was_exported_counts(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folders.one / "a_users_sizes.py").rename(elsewhere / "a_users_sizes.py")
    monkeypatch.syspath_prepend(elsewhere)
    run(folders.one, "export", CALLABLE, *SHAPE)
    before = model_file(folders.one, "a_users_code.net")
    assert "unchanged" in run(folders.one, "export", CALLABLE, *SHAPE)
    monkeypatch.setattr(sys, "path", [str(folders.one), *sys.path])
    (folders.one / "a_users_sizes.py").write_text("WIDTH = 24")
    bench(folders.one, CALLABLE)
    assert model_file(folders.one, "a_users_code.net") != before


def test_other_weights_at_the_same_relative_path_are_not_passed_over(folders: Folders) -> None:
    weights = {"0.weight": torch.ones(8, 3, 3, 3), "0.bias": torch.ones(8)}
    torch.save(weights, folders.one / "w.pt")
    exported_and_copied(folders, CALLABLE, *SHAPE, "--weights", "w.pt")
    torch.save({name: 2 * tensor for name, tensor in weights.items()}, folders.two / "w.pt")
    err = io.StringIO()
    with contextlib.chdir(folders.two), redirect_stdout(io.StringIO()), redirect_stderr(err):
        code = cli.run(["bench", CALLABLE, *QUICK])
    assert code == 2
    assert "w.pt is not the file that a_users_code:net was exported from" in err.getvalue()
    assert "--weights FILE" in err.getvalue()


@pytest.mark.parametrize("new", ["a_users_extras.py", "a_users_space/__init__.py"])
def test_a_module_that_was_not_there_and_now_is_counts(folders: Folders, new: str) -> None:
    (folders.one / "a_users_space").mkdir()
    (folders.one / "a_users_space" / "part.py").write_text("")
    optional = (
        "import a_users_space.part\ntry:\n    import a_users_extras\nexcept ImportError: ...\n"
    )
    (folders.one / "a_users_code.py").write_text(optional + CODE)
    run(folders.one, "export", CALLABLE, *SHAPE)
    assert "unchanged" in run(folders.one, "export", CALLABLE, *SHAPE)
    (folders.one / new).write_text("import torch")
    assert "unchanged" not in run(folders.one, "export", CALLABLE, *SHAPE)
