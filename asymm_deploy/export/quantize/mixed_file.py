"""An fp32 file and its int8 file -> a file of which some convolutions are int8, the others fp32.

MNN's quantiser can't leave operators out, but its converter can put int8 in: given the steps of
some convolutions (``--compressionParamsFile``), it writes an fp32 file anew with these in int8. The
steps are those that the quantiser found. MNN's engine converts between int8 and floating point
where an int8 operator meets another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.flat_table import Span
from asymm_deploy.engines.mnn_file import Int8Steps, MnnConvolution, MnnOperator, read_mnn
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.mnn import to_mnn
from asymm_deploy.export.quantize.pooled_ranges import NO_RANGES, Range, add_ranges

_LARGEST = 127
"""Of the whole numbers that stand for weights."""
_EQUAL = 0.02
"""Share of a convolution's largest weight by which a channel's may differ in the two files."""

_Floats: TypeAlias = npt.NDArray[np.float32]


class Int8Convolution(msgspec.Struct, frozen=True, kw_only=True):
    """How a convolution of the fp32 file is computed in int8."""

    name: str
    """MNN's, of the operator in the fp32 file."""
    reads: str
    """The tensor of the fp32 file that it reads."""
    writes: str
    scales: tuple[float, ...]
    """The step of the weights, for each channel of the output."""
    steps: Int8Steps


def int8_convolutions(int8: Path, fp32: Path) -> tuple[Int8Convolution, ...]:
    """Return the convolutions that are int8 in one file, by their names in the other.

    In the order of the fp32 file. The quantiser renames operators, so they are known by their
    shapes and weights. Raises ConversionError where a file is damaged, and where the two aren't of
    one model.
    """
    coded, plain = _Opened(int8), _Opened(fp32)
    left = [each for each in plain.convolutions if each[1].weight and len(each[0].inputs) == 1]
    largest = {each[0].index: plain.largest_weights(each[1]) for each in left}
    found: dict[int, Int8Convolution] = {}
    for operator, convolution in coded.convolutions:
        steps, scales = convolution.int8, coded.floats(convolution.scales)
        if steps is None:
            continue
        match = next(
            (
                each
                for each in left
                if _shape(each[1]) == _shape(convolution)
                and _are_steps_of(scales, largest[each[0].index])
            ),
            None,
        )
        if match is None:
            raise ConversionError(
                f"{int8.name} and {fp32.name} aren't of one model: {operator.name} has other "
                "weights",
                "export both anew with --force",
            )
        left.remove(match)
        found[match[0].index] = Int8Convolution(
            name=match[0].name,
            reads=plain.tensors[match[0].inputs[0]],
            writes=plain.tensors[match[0].outputs[0]],
            scales=tuple(float(each) for each in scales),
            steps=steps,
        )
    return tuple(found[index] for index in sorted(found))


def write_mixed(
    fp32: Path,
    convolutions: Sequence[Int8Convolution],
    into: Path,
    ranges: Mapping[str, Range] = NO_RANGES,
) -> None:
    """Write ``fp32`` anew to ``into``, with ``convolutions`` in int8.

    ``ranges`` are of what its poolings read (``pooled_ranges``), which MNN cuts without. Raises
    ConversionError where MNN's converter writes no file, or leaves one of them in fp32: it doesn't
    say so.
    """
    with TemporaryDirectory(prefix="asymm-mixed-") as folder:
        parameters = Path(folder) / "steps.json"  # a file called otherwise is read as protobuf
        parameters.write_bytes(msgspec.json.encode(_compression(convolutions)))
        into.unlink(missing_ok=True)
        to_mnn(fp32, into, ("--compressionParamsFile", str(parameters)))
    left = sorted({each.name for each in convolutions} - set(names_in_int8(into)))
    if left:
        raise ConversionError(
            f"MNN's converter left {', '.join(left)} in fp32",
            "take --quantize int8: it is made by MNN's quantiser, not by its converter",
        )
    add_ranges(into, ranges)


def names_in_int8(model: Path) -> tuple[str, ...]:
    """Return the convolutions of an .mnn file that are computed in int8, in order."""
    return tuple(
        operator.name for operator, found in _Opened(model).convolutions if found.int8 is not None
    )


class _Opened:
    """An .mnn file with its values."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        try:
            file = read_mnn(self._data)
        except EngineError as error:
            raise ConversionError(f"{path.name}: {error}", "export it again with --force") from None
        self.tensors = file.tensors
        self.convolutions: list[tuple[MnnOperator, MnnConvolution]] = [
            (each, each.convolution) for each in file.operators if each.convolution is not None
        ]

    def floats(self, span: Span | None) -> _Floats:
        if span is None:
            return np.empty(0, np.float32)
        return np.frombuffer(self._data, np.float32, span.count, span.start)

    def largest_weights(self, convolution: MnnConvolution) -> _Floats:
        """Return the largest size of a weight, for each channel of the output."""
        weights = self.floats(convolution.weight).reshape(convolution.outputs, -1)
        largest: _Floats = np.abs(weights).max(axis=1)
        return largest


def _shape(convolution: MnnConvolution) -> tuple[Any, ...]:
    found = convolution
    return (found.kernel, found.strides, found.dilations, found.groups, found.outputs)


def _are_steps_of(scales: _Floats, largest: _Floats) -> bool:
    if scales.shape != largest.shape:
        return False
    apart = np.abs(scales * _LARGEST - largest)[largest > 0]
    return bool((apart <= _EQUAL * largest.max()).all())


def _compression(convolutions: Sequence[Int8Convolution]) -> dict[str, Any]:
    """Return MNN's Compression.Pipeline (tools/converter/source/compression) as JSON."""
    layers = list(map(_layer, convolutions))
    quantised = [{"type": "QUANTIZE", "quantParams": {"layer": layers}}] if layers else []
    return {"version": "0.0.0", "algo": quantised}


def _layer(convolution: Int8Convolution) -> dict[str, Any]:
    steps = convolution.steps
    bounds = {"bits": 8, "clampMin": steps.least, "clampMax": steps.most}
    found: dict[str, Any] = {
        "input": [
            {
                "name": convolution.reads,
                "scales": [steps.step_in],
                "zeroPoint": steps.zero_in,
                **bounds,
            }
        ],
        "weight": [
            {
                "name": convolution.name,
                "bits": 8,
                "scales": convolution.scales,
                "clampMin": -_LARGEST,
                "clampMax": _LARGEST,
            }
        ],
        "output": [
            {
                "name": convolution.writes,
                "scales": [steps.step_out],
                "zeroPoint": steps.zero_out,
                **bounds,
            }
        ],
    }
    if steps.winograd:
        found["method"] = "WinogradAware"
        found["winoParams"] = {"version": 0, "unitsAttr": steps.winograd}
    return found
