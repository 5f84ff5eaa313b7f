"""The graph that reaches MNN is the fast one, and rewriting never changes what it computes."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxsim
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.errors import ConversionError
from asymm_deploy.export import onnx_graph, simplify
from asymm_deploy.export.inputs import parity_probes
from asymm_deploy.export.proof.parity import compare_outputs
from asymm_deploy.export.simplify import Simplified, simplifications
from asymm_deploy.export.torch_to_onnx import to_onnx

X = TensorSpec("input", (1, 8, 7, 9))


def kinds(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


def simplified(module: nn.Module, tmp_path: Path) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The graph as exported and as simplified, proven equal to the module."""
    torch.manual_seed(0)
    probes = parity_probes([X])
    samples = [probe.arrays for probe in probes]
    outputs = [TensorSpec("output", ())]
    to_onnx(module.eval(), [X], outputs, samples[0], tmp_path / "raw.onnx")
    raw = onnx_graph.load_onnx(tmp_path / "raw.onnx")
    result = next(simplifications(raw, [X])).model
    with torch.no_grad():
        reference = [[module(torch.from_numpy(sample["input"])).numpy()] for sample in samples]
    assert compare_outputs(
        reference, onnx_graph.run_onnx(result.SerializeToString(), samples)
    ).passed
    return raw, result


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # stem, 11 blocks (expand, depthwise, project; the first has no expand), 9 gates of two,
        # last, head and classifier; rows 5 to 12, stem, last and head have hard-swish
        (
            "asymmnet_small_035",
            {"Conv": 54, "HardSwish": 19, "Relu": 14, "Concat": 10, "HardSigmoid": 9, "Mul": 9,
             "GlobalAveragePool": 10, "Add": 6, "Flatten": 1},
        ),
        (
            "mbv3_small_035",
            {"Conv": 54, "HardSwish": 19, "Relu": 14, "HardSigmoid": 9, "Mul": 9,
             "GlobalAveragePool": 10, "Add": 6, "Flatten": 1},
        ),
    ],
)  # fmt: skip
def test_our_networks_have_just_these_operators(
    make_exported: Callable[[str], Any], name: str, expected: dict[str, int]
) -> None:
    assert kinds(make_exported(name).graph) == expected


def test_no_node_or_weight_is_dead_or_duplicate(make_exported: Callable[[str], Any]) -> None:
    graph = make_exported("asymmnet_small_035").graph.graph
    used = {name for node in graph.node for name in node.input}
    made = {name for node in graph.node for name in node.output}
    outputs = {value.name for value in graph.output}
    assert made - used == outputs
    assert {tensor.name for tensor in graph.initializer} <= used
    said = [(n.op_type, tuple(n.input), str(list(n.attribute))) for n in graph.node]
    assert len(said) == len(set(said))


class Lambda(nn.Module):
    """A convolution and then what is under test."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: x * torch.clamp(x + 3, 0, 6) / 6, "HardSwish"),
        (lambda x: x * (torch.clamp(x + 3, 0, 6) / 6), "HardSwish"),
        (lambda x: x * (functional.relu6(x + 3) * (1 / 6)), "HardSwish"),
        (lambda x: functional.relu6(3 + x) / 6 * x, "HardSwish"),
        (lambda x: functional.hardsigmoid(x) * x, "HardSwish"),
        (functional.hardswish, "HardSwish"),
        (lambda x: torch.clamp(x + 3, 0, 6) / 6, "HardSigmoid"),
        (lambda x: functional.relu6(x + 3) * (1 / 6), "HardSigmoid"),
        (lambda x: x.mean((2, 3), keepdim=True), "GlobalAveragePool"),
        (lambda x: functional.adaptive_avg_pool2d(x, 1), "GlobalAveragePool"),
        (lambda x: functional.avg_pool2d(x, (7, 9)), "GlobalAveragePool"),
        (lambda x: x.mean((-1, -2), keepdim=True), "GlobalAveragePool"),
    ],
)
def test_spelt_out_operators_become_single_ones(
    function: Callable[[Tensor], Tensor], operator: str, tmp_path: Path
) -> None:
    _, graph = simplified(Lambda(function), tmp_path)
    assert kinds(graph) == {"Conv": 1, operator: 1}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * torch.clamp(x + 2, 0, 6) / 6,  # not 3
        lambda x: x * torch.clamp(x + 3, 0, 5) / 6,  # not 6
        lambda x: x * torch.clamp(x + 3, -1, 6) / 6,
        lambda x: torch.clamp(x + 3, 0, 6) / 5,
        lambda x: (2 * x) * torch.clamp(x + 3, 0, 6) / 6,  # gated by another
        lambda x: functional.hardsigmoid(x) * functional.hardsigmoid(x),
        lambda x: x.mean(2, keepdim=True),
        lambda x: x.mean((1, 2, 3), keepdim=True),
        lambda x: functional.avg_pool2d(x, (7, 8)),
        lambda x: functional.avg_pool2d(x, 3, padding=1),
    ],
)
def test_what_only_looks_alike_is_left_alone(
    function: Callable[[Tensor], Tensor], tmp_path: Path
) -> None:
    _, graph = simplified(Lambda(function), tmp_path)  # and is proven equal
    assert "GlobalAveragePool" not in kinds(graph)
    assert "HardSwish" not in kinds(graph)


def test_a_value_that_is_used_elsewhere_is_kept(tmp_path: Path) -> None:
    def both(x: Tensor) -> Tensor:
        gate = torch.clamp(x + 3, 0, 6)
        return gate / 6 + gate

    simplified(Lambda(both), tmp_path)


def test_batchnorm_is_folded_into_the_convolution(tmp_path: Path) -> None:
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(8)
    norm.running_mean = torch.randn(8)
    norm.running_var = torch.rand(8) + 0.5
    _, graph = simplified(nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), norm, nn.ReLU()), tmp_path)
    assert kinds(graph) == {"Conv": 1, "Relu": 1}


def test_a_classifier_of_two_layers_becomes_convolutions(tmp_path: Path) -> None:
    head = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 16), nn.Hardswish(), nn.Linear(16, 5)
    )
    raw, graph = simplified(head, tmp_path)
    assert kinds(raw)["Gemm"] == 2
    assert kinds(graph) == {"GlobalAveragePool": 1, "Conv": 2, "HardSwish": 1, "Flatten": 1}


def test_a_linear_layer_over_a_flattened_map_stays(tmp_path: Path) -> None:
    _, graph = simplified(nn.Sequential(nn.Flatten(), nn.Linear(8 * 7 * 9, 5)), tmp_path)
    assert kinds(graph) == {"Flatten": 1, "Gemm": 1}


def test_reduce_mean_with_axes_as_an_input_becomes_global_pooling() -> None:
    # As torch's dynamo exporter writes AdaptiveAvgPool2d(1) from opset 18 on.
    axes = numpy_helper.from_array(np.array([-1, -2], dtype=np.int64), "axes")
    node = helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=1)
    graph = _model([node], [1, 4, 6, 6], [1, 4, 1, 1], [axes])
    result = next(simplifications(graph, [TensorSpec("x", (1, 4, 6, 6))])).model
    assert kinds(result) == {"GlobalAveragePool": 1}
    x = np.random.default_rng(0).standard_normal((1, 4, 6, 6)).astype(np.float32)
    (output,) = onnx_graph.run_onnx(result.SerializeToString(), [{"x": x}])[0]
    np.testing.assert_allclose(output.astype(np.float32), x.mean((2, 3), keepdims=True), atol=1e-6)


BRANCHES = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,4,3,3] x) => (float[1,4,3,3] y) {
  zero = Constant <value = float {0.0}> ()
  h = Sin (x)  s = ReduceSum <keepdims = 0> (x)  c = Greater (s, zero)
  y = If (c) <
    then_branch = t () => (float[1,4,3,3] a) { a = Identity (h) },
    else_branch = e () => (float[1,4,3,3] b) {
      three = Constant <value = float {3.0}> ()  six = Constant <value = float {6.0}> ()
      p = Add (h, three)  q = Clip (p, zero, six)  d = Div (q, six)  m = Mul (h, d)
      r = ReduceMean <axes = [2,3]> (m)  b = Mul (h, r)
    }
  >
}"""


def test_the_branches_of_an_if_are_simplified_too() -> None:
    # One hands on a value of the graph around it; onnxsim tells no types within the other.
    model = onnx.parser.parse_model(BRANCHES)
    result = next(simplifications(model, [TensorSpec("x", (1, 4, 3, 3))])).model
    (branching,) = (node for node in result.graph.node if node.op_type == "If")
    then, otherwise = (attribute.g for attribute in branching.attribute)
    assert [node.op_type for node in then.node] == ["Identity"]
    assert [n.op_type for n in otherwise.node] == ["HardSwish", "GlobalAveragePool", "Mul"]
    noise = np.abs(np.random.default_rng(0).standard_normal((1, 4, 3, 3))).astype(np.float32)
    samples: list[Arrays] = [{"x": noise}, {"x": -noise}]
    expected = onnx_graph.run_onnx(model.SerializeToString(), samples)
    found = onnx_graph.run_onnx(result.SerializeToString(), samples)
    np.testing.assert_allclose(np.array(found), np.array(expected), atol=1e-6)


def test_what_becomes_equal_by_fusing_becomes_one() -> None:
    nodes = [
        helper.make_node("AveragePool", ["x"], ["spelt_out"], kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["x"], ["single"]),
        helper.make_node("Mul", ["spelt_out", "single"], ["y"]),
    ]
    result = next(
        simplifications(
            _model(nodes, [1, 2, 3, 3], [1, 2, 1, 1], []), [TensorSpec("x", (1, 2, 3, 3))]
        )
    ).model
    assert kinds(result) == {"GlobalAveragePool": 1, "Mul": 1}


def test_slopes_by_channel_are_stored_once_and_in_the_shape_that_mnn_knows(tmp_path: Path) -> None:
    slopes = nn.PReLU(8)
    _, graph = simplified(nn.Sequential(slopes, nn.Conv2d(8, 8, 1), slopes), tmp_path)
    assert kinds(graph) == {"PRelu": 2, "Conv": 1}
    shapes = [list(i.dims) for i in graph.graph.initializer if len(i.dims) != 1]
    assert sorted(shapes) == [[1, 8, 1, 1], [8, 8, 1, 1]]


def test_a_value_under_two_names_is_given_under_both() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
    g (float[2] x) => (float[2] y, float[2] h) { h = Sin (x)  y = Identity (h) }"""
    result = next(simplifications(onnx.parser.parse_model(text), [TensorSpec("x", (2,))])).model
    assert [output.name for output in result.graph.output] == ["y", "h"]
    y, h = onnx_graph.run_onnx(result.SerializeToString(), [{"x": np.ones(2, np.float32)}])[0]
    np.testing.assert_array_equal(y, h)


def test_duplicate_nodes_become_one() -> None:
    nodes = [
        helper.make_node("Exp", ["x"], ["a"]),
        helper.make_node("Exp", ["x"], ["b"]),
        helper.make_node("Identity", ["b"], ["c"]),
        helper.make_node("Mul", ["a", "c"], ["y"]),
    ]
    result = next(
        simplifications(_model(nodes, [2, 3], [2, 3], []), [TensorSpec("x", (2, 3))])
    ).model
    assert kinds(result) == {"Exp": 1, "Mul": 1}


def _model(
    nodes: Sequence[onnx.NodeProto],
    shape: list[int],
    out: list[int],
    constants: list[onnx.TensorProto],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


HEADER = '<ir_version: 8, opset_import: ["" : 17]> '
SPELT_OUT = """g (float[1,4] x) => (float[1,4] y)
    <float three = {3}, float zero = {0}, float six = {6}>
    { a = Add(x, three) b = Clip(a, zero, six) y = Div(b, six) }"""


def fails(*_: object, **__: object) -> Any:
    raise RuntimeError("no such thing")


def ways(text: str, *specs: TensorSpec) -> list[Simplified]:
    return list(simplifications(onnx.parser.parse_model(HEADER + text), specs))


FOUR = TensorSpec("x", (1, 4))


def test_the_most_simplified_graph_comes_first_and_the_given_one_last() -> None:
    found = ways(SPELT_OUT, FOUR)

    assert [way.how for way in found] == [
        "onnxsim and our own passes",
        "our own passes alone",
        "no simplification",
    ]
    assert [kinds(way.model) for way in found] == [
        {"HardSigmoid": 1},
        {"HardSigmoid": 1},
        {"Add": 1, "Clip": 1, "Div": 1},
    ]
    assert {way.notes for way in found} == {()}


def test_without_onnxsim_our_own_passes_do_what_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxsim, "simplify", fails)
    first, _ = ways(SPELT_OUT, FOUR)

    assert kinds(first.model) == {"HardSigmoid": 1}
    assert first.notes == (
        "onnxsim failed (no such thing): the graph went through our own passes alone",
    )


def test_without_our_passes_the_graph_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simplify, "fuse", fails)
    (only,) = ways(SPELT_OUT, FOUR)

    assert kinds(only.model) == {"Add": 1, "Clip": 1, "Div": 1}
    assert only.notes == (
        "our own passes failed (no such thing): the graph went through no simplification",
    )


def test_shapes_that_can_not_be_inferred_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", fails)
    assert kinds(ways(SPELT_OUT, FOUR)[0].model) in ({"HardSigmoid": 1}, {"Add": 1, "Clip": 1})


def test_a_graph_that_can_not_be_made_ready_goes_on_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simplify, "prepared", fails)
    first = ways(SPELT_OUT, FOUR)[0]
    assert kinds(first.model) == {"HardSigmoid": 1}
    assert first.notes[0].startswith("inlining and sorting failed (no such thing): the graph went")


def test_a_graph_that_nothing_takes_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"no form of the graph is valid: .*NoSuch"):
        ways("g (float[1,4] x) => (float[1,4] y) { y = NoSuch(x) }", FOUR)


def test_the_given_model_is_not_changed() -> None:
    model = onnx.parser.parse_model(HEADER + SPELT_OUT)
    before = model.SerializeToString(deterministic=True)
    list(simplifications(model, [FOUR]))
    assert model.SerializeToString(deterministic=True) == before


def test_inputs_that_nothing_depends_on_are_left_out_and_told() -> None:
    text = "g (float[1,4] x, float[1,3] info) => (float[1,4] y) { y = Neg(x) }"
    for way in ways(text, FOUR, TensorSpec("info", (1, 3))):
        assert way.unused_inputs == ("info",)
        assert [entry.name for entry in way.model.graph.input] == ["x"]
        assert way.notes == ("nothing depends on the input info: left out",)


def test_an_input_whose_shape_alone_was_used_is_left_out_once_that_is_folded() -> None:
    text = """g (float[1,4] x, float[2,2] like) => (float[2,2] y)
        { s = Shape(like) y = Reshape(x, s) }"""
    first, *_, last = ways(text, FOUR, TensorSpec("like", (2, 2)))

    assert (first.unused_inputs, last.unused_inputs) == (("like",), ())


def test_an_input_that_torch_has_left_out_already_is_told_too() -> None:
    text = "g (float[1,4] x) => (float[1,4] y) { y = Neg(x) }"
    assert ways(text, FOUR, TensorSpec("info", (1, 3)))[0].unused_inputs == ("info",)


def test_a_recurrent_layer_keeps_the_outputs_that_nothing_uses() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 6)

        def forward(self, x: Tensor) -> Tensor:
            states: Tensor = self.lstm(x)[1][0]
            return states

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Last().eval(),
            (torch.randn(5, 1, 8),),
            file,  # type: ignore[arg-type]  # a file object will do, and is documented
            dynamo=False,
            opset_version=17,
            input_names=["x"],
        )
    model = onnx.load_from_string(file.getvalue())
    for way in simplifications(model, [TensorSpec("x", (5, 1, 8))]):
        (lstm,) = [node for node in way.model.graph.node if node.op_type == "LSTM"]
        assert len(lstm.output) == 3
        assert all(lstm.output)


@pytest.mark.parametrize(
    "text",
    [
        "g (float[1,4] x) => (float[1,4] y, float[1,4] x) { y = Neg(x) }",
        "g (float[1,4] x) => (float[1,4] y, float[1,4] z) { y = Neg(x) z = Identity(x) }",
        "g (float[1,4] x) => (float[1,4] y, float[1,4] z) { y = Neg(x) z = Identity(y) }",
        "g (float[1,4] x) => (float[1,4] y, float[1,4] y) { y = Neg(x) }",
        "g (float[1,4] x) => (float[1,4] y, float[2] k) <float[2] k = {1, 2}> { y = Neg(x) }",
        "g (float[1,4] x) => (float[1,4] y, float[2] z) <float[2] k = {1, 2}> "
        "{ y = Neg(x) z = Identity(k) }",
        "g (float[1,4] x) => (float[2] z) <float[2] k = {1, 2}> { z = Neg(k) }",
        "g (float[1,4] x, float t) => (float[1,4] y, float z) { y = Mul(x, t) z = ReduceMax"
        "<keepdims = 0>(x) }",
    ],
)
def test_outputs_that_are_inputs_constants_or_one_another_stay_what_they_are(text: str) -> None:
    model = onnx.parser.parse_model(HEADER + text)
    specs = [FOUR, TensorSpec("t", ())][: len(model.graph.input)]
    rng = np.random.default_rng(0)
    sample: Arrays = {s.name: np.asarray(rng.random(s.shape), np.float32) for s in specs}
    (expected,) = onnx_graph.run_onnx(model.SerializeToString(), [sample])

    for way in simplifications(model, specs):
        names = [output.name for output in way.model.graph.output]
        assert names == [output.name for output in model.graph.output]
        (results,) = onnx_graph.run_onnx(way.model.SerializeToString(), [sample])
        for want, have in zip(expected, results, strict=True):
            np.testing.assert_array_equal(have, want)
