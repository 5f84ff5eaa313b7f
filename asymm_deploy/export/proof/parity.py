"""Two artifacts' outputs on the same inputs -> how equal they are, and whether that is enough."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.tensors import Array

Numbers = npt.NDArray[np.float64]

FP32_TOLERANCE = 1e-4
"""Largest difference allowed in fp32, as a share of the reference outputs' standard deviation."""

MAP_TOLERANCE = 1e-2
"""The same for maps: heat maps, boxes, scores; there a value's distance from the mean counts, too.

A classifier's pooling averages the rounding of a whole map; here each of thousands of values shows
its own, and the worst counts. On the paper's networks ONNX Runtime differs from PyTorch by up to
2e-4 (pose) and 3e-3 (detection: its sums over maps of 208x208, in squeeze-and-excite, lose that
much where an image is even, and 75 layers follow).
"""

MAP_RMS_TOLERANCE = 5e-4
"""Largest root mean square of a map's differences over its deviation.

Rounding strikes single values. What is wrong everywhere by a little (boxes by half a pixel: 4e-3)
hides among them, and not here. On the paper's networks it is 2e-4 at the most.
"""

MIN_SPREAD = 0.05
"""Below this the outputs hardly depend on the input, and their agreement proves nothing.

Our networks fresh from torch's initialisation have about 1e-6. At 0.05 the tolerance still is
0.2 % of what an input can change (of maps 1 %, in the mean of squares).
"""

_TIE = 1e-6
"""Two largest values closer than this share of the deviation are one: float32 can't order them."""

_TIE_IN_MAPS = MAP_TOLERANCE
"""The same in maps, where equal places of an image give values that are equal but for rounding."""


class ParityReport(msgspec.Struct, frozen=True):
    """How far one stage's outputs are from the reference's, the worst over inputs and outputs.

    ``max_abs_error`` is in the output's own unit. ``relative_error`` is what ``relative_error``
    returns and ``rms_error`` the root mean square of the differences over the standard deviation of
    the reference's output (over all inputs and elements), with what they may be: all four of the
    output nearest to its tolerance or furthest above it. ``cosine`` is between whole outputs;
    ``argmax_agreement`` is a share, 1.0 when every argmax agrees; ``samples`` counts the inputs.
    NaN or infinity on either side makes the errors infinite.
    """

    max_abs_error: float
    relative_error: float
    cosine: float
    argmax_agreement: float
    samples: int
    tolerance: float = FP32_TOLERANCE
    rms_error: float = 0.0
    rms_tolerance: float = FP32_TOLERANCE

    @property
    def passed(self) -> bool:
        """Whether the stage is equal to the reference for fp32."""
        return self.strain <= 1.0 and self.argmax_agreement == 1.0

    @property
    def strain(self) -> float:
        """The larger error, as a share of what it may be."""
        return max(self.relative_error / self.tolerance, self.rms_error / self.rms_tolerance)


def compare_outputs(
    reference: Sequence[Sequence[Array]],
    candidate: Sequence[Sequence[Array]],
    allowances: Sequence[float] | None = None,
) -> ParityReport:
    """Compare outputs ``[input][output]`` of two sides; both have the same inputs in order.

    ``allowances`` are tolerances by output, where they are larger than the usual ones. Shapes must
    be equal but for axes of length one. Raises ValueError where the number of outputs or a shape
    differs, since such sides can't be the same function.
    """
    found = compare_each(reference, candidate, allowances)
    absolute = max((report.max_abs_error for report in found), default=0.0)
    worst = max(found, key=lambda report: report.strain, default=None)
    if worst is None:
        return ParityReport(0.0, 0.0, 1.0, 1.0, len(reference))
    return msgspec.structs.replace(
        worst,
        max_abs_error=absolute,
        cosine=min(report.cosine for report in found),
        argmax_agreement=float(np.mean([report.argmax_agreement for report in found])),
    )


def compare_each(
    reference: Sequence[Sequence[Array]],
    candidate: Sequence[Sequence[Array]],
    allowances: Sequence[float] | None = None,
) -> list[ParityReport]:
    """Return a report of each output, as ``compare_outputs`` does of all."""
    count = _count_outputs(reference, candidate)
    granted = [0.0] * count if allowances is None else allowances
    return [
        _compared(
            index,
            [sample[index] for sample in reference],
            [sample[index] for sample in candidate],
            granted[index],
        )
        for index in range(count)
    ]


def _compared(
    index: int, reference: Sequence[Array], candidate: Sequence[Array], allowance: float
) -> ParityReport:
    expected = np.stack([np.asarray(output, dtype=np.float64) for output in reference])
    found = np.stack([np.asarray(output, dtype=np.float64) for output in candidate])
    if np.squeeze(expected).shape != np.squeeze(found).shape:
        raise ValueError(
            f"output {index} has shape {found.shape[1:]}, the reference {expected.shape[1:]}"
        )
    dense = is_map(reference[0])
    limits = {
        "tolerance": max(tolerance(reference[0]), allowance),
        "rms_tolerance": max(rms_tolerance(reference[0]), allowance),
    }
    expected, found = expected.reshape(len(expected), -1), found.reshape(len(found), -1)
    if expected.shape[1] == 0:
        return ParityReport(0.0, 0.0, 1.0, 1.0, len(expected), **limits)
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        wrong = float("inf")
        return ParityReport(wrong, wrong, 0.0, 0.0, len(expected), rms_error=wrong, **limits)
    deviation = float(expected.std())
    tie = (_TIE_IN_MAPS if dense else _TIE) * deviation
    return ParityReport(
        max_abs_error=float(np.abs(expected - found).max()),
        relative_error=relative_error(expected, found, deviation, dense=dense),
        cosine=_least_cosine(expected, found),
        argmax_agreement=_agreeing_argmaxes(expected, found, tie) / len(expected),
        samples=len(expected),
        rms_error=rms_error(expected, found, deviation),
        **limits,
    )


def relative_error(expected: Numbers, found: Numbers, deviation: float, *, dense: bool) -> float:
    """Return the largest difference over the ``deviation`` of what is expected.

    In a map (``dense``) over that and the value's own distance from the mean together: a box is the
    exponential of a prediction, and the largest one of thousands is a hundred deviations away.
    """
    difference = np.abs(expected - found)
    if not dense or deviation == 0.0:
        return _ratio(float(difference.max()), deviation)
    return float((difference / (deviation + np.abs(expected - expected.mean()))).max())


def rms_error(expected: Numbers, found: Numbers, deviation: float) -> float:
    """Return the root mean square of the differences over the ``deviation`` of what is expected."""
    return _ratio(float(np.sqrt(np.mean((expected - found) ** 2))), deviation)


def errors(expected: Array, found: Array, deviation: float) -> tuple[float, float]:
    """Return the relative error and the root mean square of one output for one input."""
    ours, theirs = (np.asarray(side, dtype=np.float64).ravel() for side in (expected, found))
    if ours.size == 0:
        return 0.0, 0.0
    relative = relative_error(ours, theirs, deviation, dense=is_map(expected))
    return relative, rms_error(ours, theirs, deviation)


def deviation_or_size(outputs: Sequence[Array]) -> float:
    """Return the deviation of an output over inputs; its size where it is one number everywhere."""
    values = np.stack([np.asarray(output, dtype=np.float64) for output in outputs])
    if values.size == 0:
        return 1.0
    return float(values.std()) or float(np.abs(values).max()) or 1.0


def tolerance(output: Array) -> float:
    """Return the largest relative error that ``output`` may have."""
    return MAP_TOLERANCE if is_map(output) else FP32_TOLERANCE


def rms_tolerance(output: Array) -> float:
    """Return the largest error that ``output`` may have in the root mean square."""
    return MAP_RMS_TOLERANCE if is_map(output) else FP32_TOLERANCE


def is_map(output: Array) -> bool:
    """Whether each value of ``output`` stands for a place: three axes or more, but for 1x1 maps."""
    return output.ndim == 3 or (output.ndim > 3 and any(side > 1 for side in output.shape[2:]))


def spread(outputs: Sequence[Sequence[Array]]) -> float:
    """Return how much the outputs vary over the inputs, relative to all that they vary.

    Per output: the root mean square, over elements, of the standard deviation over inputs, divided
    by the deviation over both, which tolerances are shares of. The smallest of them counts, except
    that an output which is the same number by number for every input (anchors, say) is left out.
    0 where nothing varies or where a value is not finite.
    """
    spreads = []
    for index in range(len(outputs[0])):
        values = np.stack([np.asarray(sample[index], dtype=np.float64) for sample in outputs])
        if values.size == 0 or (values == values[0]).all():
            continue
        if not np.isfinite(values).all():
            return 0.0
        spreads.append(float(np.sqrt(np.mean(values.var(axis=0)))) / float(values.std()))
    return min(spreads, default=0.0)


def _count_outputs(
    reference: Sequence[Sequence[Array]], candidate: Sequence[Sequence[Array]]
) -> int:
    if len(reference) != len(candidate):
        raise ValueError(f"{len(candidate)} results for {len(reference)} inputs")
    counts = {len(sample) for side in (reference, candidate) for sample in side}
    if len(counts) != 1:
        raise ValueError(f"the number of outputs differs: {sorted(counts)}")
    return counts.pop()


def _ratio(difference: float, deviation: float) -> float:
    if difference == 0.0:
        return 0.0
    return difference / deviation if deviation > 0.0 else float("inf")


def _least_cosine(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> float:
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    both_zero = (np.abs(ours).max(axis=1) == 0) & (np.abs(theirs).max(axis=1) == 0)
    products = np.einsum("ij,ij->i", ours, theirs)
    cosines = np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)
    return float(min(1.0, np.where(both_zero, 1.0, cosines).min()))


def _agreeing_argmaxes(
    ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], tie: float
) -> int:
    picked = np.take_along_axis(ours, theirs.argmax(axis=1)[:, None], axis=1)[:, 0]
    return int(np.count_nonzero(picked >= ours.max(axis=1) - tie))
