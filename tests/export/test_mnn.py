"""MNN in a process of its own: every type of input goes there and back, and it says what failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.mnn import Api, Ends, module_ends_if_needed, run_mnn, to_mnn

APIS: tuple[Api, ...] = ("session", "module")
BRANCH = """g (bool[1] more, float[1,4] x) => (float[1,4] y) {
  one = Squeeze(more)
  y = If(one) <
    then_branch = a () => (float[1,4] u) { u = Add(x, x) },
    else_branch = b () => (float[1,4] v) { v = Mul(x, x) }
  >
}"""
OUTPUTS = (TensorSpec("y", (1, 4)),)


def converted(graph: str, folder: Path) -> Path:
    text = f'<ir_version: 8, opset_import: ["" : 17]> {graph}'
    onnx.save(onnx.parser.parse_model(text), folder / "model.onnx")
    to_mnn(folder / "model.onnx", folder / "model.mnn")
    return folder / "model.mnn"


@pytest.mark.parametrize(
    ("kind", "dtype"), [("uint8", "uint8"), ("int8", "int8"), ("bool", "bool")]
)
def test_small_integers_are_run_for_each_sample(kind: str, dtype: str, tmp_path: Path) -> None:
    graph = f"g ({kind}[1,4] x) => (float[1,4] y) {{ f = Cast<to=1>(x) y = Add(f, f) }}"
    samples = [{"x": np.array([[0, 1, int(i > 9), 1]]).astype(kind)} for i in range(12)]
    found = run_mnn(converted(graph, tmp_path), samples, OUTPUTS, tmp_path, inputs=())

    assert [[int(value) for value in row[0][0]] for row in found] == [
        [0, 2, 2 * (i > 9), 2] for i in range(12)
    ]


def test_outputs_come_in_the_order_asked_for(tmp_path: Path) -> None:
    graph = "g (float[1,4] x) => (float[1,4] b, float[1,4] a) { b = Neg(x) a = Add(x, x) }"
    x = np.ones((1, 4), np.float32)
    outputs = [TensorSpec("b", (1, 4)), TensorSpec("a", (1, 4))]
    ((b, a),) = run_mnn(converted(graph, tmp_path), [{"x": x}], outputs, tmp_path, inputs=())

    np.testing.assert_array_equal(b, -x)
    np.testing.assert_array_equal(a, 2 * x)


def test_large_weights_are_converted_apart_from_what_happens_in_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    weights = np.random.default_rng(0).standard_normal((3000, 1000)).astype(np.float32)
    text = """<ir_version: 8, opset_import: ["" : 17]>
      g (float[1,3000] x) => (float[1,1000] y) { y = MatMul (x, w) }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    Path(".__convert_external_data.bin").symlink_to("/dev/null")  # as if another took it away
    to_mnn(Path("model.onnx"), Path("model.mnn"))
    x = np.ones((1, 3000), np.float32)
    ((found,),) = run_mnn(
        Path("model.mnn"), [{"x": x}], (TensorSpec("y", (1, 1000)),), tmp_path, inputs=()
    )
    expected: np.ndarray = x @ weights
    np.testing.assert_allclose(np.asarray(found, np.float32), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("contents", "outputs", "message"),
    [
        (b"no model", OUTPUTS, "MNN can't load the model: it is damaged or no .mnn file"),
        (None, (TensorSpec("z", (1, 4)),), "MNN's file lacks the outputs z"),
    ],
)
def test_what_failed_is_told(
    contents: bytes | None, outputs: tuple[TensorSpec, ...], message: str, tmp_path: Path
) -> None:
    file = converted("g (float[1,4] x) => (float[1,4] y) { y = Neg(x) }", tmp_path)
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(ConversionError) as caught:
        run_mnn(file, [{"x": np.ones((1, 4), np.float32)}], outputs, tmp_path, inputs=())

    assert caught.value.what.startswith("MNN can't run the converted file: ")
    assert caught.value.what.endswith(message)  # behind what MNN itself printed


def test_a_conversion_that_writes_no_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")

    with pytest.raises(ConversionError, match="MNN's converter wrote no file: ") as caught:
        to_mnn(tmp_path / "model.onnx", tmp_path / "model.mnn")
    assert "names" not in caught.value.hint  # MNN named no operator
    assert str(tmp_path) not in caught.value.what


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("in/0:a", "out/:b c"),
        ("x.npy", "y"),
        ("--input=x", "--output"),
        ("é", "../☃"),
        ("-", "0/1"),
    ],
)
def test_names_may_be_anything(given: str, made: str, api: Api, tmp_path: Path) -> None:
    text = "g (float[1,4] x, float[1,4] z) => (float[1,4] y, float[1,4] w) "
    text += "{ y = Neg(x) w = Add(z, z) }"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    graph = model.graph
    graph.input[0].name = graph.node[0].input[0] = given
    graph.output[1].name = graph.node[1].output[0] = made
    graph.output[0].name = graph.node[0].output[0] = f"{made}.npy"
    onnx.save(model, tmp_path / "model.onnx")
    to_mnn(tmp_path / "model.onnx", tmp_path / "model.mnn")
    inputs = [TensorSpec(given, (1, 4)), TensorSpec("z", (1, 4))]
    outputs = [TensorSpec(made, (1, 4)), TensorSpec(f"{made}.npy", (1, 4))]
    sample: Arrays = {given: np.ones((1, 4), np.float32), "z": np.full((1, 4), 3, np.float32)}
    ((doubled, negated),) = run_mnn(
        tmp_path / "model.mnn", [sample], outputs, tmp_path, inputs=inputs, api=api
    )

    np.testing.assert_array_equal(doubled, np.full((1, 4), 6))
    np.testing.assert_array_equal(negated, np.full((1, 4), -1))


@pytest.mark.parametrize("api", APIS)
def test_integers_beyond_32_bits_arrive_as_a_cast_leaves_them(api: Api, tmp_path: Path) -> None:
    graph = "g (int64[1,4] x) => (int64[1,4] y) { y = Add(x, x) }"
    inputs = [TensorSpec("x", (1, 4), "int64")]
    samples = [{"x": np.array([[2**40, 7 - 2**33, 2**32 - 1, -3]])}]
    file = converted(graph, tmp_path)
    ((found,),) = run_mnn(file, samples, OUTPUTS, tmp_path, inputs=inputs, api=api)

    np.testing.assert_array_equal(found, [[0, 14, -2, -6]])


@pytest.mark.parametrize("api", APIS)
def test_numbers_without_axes_and_arrays_without_elements_are_run(api: Api, tmp_path: Path) -> None:
    graph = "g (float t, float[0,4] none, float[1,4] x) => (float[1,4] y) "
    graph += "{ c = Concat<axis=0>(none, x) y = Mul(c, t) }"
    inputs = [TensorSpec("t", ()), TensorSpec("none", (0, 4)), TensorSpec("x", (1, 4))]
    x = np.arange(4, dtype=np.float32).reshape(1, 4)
    sample: Arrays = {"t": np.array(3, np.float32), "none": np.zeros((0, 4), np.float32), "x": x}
    file = converted(graph, tmp_path)
    ((found,),) = run_mnn(file, [sample], OUTPUTS, tmp_path, inputs=inputs, api=api)

    np.testing.assert_array_equal(found, 3 * x)


def test_each_sample_may_have_an_output_of_another_shape(tmp_path: Path) -> None:
    graph = "g (float[1,4] x) => (int64[2,N] y) { y = NonZero(x) }"
    rows = ([0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1])
    samples: list[Arrays] = [{"x": np.array([row], np.float32)} for row in rows]
    found = run_mnn(
        converted(graph, tmp_path),
        samples,
        [TensorSpec("y", (2, 0), "int64")],
        tmp_path,
        inputs=[TensorSpec("x", (1, 4))],
        api="module",
    )

    for (indices,), row in zip(found, rows, strict=True):
        np.testing.assert_array_equal(indices, np.nonzero([row]))


@pytest.mark.parametrize("api", APIS)
def test_what_is_proven_is_computed_without_the_tiles_that_cost_digits(
    api: Api, tmp_path: Path
) -> None:
    """Unless the settings of a timed run are asked for."""
    generator = np.random.default_rng(0)
    text = "g (float[1,64,28,28] x) => (float[1,64,28,28] y) { y = Conv<pads=[1,1,1,1]>(x, w) }"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    w = generator.normal(size=(64, 64, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(w, "w"))
    onnx.save(model, tmp_path / "model.onnx")
    to_mnn(tmp_path / "model.onnx", tmp_path / "model.mnn")
    x = generator.normal(size=(1, 64, 28, 28)).astype(np.float32)
    specs = [TensorSpec("x", x.shape), TensorSpec("y", x.shape)]
    wide = np.pad(x.astype(float), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (2, 3))
    exact = np.einsum("nihwyx,oiyx->nohw", windows, w, optimize=True)

    def error(as_timed: bool) -> float:
        ((found,),) = run_mnn(
            tmp_path / "model.mnn",
            [{"x": x}],
            specs[1:],
            tmp_path,
            inputs=specs[:1],
            api=api,
            as_timed=as_timed,
        )
        return float(np.abs(found.astype(float) - exact).max())

    assert error(as_timed=False) < 1e-3 < error(as_timed=True)


@pytest.mark.parametrize("api", APIS)
def test_a_failed_run_names_the_operator(api: Api, tmp_path: Path) -> None:
    """Det of a tensor that is not square: MNN converts it, and finds out when it runs."""
    file = converted("g (float[1,4] x) => (float[1,4] y) { y = Det(x) }", tmp_path)
    sample: Arrays = {"x": np.ones((1, 4), np.float32)}
    inputs = [TensorSpec("x", (1, 4))]
    with pytest.raises(ConversionError, match="Compute Shape Error for y"):
        run_mnn(file, [sample], OUTPUTS, tmp_path, inputs=inputs, api=api)


def test_only_a_file_that_a_session_can_not_run_needs_the_module_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, branch = tmp_path / "plain", tmp_path / "branch"
    plain.mkdir()
    branch.mkdir()
    (tmp_path / "broken.mnn").write_bytes(b"\x07" * 5000)
    file = converted("g (float[1,4] x) => (float[1,4] y) { y = Neg(x) }", plain)
    only_module = converted(BRANCH, branch)

    # A process that is killed removes nothing: no file may have a name.
    monkeypatch.delattr("tempfile.mkdtemp")
    assert module_ends_if_needed(file) is None
    assert module_ends_if_needed(tmp_path / "broken.mnn") is None
    assert module_ends_if_needed(only_module) == Ends(
        (TensorSpec("more", (1,), "int32"), TensorSpec("x", (1, 4))), ("y",)
    )
