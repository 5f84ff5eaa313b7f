"""Values that lie beside a graph are found, checked and watched, wherever in the graph they are."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy import cli
from asymm_deploy.errors import UsageError
from asymm_deploy.export.onnx_graph import load_onnx, parsed_onnx
from asymm_deploy.export.reading.external_data import external_files, external_tensors

CONSTANT = "w = Constant<value = float {0}>()"
BRANCHES = """
  s = ReduceSum<keepdims = 0>(x) zero = Constant<value = float {0}>() c = Greater(s, zero)
  y = If<then_branch = t () => (float[1,8] a) { %s a = MatMul(x, w) },
         else_branch = e () => (float[1,8] b) { %s p = MatMul(x, w) b = Neg(p) }>(c)
"""
IN = "(float[1,8] x) => (float[1,8] y)"
TIMES = '<domain: "own", opset_import: ["" : 17]> times (x) => (y)'
GRAPHS = {
    "initializer": f"g {IN} {{ y = MatMul(x, w) }}",
    "Constant": f"g {IN} {{ {CONSTANT} y = MatMul(x, w) }}",
    "If branch": f"g {IN} {{ {BRANCHES % (CONSTANT, CONSTANT)} }}",
    "initializer of an If branch": f"g {IN} {{ {BRANCHES % ('', '')} }}",
    "Loop body": f"""g {IN} <int64 n = {{3}}> {{ y = Loop<body =
        b (int64 i, bool c, float[1,8] s) => (bool d, float[1,8] r)
        {{ d = Identity(c) {CONSTANT} p = MatMul(x, w) r = Add(s, p) }}>(n, , x) }}""",
    "function": f"g {IN} {{ y = own.times(x) }} {TIMES} {{ {CONSTANT} y = MatMul(x, w) }}",
    "If branch of a function": f"g {IN} {{ y = own.times(x) }} {TIMES} {{ {BRANCHES % ('', '')} }}",
}
"""Where in a graph the values ``w`` may be that lie beside it."""


def bodies(part: onnx.GraphProto | onnx.FunctionProto) -> list[onnx.GraphProto]:
    """Return the bodies of the nodes of a graph or function."""
    return [a.g for node in part.node for a in node.attribute if a.HasField("g")]


def written(place: str, folder: Path, value: float = 1.0, **entries: str | None) -> Path:
    """Write a graph whose ``w`` is in w.bin; ``entries`` say otherwise where that is."""
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17, "own" : 1]> {GRAPHS[place]}'
    )
    values = value * np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[8, 8], data_location="EXTERNAL")
    for key, entry in {"location": "w.bin", "offset": "0", "length": "256", **entries}.items():
        if entry is not None:
            tensor.external_data.add(key=key, value=entry)
    for part in (model.graph, *model.functions):
        inner = bodies(part)
        for node in (n for body in (part, *inner) for n in body.node if n.output[0] == "w"):
            node.attribute[0].t.CopyFrom(tensor)
        if place.startswith("initializer of") or place.endswith("of a function"):
            for body in inner:
                body.initializer.append(tensor)
    if place == "initializer":
        model.graph.initializer.append(tensor)
    (folder / "g.onnx").write_bytes(model.SerializeToString())
    (folder / "w.bin").write_bytes(values.tobytes())
    return folder / "g.onnx"


def export(folder: Path, *options: str) -> tuple[int, str]:
    """Export g.onnx; return the code and what was printed."""
    told = io.StringIO()
    with contextlib.chdir(folder), redirect_stdout(told), redirect_stderr(told):
        code = cli.run(["export", "g.onnx", *options])
    return code, told.getvalue()


@pytest.mark.parametrize("place", GRAPHS)
def test_another_file_of_values_is_another_model(tmp_path: Path, place: str) -> None:
    written(place, tmp_path, 1.0)
    assert export(tmp_path)[0] == 0
    assert "unchanged" in export(tmp_path)[1]
    before = (tmp_path / "artifacts/g/model.mnn").read_bytes()
    written(place, tmp_path, 2.0)
    assert "unchanged" not in export(tmp_path)[1]
    assert (tmp_path / "artifacts/g/model.mnn").read_bytes() != before


@pytest.mark.parametrize("place", GRAPHS)
def test_every_file_of_values_is_listed_and_read(tmp_path: Path, place: str) -> None:
    path = written(place, tmp_path)
    assert external_files(path, parsed_onnx(path)).relative == {"w.bin": str(tmp_path / "w.bin")}
    assert not list(external_tensors(load_onnx(path)))


def gone(file: Path) -> None:
    file.unlink()


def cut_short(file: Path) -> None:
    os.truncate(file, 200)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def a_link(file: Path) -> None:
    file.rename(file.with_name("blob"))
    file.symlink_to("blob")


def two_names(file: Path) -> None:
    file.with_name("other").hardlink_to(file)


SPOILT: list[tuple[Callable[[Path], None], str, str]] = [
    (gone, r"can't read .*w\.bin, which has the values of w in .*: No such", "under the name"),
    (cut_short, r"w\.bin has 200 bytes, and the values of w .* behind its end", "cut short"),
    (a_folder, r"can't read .*w\.bin, .*: it is a folder, not a file", "move it away"),
    (a_pipe, r"can't read .*w\.bin, .*: it is a pipe, not a file", "move it away"),
    (a_link, r"w\.bin, which leads to the values of w in .*, is a link", "cp -rL"),
    (two_names, r"w\.bin, .* has other names too \(hard links\)", "cp -rL"),
]


@pytest.mark.parametrize("place", GRAPHS)
def test_a_file_of_values_that_can_not_be_right_is_told(tmp_path: Path, place: str) -> None:
    for spoil, what, hint in SPOILT:
        folder = tmp_path / spoil.__name__
        folder.mkdir()
        path = written(place, folder)
        spoil(folder / "w.bin")
        with pytest.raises(UsageError, match=what) as caught:
            load_onnx(path)
        assert hint in caught.value.hint
        with pytest.raises(UsageError, match=what):
            external_files(path, parsed_onnx(path))


ENTRIES: list[tuple[dict[str, str | None], str]] = [
    ({"location": "../w.bin"}, r"\.\./w\.bin, which should have the values of w .* is not in the"),
    ({"location": "sub/../../w.bin"}, "is not in the folder of the .onnx file"),
    ({"location": "/etc/hostname"}, "/etc/hostname, which should have .* is not in the folder"),
    ({"location": "a\0b"}, "its name has a null character"),
    ({"location": ""}, "doesn't say which file has the values of w"),
    ({"location": None}, "doesn't say which file has the values of w"),
    ({"offset": "4"}, "has 256 bytes, and the values of w .* behind its end"),
    ({"offset": "4", "length": None}, "behind its end"),
    ({"offset": "-4"}, "is not a number of bytes"),
    ({"length": "many"}, "is not a number of bytes"),
    ({"length": "0"}, "are 256 bytes by their shape, and 0 by the place in"),
    ({"length": str(10**20)}, "are 256 bytes by their shape"),
]


@pytest.mark.parametrize("place", ["initializer", "Constant", "If branch of a function"])
def test_a_place_that_can_not_be_right_is_told(tmp_path: Path, place: str) -> None:
    for entries, what in ENTRIES:
        path = written(place, tmp_path, 1.0, **entries)
        with pytest.raises(UsageError, match=what) as caught:
            load_onnx(path)
        assert "save" in caught.value.hint


@pytest.mark.parametrize("location", ["./w.bin", "sub/w.bin", "sub/../w.bin", "sub//w.bin"])
def test_other_ways_to_write_a_name_are_good(tmp_path: Path, location: str) -> None:
    (tmp_path / "sub").mkdir()
    path = written("Constant", tmp_path, location=location)
    shutil.copy(tmp_path / "w.bin", tmp_path / "sub" / "w.bin")
    assert list(external_files(path, parsed_onnx(path)).relative) == [location]
    assert not list(external_tensors(load_onnx(path)))


@pytest.mark.parametrize("spoil", [a_link, two_names])
def test_what_is_told_of_links_helps(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    path = written("initializer", folder)
    spoil(folder / "w.bin")
    with pytest.raises(UsageError) as caught:
        load_onnx(path)
    subprocess.run(["sh", "-c", caught.value.hint.partition(": ")[2]], check=True)
    load_onnx(path)


def test_a_link_among_the_folders_is_told_and_what_is_told_helps(tmp_path: Path) -> None:
    path = written("Constant", tmp_path, location="link/w.bin")
    (tmp_path / "sub").mkdir()
    (tmp_path / "w.bin").rename(tmp_path / "sub" / "w.bin")
    (tmp_path / "link").symlink_to("sub")
    with pytest.raises(UsageError, match=r"link, which leads to .* is a link") as caught:
        load_onnx(path)
    subprocess.run(["sh", "-c", caught.value.hint.partition(": ")[2]], check=True)
    load_onnx(path)


@pytest.mark.parametrize("part", ["values", "indices"])
def test_sparse_tensors_have_values_too(tmp_path: Path, part: str) -> None:
    path = written("initializer", tmp_path)
    model = parsed_onnx(path)
    outside = model.graph.initializer.pop()
    sparse = model.graph.sparse_initializer.add(dims=[8, 8])
    getattr(sparse, part).CopyFrom(outside)
    node = model.graph.node.add(op_type="Constant", output=["v"])
    node.attribute.add(name="sparse_value", type="SPARSE_TENSOR").sparse_tensor.CopyFrom(sparse)
    node.attribute.add(name="all", type="SPARSE_TENSORS").sparse_tensors.append(sparse)
    node.attribute.add(name="more", type="TENSORS").tensors.append(outside)
    assert len(list(external_tensors(model))) == 4


def test_a_constant_without_a_name_is_told_as_one(tmp_path: Path) -> None:
    path = written("Constant", tmp_path)
    model = parsed_onnx(path)
    model.graph.node[0].attribute[0].t.name = ""
    path.write_bytes(model.SerializeToString())
    (tmp_path / "w.bin").unlink()
    code, told = export(tmp_path)
    assert code == 2
    assert "the values of a constant in g.onnx: No such file" in told


def test_types_that_numpy_lacks_are_read(tmp_path: Path) -> None:
    path = written("initializer", tmp_path, length="32")
    model = parsed_onnx(path)
    model.graph.initializer[0].data_type = onnx.TensorProto.INT4
    path.write_bytes(model.SerializeToString())
    names: Sequence[str] = list(external_files(path, model).relative)
    assert names == ["w.bin"]
