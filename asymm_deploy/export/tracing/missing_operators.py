"""Operators of torch that its older exporter doesn't know, or writes so that nothing runs them."""

from __future__ import annotations

from typing import Any

_FIRST_OPSET = 13
_FIRST_WITH_ATTENTION = 14
_AXES_ARE_AN_INPUT = 18
"""The first opset in which ReduceMean takes its axes as an input."""

_END = 2**63 - 1
"""What Slice takes for the end of an axis."""


def add_missing_operators() -> None:
    """Teach torch's older exporter RMSNorm, ChannelShuffle and diff, and what it writes wrongly.

    ONNX has RMSNormalization since opset 23, which MNN doesn't take, and the others in no version.
    A convolution with ``padding="same"`` would be SAME_UPPER, which ONNX Runtime refuses beside
    dilations; a cumulative sum of booleans, as transformers take it for every causal mask, one of
    booleans; attention NaN where a mask of numbers leaves nothing over. The registration is
    torch's own and lasts as long as the process; a second one changes nothing.
    """
    import torch

    exporter: Any = torch.onnx
    for name, symbolic in (
        ("rms_norm", _rms_norm),
        ("channel_shuffle", _channel_shuffle),
        ("diff", _diff),
        ("cumsum", _cumsum),
        ("_convolution_mode", _padded_by_word),
    ):
        exporter.register_custom_op_symbolic(f"aten::{name}", symbolic, _FIRST_OPSET)
    exporter.register_custom_op_symbolic(
        "aten::scaled_dot_product_attention", _attention, _FIRST_WITH_ATTENTION
    )


def _rms_norm(g: Any, x: Any, shape: Any, weight: Any, eps: Any) -> Any:
    """X / sqrt(mean(x**2) + eps) * weight, the mean over the last ``len(shape)`` axes."""
    import torch
    from torch.onnx import symbolic_helper

    helper: Any = symbolic_helper  # it has no types
    axes = [-1 - axis for axis in range(len(helper._get_const(shape, "is", "shape")))]
    if helper._is_none(eps):
        smallest = torch.finfo(x.type().dtype()).eps
    else:
        smallest = helper._get_const(eps, "f", "eps")
    kind = x.type().dtype()
    squares = g.op("Mul", x, x)
    if g.opset < _AXES_ARE_AN_INPUT:
        mean = g.op("ReduceMean", squares, axes_i=axes)
    else:
        mean = g.op("ReduceMean", squares, g.op("Constant", value_t=torch.tensor(axes)))
    added = g.op("Constant", value_t=torch.tensor(smallest, dtype=kind))
    normal = g.op("Div", x, g.op("Sqrt", g.op("Add", mean, added)))
    return normal if helper._is_none(weight) else g.op("Mul", normal, weight)


def _channel_shuffle(g: Any, x: Any, groups: Any) -> Any:
    """(N, groups * C, ...) -> (N, C * groups, ...): one channel of each group after the other."""
    import torch
    from torch.onnx import symbolic_helper

    helper: Any = symbolic_helper
    many = helper._get_const(groups, "i", "groups")
    sizes = helper._get_tensor_sizes(x)
    if sizes is None or None in sizes:
        return helper._onnx_unsupported("channel_shuffle of an unknown shape", x)
    batch, channels, *place = sizes
    apart = torch.tensor([batch, many, channels // many, *place])
    order = [0, 2, 1, *range(3, len(place) + 3)]
    split = g.op("Reshape", x, g.op("Constant", value_t=apart))
    mixed = g.op("Transpose", split, perm_i=order)
    return g.op("Reshape", mixed, g.op("Constant", value_t=torch.tensor(sizes)))


def _diff(g: Any, x: Any, n: Any, dim: Any, prepend: Any, append: Any) -> Any:
    """Each value less the one before it along an axis, ``n`` times."""
    import torch
    from torch.onnx import symbolic_helper

    helper: Any = symbolic_helper
    if x.type().dtype() == torch.bool:
        return helper._onnx_unsupported("diff of booleans", x)
    axis = helper._get_const(dim, "i", "dim")
    parts = [part for part in (prepend, x, append) if not helper._is_none(part)]
    y = g.op("Concat", *parts, axis_i=axis) if len(parts) > 1 else x

    def part_of(whole: Any, first: int, end: int) -> Any:
        places = (g.op("Constant", value_t=torch.tensor([at])) for at in (first, end, axis))
        return g.op("Slice", whole, *places)

    for _ in range(helper._get_const(n, "i", "n")):
        y = g.op("Sub", part_of(y, 1, _END), part_of(y, 0, -1))
    return y


def _cumsum(g: Any, x: Any, dim: Any, dtype: Any) -> Any:
    """Write the sums up to each place of an axis, in int64 unless x is floating-point."""
    import torch
    from torch.onnx import symbolic_helper

    exporter: Any = torch.onnx
    helper: Any = symbolic_helper
    kind = exporter.JitScalarType.from_value(x)
    if not helper._is_none(dtype):
        kind = exporter.JitScalarType(helper._get_const(dtype, "i", "dtype"))
    elif not kind.dtype().is_floating_point:
        kind = exporter.JitScalarType.INT64
    values = g.op("Cast", x, to_i=kind.onnx_type())
    axis = torch.tensor(helper._get_const(dim, "i", "dim"))
    return g.op("CumSum", values, g.op("Constant", value_t=axis))


def _padded_by_word(
    g: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """Write a convolution whose padding is "same" or "valid" with its padding in numbers."""
    from torch.onnx import symbolic_helper

    helper: Any = symbolic_helper
    kernel = helper._get_tensor_sizes(weight)[2:]
    apart = helper._get_const(dilation, "is", "dilation")
    added = [
        step * (size - 1) if helper._get_const(padding, "s", "padding") == "same" else 0
        for size, step in zip(kernel, apart, strict=True)
    ]
    before = [total // 2 for total in added]  # the odd one comes after, as torch has it
    return g.op(
        "Conv",
        *(x, weight, *(() if helper._is_none(bias) else (bias,))),
        kernel_shape_i=kernel,
        strides_i=helper._get_const(stride, "is", "stride"),
        pads_i=[*before, *(total - first for total, first in zip(added, before, strict=True))],
        dilations_i=apart,
        group_i=helper._get_const(groups, "i", "groups"),
    )


def _attention(g: Any, query: Any, key: Any, value: Any, mask: Any = None, *others: Any) -> Any:
    """Write attention as torch's exporter does, with 0 where a mask of numbers leaves nothing over.

    There its softmax is NaN, and torch's own is 0. The exporter minds masks of booleans alone, but
    nn.MultiheadAttention makes numbers of those. A mask that no input reaches stays as it is.
    """
    import torch
    from torch.onnx import symbolic_helper, symbolic_opset14

    helper: Any = symbolic_helper
    opset: Any = symbolic_opset14
    exporter: Any = torch.onnx
    made = opset.scaled_dot_product_attention(g, query, key, value, mask, *others)
    if mask is None or helper._is_none(mask) or not _comes_from_outside(mask):
        return made
    kind = exporter.JitScalarType.from_value(mask)
    if not kind.dtype().is_floating_point:
        return made
    weights = made.node().inputsAt(0)
    nothing = g.op("Constant", value_t=torch.tensor(0.0, dtype=kind.dtype()))
    return g.op("MatMul", g.op("Where", g.op("IsNaN", weights), nothing, weights), value)


def _comes_from_outside(value: Any) -> bool:
    """Tell whether an input or a weight, and not its shape alone, goes into ``value``."""
    seen, waiting = set(), [value]
    while waiting:
        node = waiting.pop().node()
        if node.kind() == "prim::Param":
            return True
        if node not in seen and node.kind() not in ("onnx::Shape", "aten::size"):
            seen.add(node)
            waiting += node.inputs()
    return False
