"""The weights that an .mnn file really keeps, in whatever form: what a converter says is no proof.

An encoded buffer is: the number of axes in a byte, each axis in 16 or 32 bits, the number of values
that occur (0 stands for 256), those values in a byte each, then the place among them of every
weight, in as few bits as will do, the highest first. Two numbers for each row or block, or one,
make weights of these values.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.flat_table import DamagedTableError, FlatTable, Span, root_table
from asymm_deploy.engines.mnn_file import (
    CONVOLUTION,
    TYPE_NAMES,
    operators_with_bodies,
    parameters,
)

_Floats: TypeAlias = npt.NDArray[np.float32]
Form: TypeAlias = Literal["fp32", "fp16", "integer"]

# Numbers of fields, in the tables Op, Convolution2D, Convolution2DCommon and IDSTQuan.
_TYPE = 5
_COMMON, _WEIGHT, _QUANTISED = 0, 1, 3
_OUTPUTS = 10
_BUFFER, _SCALES, _KIND, _BITS, _LEAST, _ROWS, _WIDE_AXES = 0, 1, 2, 7, 8, 9, 11
_ENCODED, _HALF, _PLAIN = 1, 3, 4


class StoredWeights(msgspec.Struct, frozen=True, eq=False):
    """The weights of one convolution, or of a matrix product that became one."""

    operator: str
    type: str
    form: Form
    bits: int
    values: _Floats
    """What they stand for, in the order of the file."""
    rows: int
    """How many rows they are, each with steps of its own: the operator's channels."""
    place: Span | None
    """Where they stand in the file as float32; None if they are kept in fewer bits."""


def stored_weights(data: bytes) -> tuple[StoredWeights, ...]:
    """Return the weights of an .mnn file, operator by operator, those in loops and branches last.

    Operators without weights in the file are left out. Raises EngineError if it is damaged, or has
    weights in a form that isn't known.
    """
    found = []
    try:
        for name, operator in operators_with_bodies(root_table(data)):
            kind, table = parameters(operator)
            if kind != CONVOLUTION or table is None:
                continue
            number, common = operator.integer(_TYPE), table.table(_COMMON)
            kept = _kept(data, table, name)
            if kept is not None:
                form, bits, values = kept
                type_name = TYPE_NAMES.get(number, f"operator {number}")
                rows = 1 if common is None else common.integer(_OUTPUTS)
                place = table.span(_WEIGHT, 4) if form == "fp32" else None
                found.append(StoredWeights(name, type_name, form, bits, values, rows, place))
    except (DamagedTableError, ValueError, IndexError) as error:
        raise EngineError(f"the file's weights can't be read: {error}") from error
    return tuple(found)


def _kept(data: bytes, table: FlatTable, name: str) -> tuple[Form, int, _Floats] | None:
    plain, coded = table.span(_WEIGHT, 4), table.table(_QUANTISED)
    if plain is not None and plain.count:
        return "fp32", 32, np.frombuffer(data, "<f4", plain.count, plain.start)
    buffer = None if coded is None else coded.span(_BUFFER, 1)
    if coded is None or buffer is None or not buffer.count:
        return None
    kind = coded.integer(_KIND)
    if kind == _HALF:
        halves = np.frombuffer(data, "<f2", buffer.count // 2, buffer.start)
        return "fp16", 16, halves.astype(np.float32)
    if kind == _ENCODED:
        numbers = _decoded(data, buffer, wide=bool(coded.byte(_WIDE_AXES)))
    elif kind == _PLAIN:
        numbers = np.frombuffer(data, np.int8, buffer.count, buffer.start)
    else:
        raise EngineError(f"{name} keeps its weights in a form that isn't known, {kind}")
    bits = coded.integer(_BITS) if coded.integer(_LEAST) else 8
    return "integer", bits, _scaled(data, coded, numbers)


def _decoded(data: bytes, buffer: Span, *, wide: bool) -> npt.NDArray[np.int8]:
    """Return the integers of an encoded buffer."""
    raw = data[buffer.start : buffer.start + buffer.count]
    axes, width = raw[0], 4 if wide else 2
    at = 1 + axes * width
    count = int(np.prod(np.frombuffer(raw, f"<u{width}", axes, 1), dtype=np.int64))
    levels = raw[at] or 256
    table = np.frombuffer(raw, np.int8, levels, at + 1)
    bits = max(1, (levels - 1).bit_length())
    packed = np.frombuffer(raw, np.uint8, -(-count * bits // 8), at + 1 + levels)
    if bits == 8:
        return table[packed[:count]]
    each = np.unpackbits(packed)[: count * bits].reshape(count, bits)
    return table[each @ (1 << np.arange(bits)[::-1])]


def _scaled(data: bytes, coded: FlatTable, numbers: npt.NDArray[np.int8]) -> _Floats:
    """Return what the integers stand for: least + (number - lowest) * step, row by row."""
    scales = coded.span(_SCALES, 4)
    if scales is None or not scales.count:
        raise ValueError("integers without their steps")
    each = np.frombuffer(data, "<f4", scales.count, scales.start)
    whole = numbers.astype(np.float32)
    if coded.integer(_ROWS):
        least, step = each.reshape(-1, 2).T
        lowest = np.float32(coded.integer(_LEAST) or -128)
        rows = whole.reshape(len(step), -1) - lowest
        return np.asarray(least[:, None] + rows * step[:, None], np.float32).ravel()
    return np.asarray(whole.reshape(len(each), -1) * each[:, None], np.float32).ravel()
