"""What an average pooling reads gets a range of its own in an int8 file: MNN cuts it otherwise.

Where the mean of a plane is read by an int8 operator, MNN's engine takes the mean's range for the
plane as well, which it has no range of. All that is larger than the largest mean is cut off before
the mean is taken: squeeze-and-excitation and classifiers lose most of what int8 loses there. MNN's
tools can't add a range, so it is written to the file. Pooling then computes in floating point.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import msgspec
import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.flat_table import DamagedTableError, FlatTable, root_table
from asymm_deploy.engines.mnn_file import TYPE_NAMES, operator_tables, parameters, read_mnn
from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.onnx_graph import load_onnx
from asymm_deploy.export.proof.graph_values import graph_values, producers

Range: TypeAlias = tuple[float, float]
"""The least and the largest value."""
NO_RANGES: Mapping[str, Range] = MappingProxyType({})

# Numbers of fields, in the tables Net, Op, Pool, Pool3D, TensorDescribe and TensorQuantInfo.
_NET_DESCRIBED, _NET_TENSORS = 1, 7
_INPUTS, _OUTPUTS, _TYPE = 0, 4, 5
_POOL_TYPE = {"Pooling": 7, "Pooling3D": 3}
_AVERAGE = 1
_INDEX, _STEPS = 1, 4
_STEP, _ZERO, _LEAST, _MOST, _DATA_TYPE = range(5)

_PASSING_ON = frozenset(
    [
        "ReLU",
        "ReLU6",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "ConvertTensor",
        "Permute",
        "Transpose",
    ]
)
"""Operators through which MNN hands ranges on, from what they write to what they read."""
_CONVERTED = "__before_tr"
"""Ends MNN's name of a tensor that the converter split in two, for two orders in memory."""
_AT_A_TIME = 8
"""Samples whose planes are in memory together."""
_LARGEST = 127
"""Of the whole numbers that stand for values; the least is its negative."""


class _Described(msgspec.Struct, frozen=True):
    """What stands in the file about one tensor in int8."""

    tensor: int
    step: float
    zero: float
    least: float
    most: float
    data_type: int


def pooled_tensors(model: Path) -> tuple[str, ...]:
    """Return what the average poolings of an .mnn file read, by their names in ONNX."""
    net = _net(model)
    names = net.texts(_NET_TENSORS)
    return tuple(dict.fromkeys(_plain(names[read]) for read, _ in _poolings(net)))


def ranges_of(onnx: Path, tensors: Sequence[str], samples: Sequence[Arrays]) -> dict[str, Range]:
    """Return the ranges of tensors over ``samples``; those without finite ones are left out."""
    model = load_onnx(onnx)
    made = producers(model.graph)
    known = [name for name in tensors if name in made]
    ranges: dict[str, Range] = {}
    for start in range(0, len(samples), _AT_A_TIME):
        values = graph_values(model, samples[start : start + _AT_A_TIME], known)
        if values is None:
            return {}
        for name in known:
            least, most = ranges.get(name, (0.0, 0.0))
            arrays = [each[name] for each in values if each[name].size]
            ranges[name] = (
                min([least, *(float(np.min(array)) for array in arrays)]),
                max([most, *(float(np.max(array)) for array in arrays)]),
            )
    return {name: found for name, found in ranges.items() if np.isfinite(found).all()}


def add_ranges(model: Path, ranges: Mapping[str, Range]) -> tuple[str, ...]:
    """Write to an int8 file the ranges of what its poolings read; return the tensors that got one.

    Those are left as they are that MNN doesn't cut, or that ``ranges`` doesn't have. Raises
    ConversionError if the file is damaged.
    """
    net, data = _net(model), model.read_bytes()
    names = net.texts(_NET_TENSORS)
    described = _described(net)
    at = net.place(_NET_DESCRIBED)
    if not described or at is None:
        return ()
    ranged = {each.tensor for each in described}
    added = []
    for read in _cut(net, ranged):
        found = ranges.get(_plain(names[read]))
        if found is not None and found[1] > found[0]:
            described.append(_with_range(read, found, described[0].data_type))
            added.append(_plain(names[read]))
    if added:
        start = -(-len(data) // 4) * 4
        content = bytearray(data.ljust(start, b"\0")) + _encoded(described)
        struct.pack_into("<I", content, at, start - at)
        model.write_bytes(content)
    return tuple(added)


def _net(model: Path) -> FlatTable:
    try:
        data = model.read_bytes()
        read_mnn(data)
        return root_table(data)
    except (DamagedTableError, EngineError) as error:
        raise ConversionError(f"{model.name}: {error}", "export it again with --force") from error


def _plain(name: str) -> str:
    return name.removesuffix(_CONVERTED)


def _poolings(net: FlatTable) -> list[tuple[int, int]]:
    """Return what each average pooling reads and writes."""
    found = []
    for operator in operator_tables(net):
        slot = _POOL_TYPE.get(TYPE_NAMES.get(operator.integer(_TYPE), ""))
        table = parameters(operator)[1]
        if slot is not None and table is not None and table.byte(slot) == _AVERAGE:
            found += _first_ends(operator)
    return found


def _first_ends(operator: FlatTable) -> list[tuple[int, int]]:
    """Return the first tensors that it reads and writes, as a list of one; empty without them."""
    return list(zip(operator.integers(_INPUTS)[:1], operator.integers(_OUTPUTS)[:1], strict=False))


def _cut(net: FlatTable, ranged: set[int]) -> list[int]:
    """Return the tensors that MNN gives the range of their means."""
    reached = set(ranged)
    for operator in reversed(operator_tables(net)):  # they are in the order in which they run
        if TYPE_NAMES.get(operator.integer(_TYPE)) in _PASSING_ON:
            reached |= {read for read, written in _first_ends(operator) if written in reached}
    reads = dict.fromkeys(read for read, written in _poolings(net) if written in reached)
    return [read for read in reads if read not in ranged]


def _described(net: FlatTable) -> list[_Described]:
    """Return what stands in the file about tensors; nothing where there is more than steps."""
    found = []
    for table in net.tables(_NET_DESCRIBED):
        steps = table.table(_STEPS)
        if steps is None:
            return []
        found.append(
            _Described(
                table.integer(_INDEX),
                steps.real(_STEP),
                steps.real(_ZERO),
                steps.real(_LEAST),
                steps.real(_MOST),
                steps.integer(_DATA_TYPE),
            )
        )
    return found


def _with_range(tensor: int, found: Range, data_type: int) -> _Described:
    step = (found[1] - found[0]) / (2 * _LARGEST)
    zero = round(-_LARGEST - found[0] / step)
    return _Described(tensor, step, zero, -_LARGEST, _LARGEST, data_type)


def _encoded(described: Sequence[_Described]) -> bytes:
    """Return a flatbuffer's vector of TensorDescribe; all its offsets point forward.

    Each table is 12 bytes, and the steps that it points to are 24. The two layouts, which all
    tables share, lie in front of them.
    """
    count = len(described)
    layouts = 4 + 4 * count
    steps_layout = layouts + 16
    tables = steps_layout + 16
    steps = tables + 12 * count
    content = bytearray(struct.pack("<I", count))
    for number in range(count):
        at = 4 + 4 * number
        content += struct.pack("<I", tables + 12 * number - at)
    content += struct.pack("<8H", 14, 12, 0, 4, 0, 0, 8, 0)
    content += struct.pack("<8H", 14, 24, 4, 8, 12, 16, 20, 0)
    for number, each in enumerate(described):
        at = tables + 12 * number
        content += struct.pack("<iiI", at - layouts, each.tensor, steps + 24 * number - (at + 8))
    for number, each in enumerate(described):
        at = steps + 24 * number
        values = (each.step, each.zero, each.least, each.most, each.data_type)
        content += struct.pack("<iffffi", at - steps_layout, *values)
    return bytes(content)
