"""What each of torch's operators costs, and which cost nothing that is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from asymm_deploy.models.cost import LayerKind, convolution_kind

_aten = torch.ops.aten

# What one operator costs: kind, MAdds and a convolution's geometry.
_Cost = tuple[str, LayerKind, int, dict[str, Any]]


def _convolution(args: Sequence[Any], out: Tensor) -> _Cost:
    """aten.convolution(input, weight, bias, stride, padding, dilation, transposed, _, groups)."""
    source, weight, _, stride, _, dilation, transposed, _, groups = args[:9]
    kernel = tuple(weight.shape[2:])
    in_channels = source.shape[1]
    # The weight is (out, in / groups, ...), or (in, out / groups, ...) if transposed; either way
    # each position of one side meets shape[1] x kernel numbers.
    positions = source if transposed else out
    operator = f"conv{'_transpose' if transposed else ''}{len(kernel)}d"
    geometry = {
        "kernel": kernel,
        "stride": _by_axis(stride, kernel),
        "dilation": _by_axis(dilation, kernel),
        "groups": groups,
    }
    madds = positions.numel() * prod(weight.shape[1:])
    return operator, convolution_kind(kernel, groups, in_channels), madds, geometry


def _by_axis(sizes: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
    return tuple(sizes) * len(kernel) if len(sizes) == 1 else tuple(sizes)


def _product(left: int) -> Callable[[Sequence[Any], Tensor], _Cost]:
    """Return a function for the cost of a product that sums the last axis of argument ``left``."""

    def cost(args: Sequence[Any], out: Tensor) -> _Cost:
        return "matmul", "classifier", out.numel() * args[left].shape[-1], {}

    return cost


def _addbmm(args: Sequence[Any], _: Tensor) -> _Cost:
    """Return the cost of out[i, j] += left[b, i, k] right[b, k, j], summed over the batch too."""
    return "matmul", "classifier", args[1].numel() * args[2].shape[-1], {}


def _attention(args: Sequence[Any], _: Tensor) -> _Cost:
    """Return the cost of Q K^T and of its product with V; each is (..., length, width)."""
    query, key, value = args[:3]
    rows = prod(query.shape[:-1])
    madds = rows * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    return "attention", "classifier", madds, {}


def _mkldnn_rnn_layer(args: Sequence[Any], _: Tensor) -> _Cost:
    """Return the cost of one direction of an LSTM layer: both weights at each (time, batch)."""
    source, by_input, by_state = args[:3]
    steps = source.shape[0] * source.shape[1]
    return "lstm", "classifier", steps * (by_input.numel() + by_state.numel()), {}


OPERATOR_COSTS: dict[Any, Callable[[Sequence[Any], Tensor], _Cost]] = {
    _aten.convolution: _convolution,
    _aten._convolution: _convolution,  # what traced modules call
    _aten.mm: _product(0),
    _aten.bmm: _product(0),
    _aten.mv: _product(0),
    _aten.dot: _product(0),
    _aten.addmm: _product(1),
    _aten.baddbmm: _product(1),
    _aten.addmv: _product(1),
    _aten.addbmm: _addbmm,
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten._scaled_dot_product_flash_attention: _attention,
    _aten._scaled_dot_product_efficient_attention: _attention,
    _aten._scaled_dot_product_cudnn_attention: _attention,
    _aten._scaled_dot_product_fused_attention_overrideable: _attention,
    _aten.mkldnn_rnn_layer: _mkldnn_rnn_layer,
}

# Operators that may take a weight and multiply nothing that we count, besides views and what torch
# itself tags as element-wise or as a reduction. A test tries each.
_FREE = {
    _aten._log_softmax,
    _aten._prelu_kernel,
    _aten._softmax,
    _aten._to_copy,
    _aten._unsafe_view,
    _aten._weight_norm_interface,
    _aten._unsafe_index,
    _aten.cat,
    _aten.constant_pad_nd,
    _aten.embedding,
    _aten._embedding_bag,
    _aten._embedding_bag_forward_only,
    _aten.empty_like,
    _aten.flip,
    _aten.full_like,
    _aten.gather,
    _aten.index,
    _aten.index_select,
    _aten.lift_fresh_copy,
    _aten.native_batch_norm,
    _aten.native_group_norm,
    _aten.native_layer_norm,
    _aten.ones_like,
    _aten.repeat,
    _aten.roll,
    _aten.split_with_sizes_copy,
    _aten.stack,
    _aten.tril,
    _aten.triu,
    _aten.unsafe_split,
    _aten.upsample_bicubic2d,
    _aten.upsample_bilinear2d,
    _aten.zeros_like,
}
_FREE_TAGS = {torch.Tag.pointwise, torch.Tag.reduction, torch.Tag.inplace_view}

# On the meta device only shapes matter. Torch finds those of the operators below by running Python
# decompositions, which would take two thirds of the time to count one of our networks.
_KEEPS_SHAPE = {
    _aten.hardsigmoid.default,
    _aten.hardswish.default,
    _aten.hardtanh.default,
    _aten.relu.default,
}


def is_free(func: Any) -> bool:
    """Whether an operator multiplies nothing that is counted."""
    return func.is_view or func.overloadpacket in _FREE or not _FREE_TAGS.isdisjoint(func.tags)


def shape_only(func: Any, args: tuple[Any, ...]) -> Any:
    """Return the result on the meta device of an operator that keeps its input's shape, or None."""
    if not (args and isinstance(args[0], Tensor) and args[0].is_meta):
        return None
    if func in _KEEPS_SHAPE:
        return torch.empty_like(args[0])
    if func is _aten.native_batch_norm.default:
        return torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
    return None
