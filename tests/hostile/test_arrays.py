"""Samples and weights that are not what they say, or hold what no input takes."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

Refused = Callable[..., object]
NET = ["export", "asymmnet_small_035"]


@pytest.fixture
def graph(folder: Path) -> Path:
    """A graph with one input of four numbers."""
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,4] x) => (float[1,4] y) {y = Sin(x)}'
    )
    onnx.save(onnx.parser.parse_model(text), folder / "g.onnx")
    return folder / "g.onnx"


def npz_with(header: str, body: bytes = b"", name: str = "x.npy") -> bytes:
    """An archive of one array whose header says what it likes."""
    text = header.encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, array)
    return file.getvalue()


def saved(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def header(shape: str, descr: str = "<f4") -> str:
    return f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"


GOOD = saved(x=np.ones((2, 1, 4), np.float32))
SAMPLES: dict[str, tuple[bytes, Sequence[str]]] = {
    "empty": (b"", ()),
    "text": (b"x = 1", ()),
    "zeros": (bytes(1000), ()),
    "half of it": (GOOD[: len(GOOD) // 2], ()),
    "all but the end": (GOOD[:-10], ()),
    "an empty archive": (b"PK\x05\x06" + bytes(18), ()),
    "2**35 numbers": (npz_with(header("(34359738368,)")), ("x",)),
    "2**60 numbers": (npz_with(header("(1152921504606846976,)")), ("x",)),
    "2**200 numbers": (npz_with(header(f"({2**200},)")), ("x",)),
    "a product of 2**64": (npz_with(header(f"({2**32}, {2**32})")), ("x",)),
    "less than no numbers": (npz_with(header("(-1, 4)")), ("x",)),
    "millions of samples": (npz_with(header("(4194304, 1, 4)")), ("4194304 samples of x", "10000")),
    "fewer than it says": (npz_with(header("(1, 4)"), bytes(8)), ("x",)),
    "a header of code": (npz_with("__import__('os')._exit(0)"), ("x",)),
    "a header of brackets": (npz_with("(" * 5000), ("x",)),
    "a member that is text": (npz_with("", name="x.txt"), ()),
    "strings": (saved(x=np.array([["a", "b", "c", "d"]])), ("x",)),
    "complex": (saved(x=np.ones((1, 4), np.complex64)), ("x", "complex64")),
    "dates": (saved(x=np.zeros((1, 4), "datetime64[s]")), ("x",)),
    "records": (saved(x=np.zeros((1, 4), [("a", "f4")])), ("x",)),
    "objects": (saved(x=np.array([[None, 1, 2, 3]], dtype=object)), ("x",)),
    "raw bytes": (saved(x=np.zeros((1, 4), "V4")), ("x",)),
    "not a number": (saved(x=np.full((1, 4), np.nan, np.float32)), ("x",)),
    "infinite": (saved(x=np.full((1, 4), np.inf, np.float32)), ("x",)),
    "another shape": (saved(x=np.ones((1, 5), np.float32)), ("x",)),
    "another rank": (saved(x=np.ones((1, 1, 1, 4), np.float32)), ("x",)),
    "no elements": (saved(x=np.ones((0, 4), np.float32)), ("x",)),
    "one array too many": (saved(x=np.ones((1, 4), np.float32), z=np.ones(3)), ("z",)),
    "20,000 arrays": (saved(**{f"x{i}": np.ones(1) for i in range(20_000)}), ("19980 more",)),
    "nothing": (saved(), ()),
}


@pytest.mark.parametrize(("content", "says"), SAMPLES.values(), ids=SAMPLES.keys())
def test_samples_that_are_none_are_refused(
    refused: Refused, graph: Path, content: bytes, says: Sequence[str]
) -> None:
    (graph.parent / "s.npz").write_bytes(content)
    refused(["export", "g.onnx", "--inputs", "s.npz"], 2, "s.npz", *says)


@pytest.mark.parametrize("shape", ["(-1, 1, 4)", "(True, 4)"])
def test_shapes_that_are_none_are_refused_where_no_sample_is_read(
    refused: Refused, graph: Path, shape: str
) -> None:
    (graph.parent / "s.npz").write_bytes(npz_with(header(shape)))
    refused(["describe", "g.onnx", "--inputs", "s.npz"], 2, "s.npz", "x", "shape")


def test_two_arrays_of_one_name_are_refused(refused: Refused, graph: Path) -> None:
    one = GOOD
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        array = archive.read("x.npy")
    with zipfile.ZipFile("s.npz", "w") as archive:
        archive.writestr("x.npy", array)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", array)
    refused(["export", "g.onnx", "--inputs", "s.npz"], 2, "s.npz", "x")


def tensors(**more: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"stem.conv.weight": torch.zeros(1)} | more, file)
    return file.getvalue()


def safetensors(entries: object, body: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(shape: list[int], end: int, dtype: str = "F32", start: int = 0) -> dict[str, object]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}}


WEIGHTS: dict[str, tuple[str, bytes]] = {
    "empty": ("w.pt", b""),
    "text": ("w.pt", b"weights"),
    "zeros": ("w.pt", bytes(1000)),
    "half of it": ("w.pt", tensors()[:300]),
    "a pickle that runs code": ("w.pt", b"cos\nsystem\n(S'touch ran'\ntR."),
    "a pickle of a number": ("w.pt", b"\x80\x02K\x01."),
    "other names": ("w.pt", tensors()),
    "a number": ("w.pt", tensors(number=1)),
    "a list": ("w.pt", b"\x80\x02]."),
    "a zip without tensors": ("w.pt", b"PK\x05\x06" + bytes(18)),
    "safetensors: empty": ("w.safetensors", b""),
    "safetensors: a header of 2**60": ("w.safetensors", struct.pack("<Q", 2**60) + b"{}"),
    "safetensors: no JSON": ("w.safetensors", struct.pack("<Q", 4) + b"oops"),
    "safetensors: nested": ("w.safetensors", struct.pack("<Q", 90000) + b"[" * 90000),
    "safetensors: offsets that lie": ("w.safetensors", safetensors(entry([4], 10**9))),
    "safetensors: offsets backwards": (
        "w.safetensors",
        safetensors(entry([4], 0, start=16), bytes(16)),
    ),
    "safetensors: 2**40 numbers": ("w.safetensors", safetensors(entry([2**40], 16), bytes(16))),
    "safetensors: less than none": ("w.safetensors", safetensors(entry([-4], 16), bytes(16))),
    "safetensors: a type of its own": (
        "w.safetensors",
        safetensors(entry([4], 16, dtype="F7"), bytes(16)),
    ),
    "params: a wrong start": ("w.params", bytes(64)),
    "params: 2**60 arrays": ("w.params", struct.pack("<QQQ", 0x112, 0, 2**60)),
    "params: 2**31 axes": (
        "w.params",
        struct.pack("<QQQIiI", 0x112, 0, 1, 0xF993FAC9, 0, 2**31),
    ),
    "npz: strings": ("w.npz", saved(x=np.array(["a"]))),
}


@pytest.mark.parametrize(("name", "content"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_weights_that_are_none_are_refused(
    refused: Refused, folder: Path, name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    refused([*NET, "--weights", name], 2, "w.")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--weights", "w.pt"], "w.pt"),
        (["--weights-key", "ema"], "--weights-key"),
        (["--strip-prefix", "m."], "--strip-prefix"),
        (["--weights", ""], ""),
        (["--weights", "."], "."),
        (["--weights", "/dev/zero"], "/dev/zero"),
        (["--weights", "/dev/null"], "/dev/null"),
        (["--inputs", "/dev/zero"], "/dev/zero"),
        (["--inputs", "nowhere.npz"], "nowhere.npz"),
        (["--inputs", "a\x00b"], "a"),
    ],
)
def test_options_about_files_that_are_none_are_refused(
    refused: Refused, folder: Path, options: list[str], says: str
) -> None:
    del folder
    refused([*NET, *options], 2, says)


@pytest.mark.parametrize(
    "shape",
    [
        *("", ",", "1,", "x", "1,2,x", "1.5,2", "-1,4", "1,4:float33", "1,4:float32:1"),
        *("1,4:float32:2..1", "1,4:float32:nan..1", "1,4:float32:-inf..1", "1,4:int8:0..1000"),
        *("1,4:bool:0..5", "y=1,4", "x=1,4 x=1,4", "1,5", "1,1,4", "99999999999,4", "x=1,4:string"),
        *("1,4\x00", "Soft:1,64", "\u0661,\u0664", "1_0,4", "0x1,4", f"1,{2**40}", f"1,{2**70}"),
    ],
)
def test_a_shape_that_is_none_or_another_is_refused(
    refused: Refused, graph: Path, shape: str
) -> None:
    del graph
    refused(["export", "g.onnx", "--input-shape", shape], 2)
