"""A graph costs what the module that it came from costs, and what can't be told is listed."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from asymm_deploy.errors import UsageError
from asymm_deploy.models import onnx_cost
from asymm_deploy.models.build import build
from asymm_deploy.models.complexity import count
from asymm_deploy.models.onnx_cost import count_graph


class Theirs(nn.Module):
    """A user's network, of operators that ours don't have, with two inputs and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm((4, 5, 5))
        self.up = nn.ConvTranspose2d(4, 6, 3, 2)
        self.grouped = nn.Conv2d(6, 6, 3, groups=2, dilation=2, bias=False)
        self.mix = nn.Linear(6, 5)
        self.bare = nn.Parameter(torch.randn(5, 7))
        self.offset = nn.Parameter(torch.randn(1, 6, 1, 1))
        self.memory = nn.LSTM(7, 8, bidirectional=True)
        self.gates = nn.GRU(16, 4)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        x = self.grouped(self.up(self.norm(x)) + self.offset)
        x = self.mix(x.flatten(2).transpose(1, 2)) @ self.bare
        states, _ = self.gates(self.memory(x)[0])
        return states @ states.transpose(1, 2), torch.einsum("bi,ij->bj", y, self.bare)


def exported(module: nn.Module, *inputs: Tensor) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about itself
        torch.onnx.export(
            module.eval(),
            inputs,
            file,  # type: ignore[arg-type]  # a file object will do, and is documented
            dynamo=False,
            opset_version=17,
        )
    return onnx.load_from_string(file.getvalue())


def graph(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    weights: Mapping[str, tuple[int, ...]] | None = None,
) -> onnx.ModelProto:
    """Return a graph from input ``x`` to output ``y``, with weights of ones."""
    return helper.make_model(
        helper.make_graph(
            list(nodes),
            "test",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [
                numpy_helper.from_array(np.ones(dims, np.float32), name)
                for name, dims in (weights or {}).items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )


@pytest.mark.parametrize(
    "name",
    ["asymmnet_small_035", "asymmnet_large_035_r2", "mbv3_small_050", "mobilenetv2_035"],
)
def test_our_networks_cost_the_same_as_graphs(name: str) -> None:
    module, x = build(name), torch.zeros(1, 3, 64, 48)
    with torch.no_grad():
        for parameter in module.parameters():  # the exporter merges tensors that are equal
            parameter.uniform_()

    ours, theirs = count(module, x), count_graph(exported(module, x))

    assert theirs.madds_by_kind() == ours.madds_by_kind()
    assert theirs.uncounted == ()
    assert [layer.output_shape for layer in theirs.layers] == [
        layer.output_shape for layer in ours.layers
    ]
    # The exporter folds BatchNorm's scale and shift into the weights and one bias.
    folded = sum(m.num_features for m in module.modules() if isinstance(m, nn.BatchNorm2d))
    assert theirs.params == ours.params - folded


def test_a_users_network_costs_the_same_as_a_graph() -> None:
    module, inputs = Theirs(), (torch.zeros(2, 4, 5, 5), torch.zeros(2, 5))

    ours, theirs = count(module, *inputs), count_graph(exported(module, *inputs))

    assert theirs.madds_by_kind() == ours.madds_by_kind()
    assert theirs.uncounted == ours.uncounted == ()
    assert theirs.params == ours.params
    assert [layer.operator for layer in theirs.layers] == [
        *("conv_transpose2d", "conv2d", "linear", "linear", "lstm", "gru", "matmul", "linear")
    ]
    up, grouped = theirs.layers[:2]
    assert (up.kernel, up.stride, up.params) == ((3, 3), (2, 2), 222)
    assert (grouped.groups, grouped.dilation, grouped.params) == (2, (2, 2), 162)


def test_gemm_counts_with_its_first_factor_transposed() -> None:
    model = graph([helper.make_node("Gemm", ["x", "w"], ["y"], transA=1)], (5, 2), {"w": (5, 7)})

    cost = count_graph(model)

    assert (cost.madds, cost.params) == (2 * 5 * 7, 35)


def test_a_constant_in_the_graph_is_a_weight_like_an_initializer() -> None:
    value = numpy_helper.from_array(np.ones((5, 7), np.float32))
    model = graph(
        [
            helper.make_node("Constant", [], ["w"], value=value),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ],
        (2, 5),
    )

    cost = count_graph(model)

    assert (cost.params, cost.layers[0].operator) == (35, "linear")


def test_running_statistics_scales_and_unused_tensors_are_no_parameters() -> None:
    weights = dict.fromkeys(("scale", "shift", "mean", "variance", "unused", "sizes"), (4,))
    model = graph(
        [
            helper.make_node("Identity", ["mean"], ["mean_too"]),
            helper.make_node(
                "BatchNormalization", ["x", "scale", "shift", "mean_too", "variance"], ["z"]
            ),
            helper.make_node("Resize", ["z", "", "sizes"], ["y"]),
        ],
        (1, 4, 2, 2),
        weights,
    )

    assert count_graph(model).params == 8


def test_a_weight_used_twice_counts_once_even_transposed() -> None:
    model = graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["z"]),
            helper.make_node("Transpose", ["w"], ["w_t"]),
            helper.make_node("MatMul", ["z", "w_t"], ["y"]),
        ],
        (2, 5),
        {"w": (5, 7)},
    )

    cost = count_graph(model)

    assert (cost.madds, cost.params) == (2 * 2 * 5 * 7, 35)
    assert [(layer.operator, layer.params) for layer in cost.layers] == [
        ("linear", 35),
        ("linear", 0),
    ]


@pytest.mark.parametrize(
    ("node", "uncounted"),
    [
        (
            helper.make_node("FusedMatMul", ["x", "w"], ["y"], "a", domain="com.microsoft"),
            "com.microsoft.FusedMatMul a",
        ),
        (helper.make_node("MatMulNBits", ["x", "w"], ["y"]), "MatMulNBits y"),
        (
            helper.make_node("Einsum", ["x", "w"], ["y"], equation="...i,ij->...j"),
            "Einsum y (only equations of two operands, written in full)",
        ),
    ],
)
def test_operators_that_it_does_not_understand_are_listed(
    node: onnx.NodeProto, uncounted: str
) -> None:
    model = graph([node], (5, 5), {"w": (5, 5)})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    cost = count_graph(model)

    assert cost.uncounted == (uncounted,)
    assert cost.params == 25


def test_branches_and_unknown_shapes_are_listed() -> None:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    condition = numpy_helper.from_array(np.array(True), "condition")
    model = graph(
        [
            helper.make_node(
                "If", ["condition"], ["a"], "choice", then_branch=branch, else_branch=branch
            ),
            helper.make_node("NonZero", ["x"], ["where"]),
            helper.make_node("Cast", ["where"], ["as_float"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["w", "as_float"], ["y"], "product"),
        ],
        (5, 5),
        {"w": (3, 2)},
    )
    model.graph.initializer.append(condition)

    assert count_graph(model).uncounted == (
        "If choice",
        "MatMul product (shape of as_float unknown)",
    )


@pytest.mark.parametrize("shape", [("batch", 5), (0, 5)])
def test_an_input_without_a_fixed_shape_needs_one(shape: tuple[int | str, ...]) -> None:
    model = graph([helper.make_node("MatMul", ["x", "w"], ["y"])], shape, {"w": (5, 7)})
    before = model.SerializeToString()

    with pytest.raises(UsageError, match="input x of the ONNX graph has no fixed shape") as caught:
        count_graph(model)
    assert "--input-shape x=" in caught.value.hint

    assert count_graph(model, {"x": (3, 5)}).madds == 3 * 5 * 7
    assert model.SerializeToString() == before


def test_functions_inside_the_file_are_looked_into() -> None:
    product = helper.make_function(
        *("here", "Product", ["a", "b"], ["c"]),
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        [helper.make_opsetid("", 17)],
    )
    model = graph(
        [helper.make_node("Product", ["x", "w"], ["y"], domain="here")], (2, 5), {"w": (5, 7)}
    )
    model.functions.append(product)
    model.opset_import.append(helper.make_opsetid("here", 1))
    model.ir_version = 8

    cost = count_graph(model)

    assert (cost.madds, cost.uncounted) == (70, ())


PASS_ON = [
    *("Cast", "DequantizeLinear", "Expand", "Flatten", "Identity", "QuantizeLinear"),
    *("Reshape", "Slice", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
]
# Without those for which a matrix as the second input makes no valid graph.
FREE = [
    *("Abs", "Add", "And", "BatchNormalization", "Concat", "Div", "Equal", "Erf", "Exp"),
    *("Gather", "GatherElements", "GatherND", "Greater", "GroupNormalization"),
    *("InstanceNormalization", "LayerNormalization", "Less", "Log", "Max", "Mean", "Min"),
    *("Mod", "Mul", "Neg", "PRelu", "Pad", "Pow", "Reciprocal", "ReduceL2", "ReduceMax"),
    *("ReduceMean", "ReduceMin", "ReduceSum", "Relu", "ScatterElements", "ScatterND", "Shape"),
    *("Sigmoid", "Size", "Softmax", "Softplus", "Split", "Sqrt", "Sub", "Sum", "Tanh", "Where"),
]


@pytest.mark.parametrize("operator", [*FREE, *PASS_ON])
def test_an_operator_is_free_because_it_is_listed(
    operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = graph([helper.make_node(operator, ["x", "w"], ["y"])], (4, 4), {"w": (4, 4)})

    cost = count_graph(model)
    assert (cost.layers, cost.uncounted, cost.params) == ((), (), 16)

    monkeypatch.setattr(onnx_cost, "_FREE", onnx_cost._FREE - {operator})
    assert count_graph(model).uncounted == (f"{operator} y",)


@pytest.mark.parametrize(
    ("operator", "inputs", "params"),
    [
        ("BatchNormalization", ["x", "a", "b", "c", "d"], 8),  # scale and shift
        ("Clip", ["x", "a", "b"], 0),
        ("Pad", ["x", "a", "b"], 4),
        ("Resize", ["x", "a", "b"], 0),
        ("Upsample", ["x", "a"], 0),
        # x, w, r, b, then lengths, states and peepholes
        ("GRU", ["x", "w", "r", "p", "", "a"], 3 * (4 * 4 + 4 * 4) + 24),
        ("RNN", ["x", "w1", "r1", "p1", "", "a"], 4 * 4 + 4 * 4 + 8),
        ("LSTM", ["x", "w4", "r4", "p4", "", "a", "b"], 4 * (4 * 4 + 4 * 4) + 32),
    ],
)
def test_bounds_scales_and_states_are_no_parameters(
    operator: str, inputs: list[str], params: int
) -> None:
    weights: dict[str, tuple[int, ...]] = {name: (4,) for name in "abcd" if name in inputs}
    for gates, suffix in ((3, ""), (1, "1"), (4, "4")):
        shapes = {"w": (1, 4 * gates, 4), "r": (1, 4 * gates, 4), "p": (1, 8 * gates)}
        weights |= {
            name + suffix: shape for name, shape in shapes.items() if name + suffix in inputs
        }
    recurrent = operator in ("GRU", "LSTM", "RNN")
    node = helper.make_node(operator, inputs, ["y"], hidden_size=4 if recurrent else None)

    assert count_graph(graph([node], (5, 2, 4) if recurrent else (4, 4), weights)).params == params


@pytest.mark.parametrize("operator", PASS_ON)
def test_what_these_make_of_a_weight_is_still_that_weight(operator: str) -> None:
    second = {
        **dict.fromkeys(("Reshape", "Expand"), np.array([4, 4])),
        **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), np.array(1, np.float32)),
        "Unsqueeze": np.array([0]),
        "Tile": np.array([1, 1]),
    }
    to = TensorProto.FLOAT if operator == "Cast" else None
    constants = [second[operator]] if operator in second else []
    if operator == "Slice":
        constants = [np.array([0, 0]), np.array([4, 4])]
    names = [f"constant{index}" for index in range(len(constants))]
    model = graph(
        [
            helper.make_node(operator, ["w", *names], ["made"], to=to),
            helper.make_node("MatMul", ["x", "made"], ["y"]),
        ],
        (4, 4),
        {"w": (4, 4)},
    )
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for value, name in zip(constants, names, strict=True)
    )

    cost = count_graph(model)

    assert [(layer.operator, layer.madds, layer.params) for layer in cost.layers] == [
        ("linear", 64, 16)
    ]
    assert cost.uncounted == ()


def test_a_scalar_input_has_a_shape() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> g (float[1,5] x, float t) => (float[1,7] y)
        <float[5,7] w> { a = Mul(x, t) y = MatMul(a, w) }"""
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones((5, 7), np.float32), "w"))
    assert count_graph(model).madds == 35
    model.graph.input[1].type.tensor_type.ClearField("shape")
    assert count_graph(model, {"x": (1, 5), "t": ()}).madds == 35


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_a_recurrent_layer_whose_input_lacks_an_axis_is_listed(kind: str) -> None:
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[kind]
    weights = {"w": (1, 6 * gates, 5), "r": (1, 6 * gates, 6)}
    node = helper.make_node(kind, ["x", "w", "r"], ["y"], name="cell", hidden_size=6)
    assert count_graph(graph([node], (4, 5), weights)).uncounted == (
        f"{kind} cell (its shapes are unexpected)",
    )


def test_what_follows_from_shapes_that_contradict_one_another_is_listed() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("MatMul", ["a", "w"], ["y"], name="second"),
    ]
    cost = count_graph(graph(nodes, (3, 5), {"w": (5, 7)}))
    assert "MatMul second" in {name.partition(" (")[0] for name in cost.uncounted}


def test_nodes_without_inputs_or_of_unknown_kinds_do_not_stop_the_count() -> None:
    nodes = [
        helper.make_node("Identity", [], ["nothing"]),
        helper.make_node("Magic", ["x", "w"], ["m"], name="trick", domain="some.where"),
        helper.make_node("Conv", ["x"], ["c"], name="half"),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    cost = count_graph(graph(nodes, (3, 5), {"w": (5, 7)}))
    assert cost.madds >= 0
    assert "some.where.Magic trick" in cost.uncounted
