"""A file that is no state_dict is told by its content, with what to do."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch import nn

from asymm_deploy.errors import UsageError
from asymm_deploy.export.onnx_graph import load_onnx
from asymm_deploy.export.weights import load_into


def script(path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 1)), str(path))


def arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weight=np.zeros((1, 2)), bias=np.zeros(1))


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("folder/readme.txt", "hello")


def keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("model.weights.h5", "hello")


def compressed(path: Path) -> None:
    plain = io.BytesIO()
    torch.save(nn.Linear(2, 1).state_dict(), plain)
    with zipfile.ZipFile(plain) as given, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(name, given.read(name))


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", bytes(50_000_000))


def tar(path: Path) -> None:
    with tarfile.open(path, "w") as made:
        made.add(__file__, "storages")


def graph(path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    node = helper.make_node("Relu", ["x"], ["y"])
    onnx.save(helper.make_model(helper.make_graph([node], "g", [value], [out])), path)


def numpy_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def text(content: bytes) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(content), None)[1]


FORMATS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "TorchScript": (script, "a TorchScript program", "torch.jit.load"),
    "npz": (arrays, "an archive of NumPy arrays", "as_tensor"),
    "zip": (archive, "a zip archive .it holds folder/readme.txt", "unpack"),
    "keras": (keras, "a Keras archive", "load it in the framework"),
    "compressed": (compressed, "compressed after torch.save", "torch.save"),
    "bomb": (bomb, "compressed after torch.save", "torch.save"),
    "tar": (tar, "a tar archive", "unpack"),
    "gzip": (text(gzip.compress(b"x")), "compressed with gzip", "unpack"),
    "onnx": (graph, "an ONNX model", "as the model itself"),
    "npy": (numpy_array, "a single NumPy array", "by name"),
    "hdf5": (text(b"\x89HDF\r\n\x1a\n" + bytes(64)), "an HDF5 file", "in the framework"),
    "lfs": (
        text(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"),
        "a pointer of Git LFS",
        "git lfs pull",
    ),
    "html": (text(b"\n <!DOCTYPE html><html><body>404</body></html>"), "a web page", "download"),
    "xml": (text(b"<?xml version='1.0'?><Error>AccessDenied</Error>"), "a web page", "download"),
    "index": (
        text(json.dumps({"metadata": {}, "weight_map": {"a": "1.safetensors"}}).encode()),
        "the index of weights that are split over several files",
        "save it as one file",
    ),
    "json": (text(b'{"hidden_size": 3}'), "JSON text", "give a file of weights"),
    "tensorflow": (
        text(bytes(100) + bytes.fromhex("57fb808b247547db")),
        "part of a TensorFlow checkpoint",
        "in the framework",
    ),
    "tflite": (text(b"\x1c\x00\x00\x00TFL3" + bytes(99)), "a TensorFlow Lite model", "framework"),
    "empty": (text(b""), "is empty", "again"),
    "text": (
        text(b"hello, I am no weights"),
        r"is not a file of weights|is not a whole \.safetensors file",
        "a",
    ),
    "plain pickle": (text(b"\x80\x04K\x01."), "a plain pickle", "torch.save"),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("suffix", ["pt", "safetensors", "params", "bin"])
def test_each_other_format_is_named_whatever_the_file_is_called(
    tmp_path: Path, name: str, suffix: str
) -> None:
    write, told, hint = FORMATS[name]
    write(tmp_path / f"w.{suffix}")
    with pytest.raises(UsageError, match=told) as caught:
        load_into(nn.Linear(2, 1), tmp_path / f"w.{suffix}")
    assert hint in caught.value.hint


# What each is called when it is given as an .onnx file, and what the hint has.
AS_GRAPHS = {
    "TorchScript": ("a TorchScript program", "torch.jit.load"),
    "npz": ("an archive of NumPy arrays", "--inputs"),
    "zip": ("a zip archive .it holds folder/readme.txt", "the .onnx file that is in it"),
    "keras": ("a Keras archive", "tf2onnx"),
    "compressed": ("compressed after torch.save", "the .onnx file that is in it"),
    "tar": ("a tar archive", "the .onnx file that is in it"),
    "gzip": ("compressed with gzip", "the .onnx file that is in it"),
    "npy": ("a single NumPy array", "give the .onnx file"),
    "hdf5": ("an HDF5 file", "tf2onnx"),
    "lfs": ("a pointer of Git LFS", "git lfs pull"),
    "html": ("a web page", "download it again"),
    "xml": ("a web page", "download it again"),
    "index": ("the index of weights", "the .onnx file itself"),
    "json": ("JSON text", "give an .onnx file"),
    "tensorflow": ("part of a TensorFlow checkpoint", "tf2onnx"),
    "tflite": ("a TensorFlow Lite model", "tf2onnx"),
    "empty": ("is empty", "again"),
    "text": ("is not a valid ONNX file", "cut short or of another format"),
    "plain pickle": ("a pickle", "--weights FILE"),
    "state_dict": ("a file of torch.save", "--weights FILE"),
    "safetensors": (r"a \.safetensors file", "--weights FILE"),
    "half a zip": ("a zip archive that is cut short", "again"),
}


def half_a_zip(path: Path) -> None:
    archive(path)
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize("name", AS_GRAPHS)
def test_each_other_format_is_named_where_a_graph_should_be(tmp_path: Path, name: str) -> None:
    write = {
        "state_dict": lambda path: torch.save(nn.Linear(2, 1).state_dict(), path),
        "safetensors": lambda path: save_file(nn.Linear(2, 1).state_dict(), path),
        "half a zip": half_a_zip,
        **{format_: row[0] for format_, row in FORMATS.items()},
    }[name]
    told, hint = AS_GRAPHS[name]
    write(tmp_path / "g.onnx")
    with pytest.raises(UsageError, match=told) as caught:
        load_onnx(tmp_path / "g.onnx")
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["lfs", "html"])
def test_each_is_named_where_values_of_a_graph_should_be(tmp_path: Path, name: str) -> None:
    graph(tmp_path / "g.onnx")
    model = onnx.load(str(tmp_path / "g.onnx"))
    weight = TensorProto(name="w", data_type=1, dims=[999], data_location="EXTERNAL")
    weight.external_data.add(key="location", value="w.bin")
    model.graph.initializer.append(weight)
    (tmp_path / "g.onnx").write_bytes(model.SerializeToString())
    write, told, hint = FORMATS[name]
    write(tmp_path / "w.bin")
    with pytest.raises(UsageError, match=rf"w\.bin, which should have .* is {told}") as caught:
        load_onnx(tmp_path / "g.onnx")
    assert hint in caught.value.hint


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    source, target = nn.Linear(2, 1), nn.Linear(2, 1)
    torch.save(source.state_dict(), tmp_path / "w.safetensors")
    load_into(target, tmp_path / "w.safetensors")
    assert torch.equal(target.weight, source.weight)
    save_file(nn.Linear(2, 1).state_dict(), tmp_path / "w.pth")
    load_into(target, tmp_path / "w.pth")
    assert not torch.equal(target.weight, source.weight)
