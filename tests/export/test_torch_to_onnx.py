"""Modules that return, change and print what they like become graphs of named tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.export.mnn import run_mnn, to_mnn
from asymm_deploy.export.onnx_graph import load_onnx, run_onnx
from asymm_deploy.export.proof.module_outputs import output_names
from asymm_deploy.export.proof.user_module import UserModule
from asymm_deploy.export.simplify import simplifications
from asymm_deploy.export.torch_to_onnx import to_onnx


class Function(nn.Module):
    """A linear layer, and what a function makes of it and the input."""

    def __init__(self, function: Any, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers or [nn.Linear(8, 4)])
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self.layers, *inputs)


def exported(
    module: nn.Module, into: Path, **shapes: tuple[int, ...]
) -> tuple[onnx.ModelProto, list[str], list[Array], list[Array]]:
    """Return the graph, the notes, what the module gives and what ONNX Runtime gives."""
    module.eval()
    dtype = next((str(p.dtype).removeprefix("torch.") for p in module.parameters()), "float32")
    specs = [TensorSpec(name, shape, dtype) for name, shape in shapes.items()]
    rng = np.random.default_rng(0)
    arrays: Arrays = {s.name: rng.standard_normal(s.shape).astype(dtype) for s in specs}
    user = UserModule(module, list(arrays))
    outputs = user.outputs(arrays)
    names = output_names(module, specs, outputs)
    expected = user.arrays(arrays)
    described = [
        TensorSpec(name, array.shape, str(array.dtype))
        for name, array in zip(names, expected, strict=True)
    ]
    notes = to_onnx(module, specs, described, arrays, into / "net.onnx")
    (results,) = run_onnx(into / "net.onnx", [arrays])
    model = load_onnx(into / "net.onnx")
    assert [output.name for output in model.graph.output] == names
    return model, notes, expected, results


def assert_close(results: list[Array], expected: list[Array], limit: float) -> None:
    for have, want in zip(results, expected, strict=True):
        assert have.shape == want.shape
        difference = np.abs(have.astype(np.float64) - want.astype(np.float64))
        assert float(difference.max()) <= limit


@pytest.mark.parametrize(
    ("function", "names", "notes"),
    [
        (lambda m, x: m[0](x), ["output"], []),
        (lambda m, x: (m[0](x), None, 3), ["output"],
         ["output 1 is None, output 2 is the number 3: left out"]),
        (lambda m, x: {"a": m[0](x), "b": [2 * m[0](x), "text"]}, ["a", "b_0"],
         ["output b.1 is the text 'text': left out"]),
        (lambda m, x: (m[0](x), x), ["output_0", "output_1"], []),
        (lambda m, x: (m[0](x), x.view(2, 4)), ["output_0", "output_1"], []),
        (lambda m, x: 2 * [m[0](x)], ["output_0", "output_1"], []),
        (lambda m, x: (m[0](x), m[0].weight), ["output_0", "output_1"], []),
        (lambda m, x: (m[0](x), 2 * m[0].weight), ["output_0", "output_1"], []),
        (lambda m, x: (m[0](x), torch.ones(3)), ["output_0", "output_1"], []),
        (lambda m, x: m[0](x.add_(1)), ["output"], []),
        (lambda m, x: (m[0](x.add_(1)), x), ["output_0", "output_1"], []),
        (lambda m, x: (x.__setitem__((0, 2), 5.0), m[0](x)), ["output"],
         ["output 0 is None: left out"]),
        (lambda m, x: m[0](x).argmax(), ["output"], []),
    ],
)  # fmt: skip
def test_the_tensors_among_the_outputs_are_those_of_the_graph(
    function: Any, names: list[str], notes: list[str], tmp_path: Path
) -> None:
    model, told, expected, results = exported(Function(function), tmp_path, x=(1, 8))

    assert ([o.name for o in model.graph.output], told) == (names, notes)
    assert_close(results, expected, 1e-5)


class Keywords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x: Tensor, other: Tensor | None = None, *, mask: Tensor) -> Tensor:
        y: Tensor = self.layer(x) * mask
        return y if other is None else y + other


def test_arguments_by_keyword_are_inputs_of_their_names(tmp_path: Path) -> None:
    model, _, expected, results = exported(Keywords(), tmp_path, mask=(1, 1), x=(1, 8))

    assert [entry.name for entry in model.graph.input] == ["mask", "x"]
    assert_close(results, expected, 1e-5)


def test_nodes_and_weights_are_called_after_the_modules_own_layers(tmp_path: Path) -> None:
    model, *_ = exported(Keywords(), tmp_path, mask=(1, 1), x=(1, 8))

    assert {tensor.name for tensor in model.graph.initializer} == {"layer.weight", "layer.bias"}
    assert "/layer/Gemm" in [node.name for node in model.graph.node]


def test_the_module_is_left_in_the_mode_that_it_was_in(tmp_path: Path) -> None:
    module = Function(lambda m, x: m[0](x))
    exported(module, tmp_path, x=(1, 8))
    assert not any(child.training for child in module.modules())


def test_what_a_module_prints_while_it_is_traced_is_no_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(Function(lambda m, x: (print("here"), m[0](x))[1]), tmp_path, x=(1, 8))
    assert capsys.readouterr().out == ""


def first_state(layers: Any, x: Tensor) -> Tensor:
    state: Tensor = layers[0](x)[1][0]
    return state


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (lambda: nn.LSTM(8, 6), [(5, 1, 8)]),
        (lambda: nn.LSTM(8, 6), [(5, 8)]),
        (lambda: nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True), [(1, 5, 8)]),
        (lambda: Function(first_state, nn.LSTM(8, 6)), [(5, 1, 8)]),
        (lambda: nn.GRU(8, 6, 2, bidirectional=True), [(5, 1, 8)]),
        (lambda: nn.GRU(8, 6, batch_first=True), [(5, 8)]),
        (lambda: nn.RNN(8, 6), [(5, 1, 8)]),
        (lambda: nn.GRUCell(8, 6), [(1, 8)]),
        (lambda: nn.LSTMCell(8, 6), [(1, 8)]),
        (lambda: nn.MultiheadAttention(8, 2, batch_first=True), [(1, 5, 8)] * 3),
        (lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
        ), [(1, 5, 8)]),
        (lambda: nn.Linear(8, 4).half(), [(1, 8)]),
        (lambda: nn.Linear(8, 4).double(), [(1, 8)]),
    ],
)  # fmt: skip
def test_torchs_own_recurrent_and_attention_layers_are_exported_without_a_remark(
    make: Callable[[], nn.Module], shapes: list[tuple[int, ...]], tmp_path: Path
) -> None:
    named = {f"input_{i}": shape for i, shape in enumerate(shapes)}
    _, notes, expected, results = exported(make(), tmp_path, **named)

    assert notes == []
    assert_close(results, expected, 2e-3 if expected[0].itemsize == 2 else 1e-5)


def test_what_the_trace_fixes_in_the_users_code_is_told_once_with_its_place(tmp_path: Path) -> None:
    def branches(layers: Any, x: Tensor) -> Tensor:
        y: Tensor = layers[0](x)
        for _ in range(3):
            y = y + 1 if y.sum() > 0 else y - 1
        return y

    _, notes, *_ = exported(Function(branches), tmp_path, x=(1, 8))
    assert len(notes) == 1
    assert notes[0].startswith("test_torch_to_onnx.py:")
    assert "Python boolean" in notes[0]


def test_what_torch_can_not_export_is_told_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"torch\.onnx can't export the module: .*fft"):
        exported(Function(lambda m, x: torch.fft.fft(x).real), tmp_path, x=(1, 8))


SPEC, OUTPUT = TensorSpec("x", (1, 8, 6, 6)), TensorSpec("y", (1, 8, 6, 6))


@pytest.mark.parametrize("opset", [9, 13, 14, 17, 18, 20])
def test_the_opset_asked_for_is_the_files_and_the_outputs_stay(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(8, 8, 1), nn.Hardswish(), nn.LayerNorm(6), nn.GELU("tanh"), nn.Hardsigmoid()
    ).eval()
    x = np.random.default_rng(0).standard_normal(SPEC.shape).astype(np.float32)
    to_onnx(module, [SPEC], [OUTPUT], {"x": x}, tmp_path / "net.onnx", opset)

    model = load_onnx(tmp_path / "net.onnx")
    assert [entry.version for entry in model.opset_import] == [opset]
    expected = module(torch.from_numpy(x)).detach().numpy()
    for way in simplifications(model, [SPEC]):
        (tmp_path / "simple.onnx").write_bytes(way.model.SerializeToString())
        to_mnn(tmp_path / "simple.onnx", tmp_path / "net.mnn")
        (results,) = run_mnn(tmp_path / "net.mnn", [{"x": x}], [OUTPUT], tmp_path, inputs=[SPEC])
        assert_close(results, [expected], 1e-5)


@pytest.mark.parametrize("opset", [1, 8, 21, 99])
def test_an_opset_that_the_exporter_does_not_know_is_refused(opset: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"opsets 9 to 20, not {opset}") as caught:
        to_onnx(nn.Hardswish(), [SPEC], [OUTPUT], {}, tmp_path / "net.onnx", opset)
    assert "17 is the default" in caught.value.hint


@pytest.mark.parametrize(
    "layer",
    [
        nn.utils.parametrizations.spectral_norm(nn.Linear(8, 4)),
        nn.utils.parametrizations.orthogonal(nn.Linear(8, 4)),
        nn.utils.parametrizations.weight_norm(nn.Linear(8, 4)),
    ],
    ids=["spectral norm", "orthogonal", "weight norm"],
)
@pytest.mark.parametrize("inside", [True, False])
def test_weights_computed_from_others_are_numbers(
    layer: nn.Module, inside: bool, tmp_path: Path
) -> None:
    module = nn.Sequential(layer, nn.ReLU()) if inside else layer
    model, _, expected, results = exported(module, tmp_path, x=(1, 8))
    assert_close(results, expected, 1e-6)
    assert {node.op_type for node in model.graph.node} <= {"Gemm", "Relu"}
    assert nn.utils.parametrize.is_parametrized(layer)  # the module stays as it is


def test_what_torch_compile_wraps_inside_runs_uncompiled_and_is_told(tmp_path: Path) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("compiled")

    compiled: Any = torch.compile
    doubled = compiled(torch.neg, backend=never)
    module = Function(lambda layers, x: doubled(layers[0](x)))
    assert UserModule(module, ["x"]).arrays({"x": np.ones((1, 8), np.float32)})[0].shape == (1, 4)
    with pytest.raises(ConversionError, match="dynamo-optimized") as caught:
        exported(module, tmp_path, x=(1, 8))
    assert "leave out torch.compile" in caught.value.hint
