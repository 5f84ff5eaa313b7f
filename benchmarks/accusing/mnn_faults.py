"""Faults in a copy of an .mnn file: each changes one operator, and what it computes.

Every fault takes the file's bytes and the operator, and edits the bytes. Values are changed where
they lie. What has its default is not in the file: its table is written anew at the end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from asymm_deploy.engines.flat_table import FlatTable, Span, root_table
from asymm_deploy.engines.mnn_file import (
    MnnConvolution,
    MnnOperator,
    operator_tables,
    parameters,
    read_mnn,
)
from benchmarks.accusing.onnx_faults import Change

MnnFault: TypeAlias = Callable[[bytearray, MnnOperator], None]

HARD_SWISH, SILU = 31, 34
"""UnaryOpOperation of the schema."""

_COMMON, _RELU, _RELU6, _PADS = 0, 12, 13, 14
"""Convolution2D's first field, and fields of that table."""
_BYTES = (8, _RELU, _RELU6)
_ONES = (2, 3, 4, 5, 6, 7, 9)
"""Kernel, strides, dilations and group: 1 where the file has none."""


def weights(change: Change) -> MnnFault:
    """Return the fault of a convolution's weights, (outputs, rest)."""

    def made(data: bytearray, operator: MnnOperator) -> None:
        convolution = _convolution(operator)
        assert convolution.weight is not None
        _change(data, convolution.weight, convolution.outputs, change)

    return made


def bias(change: Change) -> MnnFault:
    """Return the fault of a convolution's bias."""

    def made(data: bytearray, operator: MnnOperator) -> None:
        span = _convolution(operator).bias
        assert span is not None
        _change(data, span, span.count, change)

    return made


def scale(change: Change) -> MnnFault:
    """Return the fault of the scale of a BatchNorm that stayed one, or of 8-bit weights."""

    def made(data: bytearray, operator: MnnOperator) -> None:
        if operator.convolution is None:
            span = _parameters(data, operator).span(1, 4)
            channels = 0 if span is None else span.count
        else:  # a least value and a scale for each channel
            span, channels = operator.convolution.scales, operator.convolution.outputs
        assert span is not None
        _change(data, span, channels, change)

    return made


def pads_moved(data: bytearray, operator: MnnOperator) -> None:
    """Move the padding above to below: the output keeps its shape."""
    top, left, bottom, right = _convolution(operator).pads
    _write_common(data, operator, pads=(top + 1, left, bottom - 1, right))


def activation(*, relu: bool = False, relu6: bool = False) -> MnnFault:
    """Return the fault of a convolution that ends in another activation, or in none."""
    return lambda data, operator: _write_common(data, operator, relu=relu, relu6=relu6)


def another_unary(kind: int) -> MnnFault:
    """Return the fault of an activation that is another, by its number in UnaryOpOperation."""

    def made(data: bytearray, operator: MnnOperator) -> None:
        at = _parameters(data, operator).place(0)
        assert at is not None
        struct.pack_into("<i", data, at, kind)

    return made


def inputs_swapped(data: bytearray, operator: MnnOperator) -> None:
    """Exchange the first two inputs: a concat's order, a subtraction's sides."""
    span = operator_tables(root_table(bytes(data)))[operator.index].span(0, 4)
    assert span is not None
    first, second = operator.inputs[:2]
    struct.pack_into("<2i", data, span.start, second, first)


def with_mnn_fault(data: bytes, tensor: str, fault: MnnFault) -> bytes:
    """Return a copy of the file with the fault at the operator named after ``tensor``."""
    found = next(each for each in read_mnn(data).operators if each.name == tensor)
    copy = bytearray(data)
    fault(copy, found)
    return bytes(copy)


def _convolution(operator: MnnOperator) -> MnnConvolution:
    assert operator.convolution is not None, f"{operator.name} is no convolution"
    return operator.convolution


def _parameters(data: bytearray, operator: MnnOperator) -> FlatTable:
    _kind, found = parameters(operator_tables(root_table(bytes(data)))[operator.index])
    assert found is not None
    return found


def _change(data: bytearray, span: Span, channels: int, change: Change) -> None:
    old = np.frombuffer(bytes(data), np.float32, span.count, span.start).reshape(channels, -1)
    new = np.asarray(change(old), np.float32).tobytes()
    data[span.start : span.start + len(new)] = new


def _write_common(
    data: bytearray,
    operator: MnnOperator,
    *,
    relu: bool | None = None,
    relu6: bool | None = None,
    pads: tuple[int, ...] | None = None,
) -> None:
    """Write the convolution's Convolution2DCommon anew, at the end, with what is given changed."""
    parent = _parameters(data, operator)
    old, pointer = parent.table(_COMMON), parent.place(_COMMON)
    assert old is not None
    assert pointer is not None
    fields = [
        old.byte(slot) if slot in _BYTES else old.integer(slot, int(slot in _ONES))
        for slot in range(_PADS)
    ]
    fields[_RELU] = fields[_RELU] if relu is None else int(relu)
    fields[_RELU6] = fields[_RELU6] if relu6 is None else int(relu6)
    pads = pads or old.integers(_PADS) or (fields[1], fields[0]) * 2
    data.extend(b"\0" * (-len(data) % 4))
    slots = len(fields) + 1
    vtable = struct.pack(
        f"<{2 + slots}H", 4 + 2 * slots, 4 + 4 * slots, *range(4, 4 + 4 * slots, 4)
    )
    vtable += b"\0" * (-len(vtable) % 4)
    table = len(data) + len(vtable)
    struct.pack_into("<I", data, pointer, table - pointer)
    data.extend(vtable)
    data.extend(struct.pack(f"<i{len(fields)}iI", len(vtable), *fields, 4))
    data.extend(struct.pack(f"<I{len(pads)}i", len(pads), *pads))
