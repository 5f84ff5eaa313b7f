"""An ONNX file is read, described and run; what it gives is in the graph's order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.export.onnx_graph import first_line, graph_inputs, load_onnx, run_onnx
from asymm_deploy.models.input_shape import parse_input_shapes
from asymm_deploy.models.source import OnnxFile

HEADER = '<ir_version: 8, opset_import: ["" : 17]> '


def graph(text: str) -> bytes:
    serialised: bytes = onnx.parser.parse_model(HEADER + text).SerializeToString()
    return serialised


def test_an_input_of_any_shape_takes_the_one_that_is_given(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float x) => (float y) { y = Sin(x) }'
    )
    model.graph.input[0].type.tensor_type.ClearField("shape")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    for shape in ((2, 3), (1,), ()):
        ((found,),) = run_onnx(model.SerializeToString(), [{"x": np.ones(shape, np.float32)}])
        assert found.shape == shape


def test_every_sample_has_its_outputs_in_the_graphs_order() -> None:
    model = graph("g (float[1,2] x) => (float[1,2] b, float[1,2] a) { b = Neg(x) a = Add(x, x) }")
    samples: list[Arrays] = [
        {"x": np.full((1, 2), i, np.float32), "unused": np.ones(1)} for i in (1, 2, 3)
    ]

    assert [[float(a[0, 0]) for a in outputs] for outputs in run_onnx(model, samples)] == [
        [-1.0, 2.0],
        [-2.0, 4.0],
        [-3.0, 6.0],
    ]


def test_an_output_that_a_graph_names_twice_comes_twice() -> None:
    model = graph("g (float[1,2] x) => (float[1,2] y, float[1,2] y) { y = Neg(x) }")
    ((first, second),) = run_onnx(model, [{"x": np.ones((1, 2), np.float32)}])

    np.testing.assert_array_equal(first, second)


def test_a_file_and_its_bytes_are_one(tmp_path: Path) -> None:
    model = graph("g (float[1,2] x) => (float[1,2] y) { y = Exp(x) }")
    (tmp_path / "model.onnx").write_bytes(model)
    samples: list[Arrays] = [{"x": np.ones((1, 2), np.float32)}]

    (((from_file,),), ((from_bytes,),)) = (
        run_onnx(tmp_path / "model.onnx", samples),
        run_onnx(model, samples, optimised=False),
    )
    np.testing.assert_array_equal(from_file, from_bytes)


def test_what_can_not_run_is_told_in_the_engines_words() -> None:
    model = graph("g (float[1,2] x) => (float[1,2] y) { y = NoSuchOperator(x) }")

    with pytest.raises(ConversionError) as caught:
        run_onnx(model, [{"x": np.ones((1, 2), np.float32)}])
    assert caught.value.what.startswith("ONNX Runtime can't run the graph: [ONNXRuntimeError]")
    assert "NoSuchOperator" in caught.value.what


def inputs_of(inputs: str, *shapes: str) -> list[tuple[str, tuple[int, ...], str]]:
    """Return the inputs of a graph as they are fixed by ``--input-shape``."""
    text = f"g ({inputs}) => (float y) {{ y = Neg(x) }}"
    source = OnnxFile(Path("net.onnx"), parse_input_shapes(shapes))
    specs = graph_inputs(onnx.parser.parse_model(HEADER + text), source)
    return [(spec.name, spec.shape, spec.dtype) for spec in specs]


def test_inputs_are_those_of_the_graph_with_open_axes_as_they_are_given() -> None:
    assert inputs_of("float x, int64[1,L] ids, uint8[2] z", "ids=1,7:int64:0..5") == [
        ("x", (), "float32"),
        ("ids", (1, 7), "int64"),
        ("z", (2,), "uint8"),
    ]
    assert inputs_of("float x", ":float32") == [("x", (), "float32")]
    assert inputs_of("float16[N] x", "3:float16:0..1") == [("x", (3,), "float16")]
    assert inputs_of("bool[2] x", "x=2:bool") == [("x", (2,), "bool")]


@pytest.mark.parametrize(
    ("inputs", "shape", "what"),
    [
        ("int64[1,L] x", "x=1,7:int32", "input x has type int64 in the graph, not int32"),
        ("float[2] x", "2:float64", "input x has type float32 in the graph, not float64"),
        ("uint8[2] x", "x=2:int8", "input x has type uint8 in the graph, not int8"),
        ("float[2] x", ":float32", r"input x has shape 2, not \(\) \(a scalar\)"),
        ("float x", "x=1", r"input x has shape \(\) \(a scalar\), not 1"),
        ("float[2,N] x", "x=3,4", r"input x has shape 2,\?, not 3,4"),
        ("float[N] x", "y=3", "net.onnx has no input y"),
        ("float[N] x, float[M] z", "3", r"has 2 inputs \(x, z\)"),
    ],
)
def test_what_contradicts_the_graph_is_told_with_both_sides_and_how_to_name_the_model(
    inputs: str, shape: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        inputs_of(inputs, shape)
    assert "where several models are named" in caught.value.hint
    assert "--input-shape net.onnx:x=" in caught.value.hint


def test_the_example_of_a_shape_is_one_that_the_graph_takes() -> None:
    with pytest.raises(UsageError) as caught:
        inputs_of("int64[2,N] x", "x=2,3:float32")
    assert caught.value.hint.endswith("--input-shape net.onnx:x=2,1:int64")
    assert inputs_of("int64[2,N] x", "x=2,1:int64") == [("x", (2, 1), "int64")]


def test_an_open_axis_that_nothing_fixes_is_told_with_both_ways_to_fix_it() -> None:
    with pytest.raises(UsageError, match=r"input x has a dynamic shape \(2,\?\)") as caught:
        inputs_of("float[2,N] x")
    assert "--input-shape x=" in caught.value.hint
    assert "--inputs FILE.npz" in caught.value.hint


@pytest.mark.parametrize(
    ("inputs", "shape"),
    [("float[N,4] x", "x=1,4"), ("float[N,C,H,8] x", "x=1,3,224,8"), ("float[N] x", "x=1")],
)
def test_the_shape_that_is_told_for_open_axes_is_one_that_the_graph_takes(
    inputs: str, shape: str
) -> None:
    with pytest.raises(UsageError) as caught:
        inputs_of(inputs)
    assert f"--input-shape {shape} (your numbers)" in caught.value.hint
    assert inputs_of(inputs, shape)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  first \nsecond"), "first"),
        (ValueError(), "ValueError"),
        ("x" * 400, "x" * 300),
    ],
)
def test_a_message_is_one_line_that_says_something(error: object, line: str) -> None:
    assert first_line(error) == line


def saved(text: str, tmp_path: Path, header: str = HEADER) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx.parser.parse_model(header + text).SerializeToString())
    return path


def changed(path: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    model = onnx.load(str(path))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


PRODUCT = "g (float[1,2] x) => (float[1,2] y) { y = Mul(x, x) }"


def clear_shape(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.ClearField("shape")


def clear_type(model: onnx.ModelProto) -> None:
    model.graph.output[0].ClearField("type")


def minus_one(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1


def wrong_order(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, onnx.helper.make_node("Neg", ["y"], ["z"]))
    model.graph.output[0].name = "z"


@pytest.mark.parametrize("change", [clear_shape, clear_type, minus_one, wrong_order])
def test_what_the_checker_refuses_and_onnx_runtime_runs_is_valid(
    change: Callable[[onnx.ModelProto], object], tmp_path: Path
) -> None:
    path = changed(saved(PRODUCT, tmp_path), change)
    model = load_onnx(path)

    assert len(model.graph.output) == 1
    assert run_onnx(path, [{"x": np.full((1, 2), 3, np.float32)}])[0][0].shape == (1, 2)


@pytest.mark.parametrize("content", [b"no graph at all", b"\x08\x08\x12", b"\xff\xfe\x00"])
def test_what_neither_takes_is_no_onnx_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(UsageError, match=r"net\.onnx is not a valid ONNX file: .+"):
        load_onnx(tmp_path / "net.onnx")


def test_a_graph_that_onnx_runtime_refuses_too_has_its_reason(tmp_path: Path) -> None:
    path = saved("g (float[1,2] x) => (float[1,2] y) { y = NoSuch(x) }", tmp_path)
    with pytest.raises(UsageError, match=r"not a valid ONNX file: .*NoSuch"):
        load_onnx(path)


LABELS = '<string[2] names = {"a", "b"}>'


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (f"g (int64[1] i) => (string[1] label) {LABELS} {{ label = Gather(names, i) }}",
         "output label is text, and text inputs and outputs can't be compared",
         "the number that it stands for"),
        ("g (string[1] word, float[1] x) => (float[1] y) { y = Neg(x) }",
         "input word is text", "turn text into numbers"),
        ("g (float[1] x) => (seq(float[1]) all) { all = SequenceConstruct(x) }",
         "output all is a sequence, and only tensors", "'zipmap': False"),
        ("g (seq(float[1]) all) => (float[1] y) <int64 i = {0}> { y = SequenceAt(all, i) }",
         "input all is a sequence", "inputs are tensors"),
        ("g (bfloat16[1] x) => (float[1] y) { y = Cast<to = 1>(x) }",
         "input x is bfloat16, which MNN doesn't have", "a Cast in the graph"),
    ],
)  # fmt: skip
def test_what_is_no_tensor_of_numbers_is_named(
    text: str, message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_onnx(saved(text, tmp_path))
    assert hint in caught.value.hint


def test_a_text_output_without_a_declared_type_is_named_as_well(tmp_path: Path) -> None:
    text = f"g (int64[1] i) => (string[1] label) {LABELS} {{ label = Gather(names, i) }}"
    path = changed(saved(text, tmp_path), clear_type)
    with pytest.raises(UsageError, match="output label is text"):
        load_onnx(path)


def test_texts_inside_a_graph_are_its_own_affair(tmp_path: Path) -> None:
    text = f"g (float[2] x) => (bool[2] y) {LABELS} {{ y = Equal(names, names) }}"
    path = saved(text, tmp_path, '<ir_version: 8, opset_import: ["" : 19]> ')
    assert load_onnx(path).graph.output[0].name == "y"


@pytest.mark.parametrize(("ir", "opset"), [(3, 7), (4, 9), (7, 12), (10, 21)])
def test_old_and_new_files_are_read(ir: int, opset: int, tmp_path: Path) -> None:
    path = saved(PRODUCT, tmp_path, f'<ir_version: {ir}, opset_import: ["" : {opset}]> ')
    model = load_onnx(path)
    assert graph_inputs(model, OnnxFile(path, ())) == (TensorSpec("x", (1, 2)),)


@pytest.mark.parametrize(
    ("shape", "what"), [([1] * 5000, "5000 axes"), ([1, 2**40], r"more than 2\*\*31 elements")]
)
def test_a_fixed_shape_that_no_array_has_is_refused(shape: list[int], what: str) -> None:
    entry = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)
    graph = onnx.helper.make_graph([], "graph", [entry], [entry])
    with pytest.raises(UsageError, match=what):
        graph_inputs(onnx.helper.make_model(graph), OnnxFile(Path("net.onnx"), ()))
