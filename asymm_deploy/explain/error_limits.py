"""How large an operator's own error may be: beyond that it is no rounding.

Measured over clean models: the paper's 30 networks, and others with attention, normalisation,
resizing and transposed convolutions, in every form that a file keeps its weights in. The largest
own errors, as shares of the deviation: fp32 2e-5; weights in 16 bits 9e-3, in 8 bits 0.11, in 4
bits 2.4; fp16 arithmetic (emulated) 0.06, with Winograd's tiles 0.2; sigmoid in fp32 on ARM
(emulated) 7.5e-4; computed in 8 bits 0.54. A limit is about three to four times the largest.
"""

from __future__ import annotations

from typing import NamedTuple

from asymm_deploy.bench.records import Precision
from asymm_deploy.engines.mnn_file import MnnConvolution
from asymm_deploy.explain.placing.placed_operator import PlacedOperator


class OwnLimit(NamedTuple):
    """The largest own error over the deviation that is no fault."""

    largest: float
    reason: str | None
    """Why it is more than rounding in fp32."""


_ROUNDING = OwnLimit(1e-4, None)
_HALF = OwnLimit(0.15, "fp16 arithmetic")
_HALF_TILES = OwnLimit(0.6, "fp16 arithmetic in Winograd's tiles")
_HALF_REFERENCE = OwnLimit(3e-2, "the reference computes in 16 bits")
_INEXACT = (
    ({"Erf", "Gelu"}, OwnLimit(1e-2, "MNN computes the erf-GELU by a quotient of polynomials")),
    (
        {"InstanceNormalization"},
        OwnLimit(2e-2, "what rounding leaves of an even plane's variance is blown up"),
    ),
    (
        {"Exp", "Sigmoid", "Softmax", "LogSoftmax", "Tanh", "Elu", "Softplus", "Mish", "Swish"},
        OwnLimit(3e-3, "on ARM MNN computes exp by a polynomial"),
    ),
)
_INT8 = OwnLimit(2.0, "computed in 8 bits")
_INT8_POOL = OwnLimit(
    50.0, "in 8 bits MNN cuts what a pool reads to the range of what the pool makes"
)
_WEIGHTS = (
    (16, OwnLimit(3e-2, "weights and constants in 16 bits")),
    (8, OwnLimit(0.3, "weights in 8 bits")),
    (4, OwnLimit(6.0, "weights in 4 bits")),
    (0, OwnLimit(12.0, "weights in fewer than 4 bits")),
)


def own_limit(
    operator: PlacedOperator, precision: Precision, *, weight_bits: int | None = None
) -> OwnLimit:
    """Return how far an operator may be off when it is fed with the reference's values.

    ``weight_bits``: in how many bits the file keeps this operator's weights; None: in 32, or none.
    """
    limits = [_ROUNDING]
    if precision == "fp16":
        limits.append(_HALF_TILES if operator.kind == "convolution" else _HALF)
    if operator.half:
        limits.append(_HALF_REFERENCE)
    if operator.type != "Raster":
        limits += [limit for types, limit in _INEXACT if types & set(operator.nodes)]
    if operator.int8 or operator.type in ("FloatToInt8", "Int8ToFloat"):
        limits.append(_INT8_POOL if operator.node_type in _POOLS else _INT8)
    if weight_bits is not None:
        limits.append(next(limit for bits, limit in _WEIGHTS if weight_bits >= bits))
    return max(limits, key=lambda limit: limit.largest)


_POOLS = frozenset({"GlobalAveragePool", "AveragePool", "MaxPool", "GlobalMaxPool", "ReduceMean"})


def weight_bits(convolution: MnnConvolution | None, weights: int) -> int | None:
    """Return in how many bits a file keeps the ``weights`` of a convolution; None: in 32, or none.

    Encoded ones are a header, a table of the values that occur, and a number of each weight.
    """
    if convolution is None or convolution.encoded is None or not weights:
        return None
    size = convolution.encoded.count
    if size == 2 * weights:
        return 16
    sizes = {bits: -(-weights * bits // 8) + 2**bits for bits in range(2, 9)}
    return min(sizes, key=lambda bits: abs(size - sizes[bits]))
