"""Two sides' outputs for the same inputs -> how far apart they are, and whether that passes."""

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
"""The same for maps (heat maps, boxes, scores), where a value's distance from the mean counts too.

A classifier's pooling averages the rounding of a whole map. Here each of thousands of values shows
its own rounding, and the worst counts. On the paper's networks ONNX Runtime differs from PyTorch by
up to 2e-4 (pose) and 3e-3 (detection: squeeze-and-excite sums over maps of 208x208, which loses
that much where an image is even, and 75 layers follow).
"""

MAP_RMS_TOLERANCE = 5e-4
"""Largest root mean square of a map's differences, as a share of its deviation.

Rounding strikes single values. An output that is slightly wrong everywhere (boxes off by half a
pixel: 4e-3) passes the tolerance above, but not this one. On the paper's networks it is at most
2e-4.
"""

MIN_SPREAD = 0.05
"""Below this the outputs hardly depend on the input, and their agreement proves nothing.

Our networks have about 1e-6 as torch initialises them. At 0.05 the tolerance is still 0.2 % of
what an input can change (for maps 1 %, in the root mean square).
"""

_TIE = 1e-6
"""Two largest values closer than this share of the deviation tie: float32 can't order them."""

_TIE_IN_MAPS = MAP_TOLERANCE
"""The same for maps: equal places of an image give values that differ by rounding alone."""


class ParityReport(msgspec.Struct, frozen=True):
    """How far one side's outputs are from the reference's, over all inputs and outputs.

    The two errors and their tolerances are those of one output: the one nearest to its tolerance,
    or furthest above it. NaN or infinity on either side makes the errors infinite.
    """

    max_abs_error: float
    """Largest difference in any output, in that output's own unit."""
    relative_error: float
    """Largest difference over the standard deviation of the reference's output.

    The deviation is over all inputs and elements. For maps see the function ``relative_error``.
    """
    cosine: float
    """Least cosine between the two sides of any output for any input."""
    argmax_agreement: float
    """Share of outputs and inputs whose argmax agrees; 1.0 where all do."""
    samples: int
    """Number of inputs."""
    tolerance: float = FP32_TOLERANCE
    """Largest ``relative_error`` that passes."""
    rms_error: float = 0.0
    """Root mean square of the differences, over the same deviation."""
    rms_tolerance: float = FP32_TOLERANCE
    """Largest ``rms_error`` that passes."""

    @property
    def passed(self) -> bool:
        """Whether the side counts as equal to the reference in fp32."""
        return self.strain <= 1.0 and self.argmax_agreement == 1.0

    @property
    def strain(self) -> float:
        """The larger of both errors, each as a share of its tolerance."""
        return max(self.relative_error / self.tolerance, self.rms_error / self.rms_tolerance)


def compare_outputs(
    reference: Sequence[Sequence[Array]],
    candidate: Sequence[Sequence[Array]],
    allowances: Sequence[float] | None = None,
) -> ParityReport:
    """Compare the outputs ``[input][output]`` of two sides for the same inputs, in one order.

    ``allowances`` has a tolerance for each output, which counts where it is larger than the usual
    one. Shapes must be equal but for axes of length one. Raises ValueError where the number of
    outputs or a shape differs: such sides can't be the same function.
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
    """Return a report for each output alone; see ``compare_outputs``."""
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
    """Return the largest difference as a share of the ``deviation`` of ``expected``.

    In a map (``dense``) each difference is a share of the deviation plus the value's own distance
    from the mean: a box is the exponential of a prediction, and the largest of thousands is a
    hundred deviations away.
    """
    difference = np.abs(expected - found)
    if not dense or deviation == 0.0:
        return _ratio(float(difference.max()), deviation)
    return float((difference / (deviation + np.abs(expected - expected.mean()))).max())


def rms_error(expected: Numbers, found: Numbers, deviation: float) -> float:
    """Return the root mean square of the differences as a share of the ``deviation``."""
    return _ratio(float(np.sqrt(np.mean((expected - found) ** 2))), deviation)


def errors(expected: Array, found: Array, deviation: float) -> tuple[float, float]:
    """Return the relative and the root-mean-square error of one output for one input."""
    ours, theirs = (np.asarray(side, dtype=np.float64).ravel() for side in (expected, found))
    if ours.size == 0:
        return 0.0, 0.0
    relative = relative_error(ours, theirs, deviation, dense=is_map(expected))
    return relative, rms_error(ours, theirs, deviation)


def deviation_or_size(outputs: Sequence[Array]) -> float:
    """Return the standard deviation of an output over inputs and elements.

    Where it is one number everywhere, return the size of that number, or 1.0 if it is zero.
    """
    values = np.stack([np.asarray(output, dtype=np.float64) for output in outputs])
    if values.size == 0:
        return 1.0
    return float(values.std()) or float(np.abs(values).max()) or 1.0


def tolerance(output: Array) -> float:
    """Return the largest relative error that ``output`` may have."""
    return MAP_TOLERANCE if is_map(output) else FP32_TOLERANCE


def rms_tolerance(output: Array) -> float:
    """Return the largest root-mean-square error that ``output`` may have."""
    return MAP_RMS_TOLERANCE if is_map(output) else FP32_TOLERANCE


def is_map(output: Array) -> bool:
    """Tell whether each value stands for a place: three axes or more, except 1x1 maps."""
    return output.ndim == 3 or (output.ndim > 3 and any(side > 1 for side in output.shape[2:]))


def spread(outputs: Sequence[Sequence[Array]]) -> float:
    """Return how much the outputs vary with the input, as a share of how much they vary at all.

    For one output: the root mean square, over elements, of the standard deviation over inputs,
    divided by the deviation over both. The least of all outputs counts. An output that is the same
    for every input (anchors, say) is left out. 0 where nothing varies or a value is not finite.
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
