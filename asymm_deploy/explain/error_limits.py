"""How large an operator's own error may be: beyond that it is no rounding.

Measured over clean models (the paper's networks, and others with attention, normalisation, resizing
and transposed convolutions): the largest own error was 2e-5 of the deviation in fp32.
"""

from __future__ import annotations

from asymm_deploy.bench.records import Precision
from asymm_deploy.engines.mnn_file import MnnConvolution
from asymm_deploy.explain.operator_graph import PlacedOperator

_ROUNDING: dict[Precision, float] = {"fp32": 1e-4, "fp16": 3e-2}
_GELU = 1e-2
"""MNN computes the erf-GELU with a quotient of polynomials: 1.4e-3 was the largest error of one."""
_NORMALISED = 1e-2
"""An even plane has no variance: what is left of it by rounding is blown up, by everybody."""
_WEIGHTS = ((16, 5e-3), (8, 5e-2), (4, 1.0))
"""What keeping weights in at least so many bits does to a convolution or a product."""
_FEWEST = 4.0
_INT8 = 0.5
"""Of an operator that computes or copies in 8 bits, by scales of whole tensors."""


def own_limit(
    operator: PlacedOperator, precision: Precision, *, weight_bits: int | None = None
) -> float:
    """Return the largest own error over the deviation that is no fault.

    ``weight_bits``: in how many bits the file keeps this operator's weights; None: in 32, or none.
    """
    limits = [_ROUNDING[precision]]
    if {"Erf", "Gelu"} & set(operator.nodes):
        limits.append(_GELU)
    if operator.int8 or operator.type in ("FloatToInt8", "Int8ToFloat"):
        limits.append(_INT8)
    if weight_bits is not None:
        limits.append(next((limit for bits, limit in _WEIGHTS if weight_bits >= bits), _FEWEST))
    return max(limits)


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
