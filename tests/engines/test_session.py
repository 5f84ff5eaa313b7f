"""Every engine takes every type of input, reads it before each run, and refuses what it can't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.session import Session
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec

Open = Callable[[str], Session]

DOUBLED = "g ({kind}[1,4] x) => (float[1,4] y) {{ f = Cast<to=1>(x) y = Add(f, f) }}"
PRODUCT = "g (float[2,3] right, float[2,3] left) => (float[2,3] last, float[2,3] first) "
PRODUCT += "{ last = Sub(right, left) first = Mul(right, left) }"
# The engine may overwrite the input's memory: the first convolution's result fits into it.
DEEP = "g (float[1,8,8,8] x) => (float[1,8,8,8] y) "
DEEP += "{ a = Relu(x) b = Sigmoid(a) c = Add(b, a) d = Tanh(c) y = Mul(d, c) }"


def run(session: Session, arrays: Mapping[str, Array]) -> Arrays:
    session.feed(arrays)
    session.run()
    return session.outputs()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float", np.array([[-1.5, 0.0, 2.25, 1e6]], np.float32)),
        ("float16", np.array([[-1.5, 0.0, 2.25, 1e3]], np.float16)),
        ("double", np.array([[-1.5, 0.0, 2.25, 1e6]], np.float64)),
        ("uint8", np.array([[0, 1, 128, 255]], np.uint8)),
        ("int8", np.array([[-128, -1, 0, 127]], np.int8)),
        ("int16", np.array([[-32768, -1, 0, 32767]], np.int16)),
        ("int32", np.array([[-70000, -1, 0, 70000]], np.int32)),
        ("int64", np.array([[-70000, -1, 0, 70000]], np.int64)),
        ("bool", np.array([[False, True, True, False]])),
    ],
)
def test_an_input_of_every_type_arrives_as_it_is(
    open_graph: Open, kind: str, values: Array
) -> None:
    found = run(open_graph(DOUBLED.format(kind=kind)), {"x": values})

    np.testing.assert_array_equal(found["y"], 2.0 * values.astype(np.float64))


@pytest.mark.parametrize(
    ("kind", "code", "values", "expected"),
    [
        ("int64", 7, [[-3.0, 0.0, 70000.0]], [[-3, 0, 70000]]),
        ("int32", 6, [[-3.0, 0.0, 70000.0]], [[-3, 0, 70000]]),
        ("uint8", 2, [[0.0, 3.0, 255.0]], [[0, 3, 255]]),
        ("int8", 3, [[-128.0, -1.0, 127.0]], [[-128, -1, 127]]),
    ],
)
def test_an_output_of_every_type_leaves_as_it_is(
    open_graph: Open, kind: str, code: int, values: list[list[float]], expected: list[list[int]]
) -> None:
    # The product hinders the engines from handing the input on as it is.
    graph = f"g (float[1,3] x, float[1,3] one) => ({kind}[1,3] y) "
    graph += f"{{ p = Mul(x, one) y = Cast<to={code}>(p) }}"
    given: Arrays = {"x": np.array(values, np.float32), "one": np.ones((1, 3), np.float32)}
    found = run(open_graph(graph), given)

    np.testing.assert_array_equal(found["y"], expected)


def test_a_comparison_gives_ones_and_zeros(open_graph: Open) -> None:
    graph = "g (float[1,3] x, float[1,3] y) => (bool[1,3] more) { more = Greater(x, y) }"
    given = {"x": np.array([[1.0, 2.0, 3.0]]), "y": np.full((1, 3), 2.0)}

    np.testing.assert_array_equal(run(open_graph(graph), given)["more"], [[0, 0, 1]])


def test_a_changed_input_is_read_by_the_next_run(open_graph: Open) -> None:
    session = open_graph(DOUBLED.format(kind="float"))
    first = run(session, {"x": np.array([[1.0, 2.0, 3.0, 4.0]])})
    second = run(session, {"x": np.array([[5.0, 6.0, 7.0, 8.0]])})

    np.testing.assert_array_equal(first["y"], [[2.0, 4.0, 6.0, 8.0]])  # still
    np.testing.assert_array_equal(second["y"], [[10.0, 12.0, 14.0, 16.0]])


def test_many_runs_on_one_input_give_one_output(open_graph: Open) -> None:
    session = open_graph(DEEP)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 8)).astype(np.float32)
    first = run(session, {"x": x})
    x[:] = 0.0  # the session has its own copy
    for _ in range(4):
        session.run()

    np.testing.assert_array_equal(session.outputs()["y"], first["y"])


def test_several_inputs_and_outputs_go_by_their_names(open_graph: Open) -> None:
    session = open_graph(PRODUCT)
    right, left = np.arange(6.0).reshape(2, 3), np.full((2, 3), 2.0)
    found = run(session, {"left": left, "right": right, "unused": left})

    assert set(session.inputs) == {TensorSpec("right", (2, 3)), TensorSpec("left", (2, 3))}
    assert set(session.output_names) == set(found) == {"first", "last"}
    np.testing.assert_array_equal(found["last"], right - left)
    np.testing.assert_array_equal(found["first"], right * left)


@pytest.mark.parametrize(("kind", "dtype"), [("float", "float32"), ("int8", "int8")])
def test_an_array_may_lie_in_memory_in_any_order(open_graph: Open, kind: str, dtype: str) -> None:
    values = np.arange(12).reshape(3, 4)
    graph = f"g ({kind}[3,4] x) => (float[3,4] y) {{ f = Cast<to=1>(x) y = Add(f, f) }}"
    session = open_graph(graph)

    for ordered in (values, np.asfortranarray(values)):
        given = ordered.astype(dtype)
        np.testing.assert_array_equal(run(session, {"x": given})["y"], 2 * values)


def test_axes_of_length_one_may_be_missing_or_more(open_graph: Open) -> None:
    session = open_graph(DOUBLED.format(kind="float"))

    for shape in ((4,), (1, 4), (1, 1, 4, 1)):
        found = run(session, {"x": np.arange(4.0).reshape(shape)})
        np.testing.assert_array_equal(found["y"], [[0.0, 2.0, 4.0, 6.0]])


def test_a_number_without_axes_goes_in_and_out(open_graph: Open) -> None:
    graph = "g (float x, float[1,4] z) => (float y) { p = Mul(z, x) y = ReduceSum<keepdims=0>(p) }"
    found = run(open_graph(graph), {"x": np.array(3.0), "z": np.ones((1, 4))})

    assert found["y"].shape == ()
    assert found["y"] == 12.0


def test_it_says_what_is_in_force(
    open_path: Callable[..., Session], make_files: Callable[..., Path]
) -> None:
    path = make_files(DEEP)

    assert [open_path(path, threads).threads for threads in (1, 2)] == [1, 2]
    assert open_path(path).precision == "fp32"


@pytest.mark.parametrize("contents", [None, b"", b"\x07" * 5000])
def test_a_file_that_is_no_model_is_refused(
    open_path: Callable[..., Session], tmp_path: Path, contents: bytes | None
) -> None:
    for suffix in (".mnn", ".onnx"):
        if contents is not None:
            (tmp_path / f"model{suffix}").write_bytes(contents)

    with pytest.raises(EngineError, match=r"^(MNN|ONNX Runtime) can't load the model: "):
        open_path(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no array was given for the input 'x'"),
        ({"x": np.zeros((1, 5))}, r"the input 'x' has shape \(1, 4\), not \(1, 5\)"),
        ({"x": np.zeros((2, 2))}, r"the input 'x' has shape \(1, 4\), not \(2, 2\)"),
        ({"x": np.full((1, 4), 1 << 40)}, "the input 'x' has values that int32 can't hold"),
    ],
)
def test_what_does_not_fit_an_input_is_refused(
    open_graph: Open, arrays: dict[str, Array], message: str
) -> None:
    session = open_graph(DOUBLED.format(kind="int32"))

    with pytest.raises(EngineError, match=f"^{message}$"):
        session.feed(arrays)


def test_an_axis_of_any_length_is_0_and_takes_any(tmp_path: Path) -> None:
    """ONNX Runtime alone: MNN's files have fixed shapes."""
    from asymm_deploy.engines.ort_session import OrtSession

    graph = "g (float[N,2] x) => (float[N,2] y) { y = Relu(x) }"
    text = f'<ir_version: 8, opset_import: ["" : 17]> {graph}'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "free.onnx")
    session = OrtSession(str(tmp_path / "free.onnx"))

    assert session.inputs == (TensorSpec("x", (0, 2)),)
    for count in (1, 3):
        assert run(session, {"x": np.ones((count, 2))})["y"].shape == (count, 2)
    with pytest.raises(EngineError, match=r"the input 'x' has shape \(0, 2\), not \(3, 1\)"):
        session.feed({"x": np.ones((3, 1))})
