"""Models that nobody can make: names, paths, callables and graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

Refused = Callable[..., object]
SHAPE = ["--input-shape", "1,4"]

CODE = """
import os
import torch

class Own(BaseException):
    pass

number = 7
instance = torch.nn.Linear(4, 4)

def needs_an_argument(width):
    return torch.nn.Linear(4, width)

def returns_a_tensor():
    return torch.zeros(3)

def returns_the_class():
    return torch.nn.Linear

def divides():
    return 1 / 0

def exits():
    raise SystemExit(0)

def own():
    raise Own("of mine")

def generator():
    raise GeneratorExit

def interrupts():
    raise KeyboardInterrupt

def ends():
    os._exit(0)

def elsewhere():
    os.chdir("/")
    return torch.nn.Linear(4, 4)

class Elsewhere(torch.nn.Module):
    def forward(self, x):
        os.chdir("/")
        return x.sin()

class Random(torch.nn.Module):
    def forward(self, x):
        return x + torch.rand(1)

class Text(torch.nn.Module):
    def forward(self, x):
        return "no tensor"

class Nothing(torch.nn.Module):
    def forward(self, x):
        return None

class Large(torch.nn.Module):
    def forward(self, x):
        return x.repeat(2**56, 4)

class Larger(torch.nn.Module):
    def forward(self, x):
        return x.repeat(2**62, 4)

class NoInput(torch.nn.Module):
    def forward(self):
        return torch.ones(3)
"""

NAMES: list[tuple[str, tuple[str, ...]]] = [
    ("asymmnet_larg_100", ("asymmnet_larg_100", "asymmnet_large_100")),
    ("ASYMMNET_LARGE_100", ("ASYMMNET_LARGE_100",)),
    ("", ("",)),
    (" ", ("",)),
    ("asymmnet_large_100 ", ("asymmnet_large_100",)),
    ("asymmnet_large_100\x00", ("asymmnet",)),
    ("a\x00b.onnx", ("onnx",)),
    ("x" * 300 + ".onnx", ("xxx",)),
    ("nowhere.onnx", ("nowhere.onnx",)),
    ("../nowhere.onnx", ("nowhere.onnx",)),
    (".onnx", (".onnx",)),
    ("-x.onnx", ("-x",)),
    ("line\nend.onnx", ("onnx",)),
    ("\x1b[31mred.onnx", ("red",)),
    ("\udcff.onnx", ("onnx",)),
    ("a:b:c", ("a:b:c",)),
    (":", (":",)),
    ("os:", ("os:",)),
    (":path", (":path",)),
    ("1nets:make", ("1nets:make",)),
    ("nets..small:make", ("nets..small:make",)),
    ("nowhere_at_all:make", ("nowhere_at_all",)),
    ("os:nowhere", ("os", "nowhere")),
    ("os:path", ("os:path", "function")),
    ("os:getcwd", ("os:getcwd", "str")),
]
CALLABLES: list[tuple[str, int, tuple[str, ...]]] = [
    ("number", 2, ("int",)),
    ("instance", 2, ("Linear",)),
    ("needs_an_argument", 2, ("width",)),
    ("returns_a_tensor", 2, ("Tensor",)),
    ("returns_the_class", 2, ("type",)),
    ("divides", 2, ("ZeroDivisionError",)),
    ("exits", 2, ("SystemExit",)),
    ("own", 2, ("Own: of mine",)),
    ("generator", 2, ("GeneratorExit",)),
    ("interrupts", 2, ("KeyboardInterrupt",)),
    ("ends", 6, ("without a result", "os._exit")),
    ("Random", 5, ("random",)),
    ("Text", 2, ("no tensor",)),
    ("Nothing", 2, ("None",)),
    ("Large", 2, ("a tensor of 4,611,686,018,427,387,904 bytes", "no memory")),
    ("Larger", 2, ("more bytes than 64 bits can count", "no memory")),
    ("NoInput", 2, ("no arguments",)),
]


# The last names are code's, which describe imports in a new process: one of them is enough there.
COMMANDS = [
    *((command, *row) for command in ("export", "bench") for row in NAMES),
    *(("describe", *row) for row in NAMES[:-3]),
]


@pytest.mark.parametrize(
    ("command", "name", "says"), COMMANDS, ids=[f"{row[0]}-{row[1]!r}"[:50] for row in COMMANDS]
)
def test_a_name_of_nothing_is_refused(
    refused: Refused, command: str, name: str, says: Sequence[str]
) -> None:
    refused([command, *SHAPE, "--", name], 2, *says)


@pytest.mark.parametrize(("name", "code", "says"), CALLABLES, ids=[row[0] for row in CALLABLES])
def test_a_callable_that_makes_no_model_is_refused(
    refused: Refused, folder: Path, name: str, code: int, says: Sequence[str]
) -> None:
    (folder / "hostile_code.py").write_text(CODE)
    refused(["export", f"hostile_code:{name}", *SHAPE], code, *says)


@pytest.mark.parametrize("name", ["elsewhere", "Elsewhere"])
def test_code_that_goes_to_another_folder_takes_nothing_along(
    refused: Refused, folder: Path, name: str
) -> None:
    (folder / "hostile_code.py").write_text(CODE)
    refused(["export", f"hostile_code:{name}", *SHAPE], 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("raise Exception('at import')", "at import"),
        ("import os; os._exit(0)", "without a result"),
        ("def net(:", "SyntaxError"),
        ("import nowhere_at_all", "nowhere_at_all"),
        ("\x00", "null bytes"),
        ("x = " + "(" * 1000, "hostile_import"),
        ("def net(): return net()", "RecursionError"),
    ],
)
def test_a_module_that_can_not_be_imported_is_refused(
    refused: Refused, folder: Path, content: str, says: str
) -> None:
    (folder / "hostile_import.py").write_text(content)
    refused(["export", "hostile_import:net", *SHAPE], 6 if "_exit" in content else 2, says)


GRAPHS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "a dimension of 2**40": (
        "g (float[1,1099511627776] x) => (float[1,1099511627776] y) { y = Relu(x) }",
        2,
        ("x", "2**31"),
    ),
    "a dimension of -5": ("g (float[1,-5] x) => (float[1,-5] y) { y = Relu(x) }", 2, ("x",)),
    "no inputs": ("g () => (float[4] y) { y = Constant<value_floats=[1.,2.,3.,4.]>() }", 2, ()),
    "no outputs": ("g (float[1,4] x) => () { y = Relu(x) }", 2, ()),
    "an output of nothing": ("g (float[1,4] x) => (float[1,4] z) { y = Relu(x) }", 2, ()),
    "an unknown operator": (
        "g (float[1,4] x) => (float[1,4] y) { y = Unheard(x) }",
        2,
        ("Unheard",),
    ),
    "a cycle": ("g (float[1,4] x) => (float[1,4] y) { a = Add(x, y) y = Relu(a) }", 2, ()),
    "a tensor of 2**60 bytes inside": (
        "g (float[1,4] x) => (float[1,4] y) <int64[2] s = {72057594037927936, 4}> "
        "{ big = Expand(x, s) y = ReduceMean<axes=[0]>(big) }",
        6,
        ("the Expand node big makes a tensor of 1,152,921,504,606,846,976 bytes", "no memory"),
    ),
    "a tensor of more than 2**64 bytes inside": (
        "g (float[1,4] x) => (float[1,4] y) <int64[2] s = {4611686018427387904, 4}> "
        "{ big = Expand(x, s) y = ReduceMean<axes=[0]>(big) }",
        6,
        ("the Expand node big makes a tensor of more bytes than 64 bits can count",),
    ),
    "text": ("g (string[1] x) => (string[1] y) { y = Identity(x) }", 2, ("x",)),
    "complex": ("g (complex64[1,4] x) => (complex64[1,4] y) { y = Identity(x) }", 2, ("x",)),
    "open axes": ("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }", 2, ("x",)),
}


def written(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> ' + text)


@pytest.mark.parametrize(("text", "code", "says"), GRAPHS.values(), ids=GRAPHS.keys())
def test_a_graph_that_can_not_be_run_is_refused(
    refused: Refused, folder: Path, text: str, code: int, says: Sequence[str]
) -> None:
    onnx.save(written(text), folder / "g.onnx")
    refused(["export", "g.onnx"], code, "g.onnx", *says)


def test_an_input_without_a_type_is_refused(refused: Refused, folder: Path) -> None:
    del folder
    model = written("g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }")
    model.graph.input[0].type.tensor_type.elem_type = 0
    onnx.save(model, "g.onnx")
    refused(["export", "g.onnx"], 2, "input x has no type")
    refused(["describe", "g.onnx"], 2, "input x has no type")


@pytest.mark.parametrize("axes", [33, 5000])
def test_shapes_of_thousands_of_axes_are_refused(refused: Refused, folder: Path, axes: int) -> None:
    ones = ",".join(["1"] * axes)
    onnx.save(written(f"g (float[{ones}] x) => (float[{ones}] y) {{ y = Relu(x) }}"), "g.onnx")
    refused(["export", "g.onnx"], 2, "x", "axes")
    (folder / "hostile_code.py").write_text(CODE)
    refused(["export", "hostile_code:Text", "--input-shape", ones], 2, "axes")


CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\x08",
    "zeros": bytes(1000),
    "a page": b"<!DOCTYPE html><html><body>404</body></html>",
    "a zip": b"PK\x03\x04" + bytes(100),
    "a pointer to a large file": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "random bytes": np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("name", ["g.onnx", "g.mnn"])
def test_a_file_that_is_no_model_is_refused(
    refused: Refused, folder: Path, name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    if name == "g.mnn":
        quick = ["--runs", "1", "--launches", "1"]
        refused(["bench", name, *quick], 3, "g: failed", "damaged", in_its_row=True)
    else:
        refused(["export", name], 2, "g.onnx")
        refused(["describe", name], 2, "g.onnx")


def test_half_a_graph_is_refused(refused: Refused, folder: Path) -> None:
    model = written("g (float[1,64] x) => (float[1,64] y) { y = MatMul(x, w) }")
    weight = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    whole = model.SerializeToString()
    for share in (0.1, 0.5, 0.99):
        (folder / "g.onnx").write_bytes(whole[: int(share * len(whole))])
        refused(["export", "g.onnx"], 2, "g.onnx")


@pytest.mark.parametrize(
    "location", ["nowhere.bin", "/etc/hostname", "../outside.bin", "a\x00b", ".", "/dev/zero"]
)
def test_weights_that_are_not_beside_the_graph_are_refused(
    refused: Refused, folder: Path, location: str
) -> None:
    (folder.parent / "outside.bin").write_bytes(bytes(64))
    model = written("g (float[1,4] x) => (float[1,4] y) { y = MatMul(x, w) }")
    weight = onnx.TensorProto(name="w", data_type=1, dims=[4, 4], data_location="EXTERNAL")
    weight.external_data.add(key="location", value=location)
    constant = onnx.helper.make_node("Constant", [], ["w"], value=weight)
    for put in (model.graph.initializer.append, lambda _: model.graph.node.insert(0, constant)):
        put(weight)
        (folder / "g.onnx").write_bytes(model.SerializeToString())
        refused(["export", "g.onnx"], 2, "g.onnx", "the values of w")
        del model.graph.initializer[:]
