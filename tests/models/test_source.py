"""A MODEL argument is a name, a file or a callable, or an error that says what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from asymm_deploy.errors import UsageError
from asymm_deploy.models.input_shape import InputShape, parse_input_shapes
from asymm_deploy.models.names import parse
from asymm_deploy.models.source import (
    CallableModule,
    NamedNetwork,
    OnnxFile,
    load_callable,
    own_classes,
    resolve,
    shape_unknown,
    with_given_classes,
    with_input_shapes,
)

SHAPE = (InputShape(None, (1, 4)),)


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], CallableModule]:
    """Write a user's Python module into the current folder; return its ``make``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(code: str) -> CallableModule:
        monkeypatch.delitem(sys.modules, "their_models", raising=False)
        (tmp_path / "their_models.py").write_text(f"from torch import nn\n{code}\n")
        return CallableModule("their_models", "make", SHAPE)

    return write


def test_a_name_is_a_network_at_the_resolution_asked_for() -> None:
    assert resolve("asymmnet_large_100_r1") == NamedNetwork(parse("asymmnet_large_100"))

    source = resolve("asymmnet_large_100", parse_input_shapes(["2,3,96,64"]))

    assert isinstance(source, NamedNetwork)
    assert source.spec.input_shape == (2, 3, 96, 64)
    assert source.model == "asymmnet_large_100"


@pytest.mark.parametrize("shapes", [["1,3,8,8", "1,3,8,8"], ["1,1,8,8"], ["1,3,8"]])
def test_a_network_takes_one_image_of_three_channels(shapes: list[str]) -> None:
    with pytest.raises(UsageError, match="asymmnet_large_100"):
        resolve("asymmnet_large_100", parse_input_shapes(shapes))


@pytest.mark.parametrize("name", ["net.onnx", "my net v1.2.onnx", "naïve.ONNX"])
def test_an_onnx_file_is_named_after_its_stem(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"anything")

    source = resolve(str(path), SHAPE)

    assert source == OnnxFile(path, SHAPE)
    assert source.model == name[: -len(".onnx")]


def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "folder.onnx").mkdir()

    for name, what in [
        ("missing.onnx", "can't read .*missing.onnx.*No such file"),
        ("empty.onnx", "empty.onnx' is empty"),
        ("folder.onnx", "folder.onnx' is a folder"),
        ("a\0b.onnx", "can't read .*null character"),
        ("a" * 300 + ".onnx", "can't read .*too long"),
    ]:
        with pytest.raises(UsageError, match=what):
            resolve(f"{tmp_path}/{name}")


# fmt: off
UNSAFE_FILE_NAMES = [
    ".hidden.onnx", "-o.onnx", "a\nb.onnx", "a\x1b[0m.onnx", "a\\b.onnx", " .onnx", "...onnx",
    ".onnx", "a" * 220 + ".onnx",
]
# fmt: on


@pytest.mark.parametrize("name", UNSAFE_FILE_NAMES)
def test_a_file_whose_stem_is_no_safe_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")

    with pytest.raises(UsageError, match="can't be the name of an artifacts folder") as caught:
        resolve(f"{tmp_path}/{name}")

    assert "\n" not in caught.value.what
    assert "\x1b" not in caught.value.what


def test_a_callable_is_named_after_its_module_and_itself() -> None:
    source = resolve("package.module:Nets.make", SHAPE)

    assert source == CallableModule("package.module", "Nets.make", SHAPE)
    assert source.model == "package.module.Nets.make"


@pytest.mark.parametrize("text", [":", "a:", ":b", "a:b:c", "../a:b", "a-b:c", "a:b()", "a..b:c"])
def test_a_malformed_callable_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form package"):
        resolve(text, SHAPE)


def test_a_callable_without_input_shapes_may_have_an_export_that_tells_them() -> None:
    source = resolve("a:b")
    assert source == CallableModule("a", "b", ())
    assert isinstance(source, CallableModule)
    error = shape_unknown(source)
    assert error.what == "the input shape of 'a:b' is unknown"
    assert "--input-shape" in error.hint
    assert "--inputs" in error.hint


def test_a_network_keeps_the_range_that_was_given() -> None:
    source = resolve("asymmnet_large_100", parse_input_shapes(["input=1,3,96,96:float32:0..1"]))
    assert isinstance(source, NamedNetwork)
    assert source.given == InputShape("input", (1, 3, 96, 96), "float32", 0.0, 1.0)
    assert source.spec.input_shape == (1, 3, 96, 96)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x=1,3,8,8", "has no input 'x': its only one is input"),
        ("1,3,8,8:uint8", "takes float32, not uint8"),
        ("1,3,8,8:float64", "takes float32, not float64"),
        (":float32", "takes images of shape N,3,H,W"),
    ],
)
def test_a_network_has_one_input_of_float32(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        resolve("asymmnet_large_100", parse_input_shapes([text]))


def test_other_input_shapes_are_given_to_any_source(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"anything")
    shapes = parse_input_shapes(["1,3,64,64"])
    for text in ("asymmnet_large_100", str(tmp_path / "net.onnx"), "a:b"):
        assert with_input_shapes(resolve(text), shapes) == resolve(text, shapes)
    with pytest.raises(UsageError, match="N,3,H,W"):
        with_input_shapes(resolve("asymmnet_large_100"), SHAPE)


@given(st.text())
def test_no_text_at_all_leads_anywhere_but_to_a_source_or_a_usage_error(text: str) -> None:
    try:
        source = resolve(text, SHAPE)
    except UsageError:
        return
    assert Path(source.model).name == source.model


@pytest.mark.parametrize(
    "code",
    [
        "def make(): return nn.Linear(4, 2)",
        "class make(nn.Linear):\n def __init__(self): super().__init__(4, 2)",
        "make = lambda: nn.Linear(4, 2)",
    ],
)
def test_a_callable_in_the_current_folder_is_called(
    code: str, theirs: Callable[[str], CallableModule]
) -> None:
    assert isinstance(load_callable(theirs(code)), nn.Linear)


def test_what_a_callable_prints_stays_off_stdout(
    theirs: Callable[[str], CallableModule], capsys: pytest.CaptureFixture[str]
) -> None:
    load_callable(theirs("print('hello')\ndef make():\n print('there')\n return nn.ReLU()"))

    assert capsys.readouterr() == ("", "hello\nthere\n")


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("def make(): raise ValueError('too\\nlong')", "raised ValueError: too"),
        ("def make(): raise SystemExit(3)", "raised SystemExit: 3"),
        ("def make(): assert False", "raised AssertionError"),
        ("def make(size): pass", "raised TypeError: make.. missing 1 required"),
        ("def make(): return 3", "returned a int, not an nn.Module"),
        ("def make(): return nn.Linear", "returned a type, not an nn.Module"),
        ("make = 3", "make is a int, not a function"),
        ("make = nn.Linear(4, 2)", "make is a Linear, not a function"),
        ("", "their_models has no make"),
        ("import no_such_thing", "importing their_models raised ModuleNotFoundError: No module"),
        ("raise SystemExit", "importing their_models raised SystemExit"),
        ("def make(:", "importing their_models raised SyntaxError"),
    ],
)
def test_a_callable_that_fails_is_a_usage_error_with_its_cause_in_one_line(
    code: str, what: str, theirs: Callable[[str], CallableModule]
) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        load_callable(theirs(code))

    assert "\n" not in caught.value.what


@pytest.mark.parametrize("module", ["no_such_module", "no_such.module"])
def test_a_missing_module_is_named(module: str, theirs: Callable[[str], CallableModule]) -> None:
    theirs("")

    with pytest.raises(UsageError, match=f"no Python module named {module.partition('.')[0]}"):
        load_callable(CallableModule(module, "make", SHAPE))


def test_a_network_takes_the_classes_that_are_given_and_nothing_else_does() -> None:
    network = with_given_classes(resolve("mbv3_small_035"), 10)
    assert own_classes(network) == 10
    assert own_classes(with_input_shapes(network, parse_input_shapes(["1,3,64,64"]))) == 10
    assert own_classes(with_given_classes(network, 1000)) is None  # as many as its name says
    assert with_given_classes(network, None) is network
    theirs = resolve("m:make")
    assert own_classes(theirs) is None
    with pytest.raises(UsageError, match="--classes is for networks of the paper"):
        with_given_classes(theirs, 10)
