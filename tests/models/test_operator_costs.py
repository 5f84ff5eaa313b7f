"""Each of torch's operators that costs has its formula, and each that is free is free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  its usual name

from asymm_deploy.models import operator_costs
from asymm_deploy.models.complexity import count

aten = torch.ops.aten


class Calls(nn.Module):
    """Calls a function with its inputs and then its weights."""

    def __init__(self, function: Callable[..., Tensor], *weights: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList(nn.Parameter(torch.rand(shape)) for shape in weights)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs, *self.weights)


@pytest.mark.parametrize(
    ("function", "inputs", "weights", "madds"),
    [
        # (..., rows, summed) by (..., summed, columns): rows x columns x summed = 4 x 2 x 5 x 3
        (torch.mm, [(2, 3)], [(3, 5)], 2 * 5 * 3),
        (torch.bmm, [(4, 2, 3)], [(4, 3, 5)], 120),
        (lambda x, w: torch.mv(w, x), [(3,)], [(5, 3)], 5 * 3),
        (torch.dot, [(3,)], [(3,)], 3),
        (lambda x, b, w: torch.addmm(b, x, w), [(2, 3)], [(5,), (3, 5)], 2 * 5 * 3),
        (lambda x, b, w: torch.addmv(b, w, x), [(3,)], [(5,), (5, 3)], 5 * 3),
        (
            lambda x, b, w: torch.baddbmm(b, x, w),
            [(4, 2, 3)],
            [(4, 2, 5), (4, 3, 5)],
            4 * 2 * 5 * 3,
        ),
        # summed over the batch, too
        (lambda x, b, w: torch.addbmm(b, x, w), [(4, 2, 3)], [(2, 5), (4, 3, 5)], 120),
    ],
    ids=["mm", "bmm", "mv", "dot", "addmm", "addmv", "baddbmm", "addbmm"],
)
def test_a_product_costs_rows_by_columns_by_what_is_summed(
    function: Callable[..., Tensor],
    inputs: list[tuple[int, ...]],
    weights: list[tuple[int, ...]],
    madds: int,
) -> None:
    cost = count(Calls(function, *weights), *map(torch.zeros, inputs))

    (layer,) = cost.layers
    assert (layer.kind, layer.madds) == ("classifier", madds)
    assert layer.params == cost.params == sum(torch.zeros(shape).numel() for shape in weights)
    # A vector is no matrix of weights.
    assert layer.operator == ("matmul" if function is torch.dot else "linear")
    assert cost.uncounted == ()


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("_scaled_dot_product_flash_attention_for_cpu", ()),
        ("_scaled_dot_product_flash_attention", ()),
        ("_scaled_dot_product_efficient_attention", (None, False)),
        ("_scaled_dot_product_cudnn_attention", (None, False)),
        ("_scaled_dot_product_fused_attention_overrideable", ()),
    ],
)
def test_every_kernel_of_attention_costs_both_products(name: str, rest: tuple[Any, ...]) -> None:
    kernel = getattr(aten, name)
    query = torch.zeros(2, 3, 5, 8, device="meta")
    key = value = torch.zeros(2, 3, 7, 8, device="meta")

    (layer,) = count(Calls(lambda *x: kernel(*x, *rest)[0]), query, key, value).layers

    assert (layer.operator, layer.kind) == ("attention", "classifier")
    assert layer.madds == 2 * 3 * 5 * 7 * (8 + 8)
    assert layer.output_shape == (2, 3, 5, 8)


def test_attention_to_values_of_another_width_costs_each_product_by_its_own() -> None:
    query, key, value = (torch.zeros(2, 3, *shape) for shape in ((5, 8), (7, 8), (7, 6)))

    cost = count(Calls(F.scaled_dot_product_attention), query, key, value)

    assert cost.madds == 2 * 3 * 5 * 7 * (8 + 6)
    # The formula of the kernels that do it in one.
    assert operator_costs._attention((query, key, value), query)[2] == cost.madds


@pytest.mark.parametrize(
    ("stride", "padding"), [((2, 1), (0, 1)), ((1, 2), (1, 0))], ids=["2x1", "1x2"]
)
def test_a_convolutions_geometry_is_by_axis(
    stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    conv = nn.Conv2d(4, 6, (3, 5), stride, padding, dilation=(1, 2), groups=2, bias=False)

    (layer,) = count(conv, torch.zeros(1, 4, 20, 30)).layers

    assert (layer.operator, layer.kernel, layer.stride) == ("conv2d", (3, 5), stride)
    assert (layer.dilation, layer.groups, layer.params) == ((1, 2), 2, 6 * 2 * 15)


def test_a_stride_given_once_is_for_every_axis() -> None:
    def call(x: Tensor, w: Tensor) -> Tensor:
        flags = (False, [0], 1)
        convolved: Tensor = aten.convolution(x, w, None, [2], [0], [1], *flags)
        return convolved

    (layer,) = count(Calls(call, (6, 4, 3, 3)), torch.zeros(1, 4, 9, 9)).layers

    assert (layer.stride, layer.dilation, layer.madds) == ((2, 2), (1, 1), 6 * 16 * 36)


@pytest.mark.parametrize(
    ("conv", "shape", "operator"),
    [
        (nn.ConvTranspose1d(4, 6, 3), (1, 4, 9), "conv_transpose1d"),
        (nn.ConvTranspose2d(4, 6, 3), (1, 4, 9, 9), "conv_transpose2d"),
        (nn.Conv1d(4, 6, 3), (1, 4, 9), "conv1d"),
        (nn.Conv3d(4, 6, 3), (1, 4, 9, 9, 9), "conv3d"),
        (nn.LSTM(4, 8), (5, 2, 4), "lstm"),
        (nn.Linear(4, 8), (5, 4), "linear"),
    ],
)
def test_a_layer_says_which_operator_it_is(
    conv: nn.Module, shape: tuple[int, ...], operator: str
) -> None:
    assert count(conv, torch.zeros(shape)).layers[0].operator == operator


FREE: dict[str, Callable[[Tensor], Tensor]] = {
    "_log_softmax": lambda w: w.log_softmax(-1),
    "_prelu_kernel": lambda w: F.prelu(torch.ones(2, 4), w[0]),
    "_softmax": lambda w: w.softmax(-1),
    "_to_copy": lambda w: w.double(),
    "_unsafe_view": lambda w: aten._unsafe_view(w, [16]),
    "_weight_norm_interface": lambda w: torch._weight_norm(w, w[:, :1], 0),
    "_unsafe_index": lambda w: aten._unsafe_index(w, [torch.tensor([0, 1])]),
    "cat": lambda w: torch.cat([w, w]),
    "constant_pad_nd": lambda w: F.pad(w, (1, 1)),
    "embedding": lambda w: F.embedding(torch.tensor([1, 2]), w),
    "_embedding_bag": lambda w: F.embedding_bag(torch.tensor([[1, 2]]), w),
    "_embedding_bag_forward_only": lambda w: aten._embedding_bag_forward_only(
        w, torch.tensor([1, 2]), torch.tensor([0])
    )[0],
    "empty_like": torch.empty_like,
    "flip": lambda w: w.flip(0),
    "full_like": lambda w: torch.full_like(w, 2.0),
    "gather": lambda w: w.gather(0, torch.zeros(1, 4, dtype=torch.long)),
    "index": lambda w: w[torch.tensor([0, 1])],
    "index_select": lambda w: w.index_select(0, torch.tensor([0])),
    "lift_fresh_copy": aten.lift_fresh_copy,
    "native_batch_norm": lambda w: F.batch_norm(w[None], w[0].detach(), w[0].detach()),
    "native_group_norm": lambda w: F.group_norm(w[None], 2),
    "native_layer_norm": lambda w: F.layer_norm(w, (4,)),
    "ones_like": torch.ones_like,
    "repeat": lambda w: w.repeat(2, 1),
    "roll": lambda w: w.roll(1),
    "split_with_sizes_copy": lambda w: aten.split_with_sizes_copy(w, [2, 2])[0],
    "stack": lambda w: torch.stack([w, w]),
    "tril": torch.tril,
    "triu": torch.triu,
    "unsafe_split": lambda w: torch.unsafe_split(w, 2)[0],
    "upsample_bicubic2d": lambda w: F.interpolate(w[None, None], scale_factor=2, mode="bicubic"),
    "upsample_bilinear2d": lambda w: F.interpolate(w[None, None], scale_factor=2, mode="bilinear"),
    "zeros_like": torch.zeros_like,
    # free by torch's own tags, or because they are views or taken apart
    "add": lambda w: w + 1,
    "mean": lambda w: w.mean(),
    "linalg_vector_norm": torch.linalg.vector_norm,
    "t": lambda w: w.t(),
    "unsqueeze_": lambda w: w.clone().unsqueeze_(0),
    "upsample_nearest2d": lambda w: F.interpolate(w[None, None], scale_factor=2),
}


@pytest.mark.parametrize("name", FREE)
def test_an_operator_without_products_is_free_and_known(name: str) -> None:
    cost = count(Calls(FREE[name], (4, 4)))

    assert (cost.layers, cost.uncounted, cost.params) == ((), (), 16)


def test_every_operator_that_is_called_free_is_tried_above_and_needs_to_be_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = {operator.__name__: operator for operator in operator_costs._FREE}

    assert listed.keys() <= FREE.keys()
    for name, operator in listed.items():
        monkeypatch.setattr(operator_costs, "_FREE", operator_costs._FREE - {operator})
        assert count(Calls(FREE[name], (4, 4))).uncounted != (), name
        monkeypatch.undo()


@pytest.mark.parametrize(
    "make",
    [lambda w: w.t(), lambda w: w * 2, lambda w: w.double().float(), lambda w: w.roll(1)],
    ids=["view", "pointwise", "copy", "listed"],
)
def test_what_is_made_of_a_weight_is_that_weight(make: Callable[[Tensor], Tensor]) -> None:
    cost = count(Calls(lambda x, w: x @ make(w) @ w, (4, 4)), torch.zeros(2, 4))

    assert [(layer.operator, layer.params) for layer in cost.layers] == [
        ("linear", 16),
        ("linear", 0),
    ]


def test_what_is_made_of_an_input_too_is_no_weight() -> None:
    cost = count(Calls(lambda x, w: x @ (w + x), (4, 4)), torch.zeros(4, 4))

    assert [(layer.operator, layer.params) for layer in cost.layers] == [("matmul", 0)]
    assert cost.params == 16
