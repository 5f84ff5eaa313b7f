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
"""Below this the outputs hardly depend on the input, and the usual agreement proves nothing.

At 0.05 the tolerance is 0.2 % of what an input can change (for maps 1 %, in the root mean square).
Below, it is made smaller in proportion, so that it stays so: boxes that are decoded against their
anchors vary little beside what they have in common.
"""

LEAST_SPREAD = 1e-3
"""Below this such a tolerance is within float32's rounding, and nothing can be proven.

Our networks have about 1e-6 as torch initialises them.
"""

MOST_DIFFERING = 1e-3
"""Largest share of an integer or boolean output's elements that may differ for one input.

They follow from comparing numbers, and rounding decides between equal ones: in an argmax map of
224x224 pixels two or three may flip.
"""

_TIE = 1e-6
"""Two largest values closer than this share of the deviation tie: float32 can't order them."""

_TIE_IN_MAPS = MAP_TOLERANCE
"""The same for maps: equal places of an image give values that differ by rounding alone."""


class ParityReport(msgspec.Struct, frozen=True):
    """How far one side's outputs are from the reference's, over all inputs and outputs.

    The two errors and their tolerances are those of one output: the one nearest to its tolerance,
    or furthest above it. NaN or infinity on either side makes the errors infinite. Of an integer or
    boolean output, the relative error is the share of elements that differ, for the input where it
    is largest, and there is no root mean square.
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
    one. Shapes must be equal but for axes of length one; they may differ from input to input.
    Raises ValueError where the number of outputs or a shape differs: such sides can't be the same
    function.
    """
    return worst_of(compare_each(reference, candidate, allowances), len(reference))


def worst_of(found: Sequence[ParityReport], samples: int) -> ParityReport:
    """Return one report for several outputs: the worst of them, with what holds for all."""
    worst = max(found, key=lambda report: report.strain, default=None)
    if worst is None:
        return ParityReport(0.0, 0.0, 1.0, 1.0, samples)
    return msgspec.structs.replace(
        worst,
        max_abs_error=max(report.max_abs_error for report in found),
        cosine=min(report.cosine for report in found),
        argmax_agreement=float(np.mean([report.argmax_agreement for report in found])),
    )


def compare_each(
    reference: Sequence[Sequence[Array]],
    candidate: Sequence[Sequence[Array]],
    allowances: Sequence[float] | None = None,
) -> list[ParityReport]:
    """Return a report for each output alone; see ``compare_outputs``."""
    count = count_outputs(reference, candidate)
    granted = [0.0] * count if allowances is None else allowances
    return [
        compare_output(
            f"output {index}",
            [sample[index] for sample in reference],
            [sample[index] for sample in candidate],
            granted[index],
        )
        for index in range(count)
    ]


def compare_output(
    name: str, reference: Sequence[Array], candidate: Sequence[Array], allowance: float = 0.0
) -> ParityReport:
    """Return how far one output is from the reference; see ``compare_outputs``."""
    for expected, found in zip(reference, candidate, strict=True):
        if np.squeeze(expected).shape != np.squeeze(found).shape:
            raise ValueError(f"{name} has shape {found.shape}, the reference {expected.shape}")
    if is_counted(reference[0]):
        return _counted(reference, candidate, allowance)
    limits = {
        "tolerance": max(tolerance(reference[0]), allowance),
        "rms_tolerance": max(rms_tolerance(reference[0]), allowance),
    }
    pairs = [_finite(*pair) for pair in zip(reference, candidate, strict=True)]
    samples = len(pairs)
    if any(pair is None for pair in pairs):
        wrong = float("inf")
        return ParityReport(wrong, wrong, 0.0, 0.0, samples, rms_error=wrong, **limits)
    filled = [pair for pair in pairs if pair is not None and pair[0].size]
    if not filled:
        return ParityReport(0.0, 0.0, 1.0, 1.0, samples, **limits)
    dense = is_map(reference[0])
    every_expected = np.concatenate([ours for ours, _theirs in filled])
    every_found = np.concatenate([theirs for _ours, theirs in filled])
    deviation = float(every_expected.std())
    granted = allowance if allowance > tolerance(reference[0]) else 0.0
    tie = max(_TIE_IN_MAPS if dense else _TIE, granted) * deviation
    agreeing = sum(_argmaxes_agree(*pair, tie) for pair in filled)
    return ParityReport(
        max_abs_error=float(np.abs(every_expected - every_found).max()),
        relative_error=relative_error(every_expected, every_found, deviation, dense=dense),
        cosine=min(_cosine(*pair) for pair in filled),
        argmax_agreement=agreeing / len(filled),
        samples=samples,
        rms_error=rms_error(every_expected, every_found, deviation),
        **limits,
    )


def is_counted(output: Array) -> bool:
    """Tell whether the output's elements are counted, not measured: integers and booleans."""
    return output.dtype.kind in "iub"


def _counted(
    reference: Sequence[Array], candidate: Sequence[Array], allowance: float
) -> ParityReport:
    share, largest = 0.0, 0.0
    for expected, found in zip(reference, candidate, strict=True):
        apart = np.abs(_numbers(expected) - _numbers(found))
        if apart.size:  # each input by itself: what one value breaks, nine others would hide
            share = max(share, np.count_nonzero(apart) / apart.size)
            largest = max(largest, float(apart.max()))
    return ParityReport(
        largest, share, 1.0, 1.0, len(reference), tolerance=max(MOST_DIFFERING, allowance)
    )


def _numbers(output: Array) -> Numbers:
    return np.asarray(output, dtype=np.float64).ravel()


def _finite(expected: Array, found: Array) -> tuple[Numbers, Numbers] | None:
    """Return both sides' values, or None where one of them is not finite."""
    ours, theirs = _numbers(expected), _numbers(found)
    return (ours, theirs) if np.isfinite(ours).all() and np.isfinite(theirs).all() else None


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
    if is_counted(expected):
        return compare_output("output", [expected], [found]).relative_error, 0.0
    pair = _finite(expected, found)
    if pair is None:
        return float("inf"), float("inf")
    if pair[0].size == 0:
        return 0.0, 0.0
    return relative_error(*pair, deviation, dense=is_map(expected)), rms_error(*pair, deviation)


def deviation_or_size(outputs: Sequence[Array]) -> float:
    """Return the standard deviation of an output over inputs and elements.

    Where it is one number everywhere, return the size of that number, or 1.0 if it is zero.
    """
    values = np.concatenate([_numbers(output) for output in outputs])
    if values.size == 0:
        return 1.0
    return float(values.std()) or float(np.abs(values).max()) or 1.0


def tolerance(output: Array) -> float:
    """Return the largest relative error that ``output`` may have."""
    return MAP_TOLERANCE if is_map(output) else FP32_TOLERANCE


def usual_tolerance(output: Array) -> float:
    """Return the largest relative error that passes where nothing is granted, of any output.

    Of an integer or boolean output, that is the share of elements that may differ.
    """
    return MOST_DIFFERING if is_counted(output) else tolerance(output)


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
    for every input (anchors, say) is left out, and one whose shape depends on the input varies
    fully. 0 where nothing varies or a value is not finite.
    """
    return least_spread(spreads(outputs))


def least_spread(found: Sequence[float | None]) -> float:
    """Return the least of several outputs' spreads, those left out that never vary."""
    return min((value for value in found if value is not None), default=0.0)


def spreads(outputs: Sequence[Sequence[Array]]) -> tuple[float | None, ...]:
    """Return each output's spread by itself; None for one that is the same for every input."""
    return tuple(
        None if is_same_for_all(outputs, index) else _spread_of(outputs, index)
        for index in range(len(outputs[0]))
    )


def _spread_of(outputs: Sequence[Sequence[Array]], index: int) -> float:
    if len({sample[index].shape for sample in outputs}) > 1:
        return 1.0
    values = np.stack([np.asarray(sample[index], dtype=np.float64) for sample in outputs])
    if not np.isfinite(values).all():
        return 0.0
    return float(np.sqrt(np.mean(values.var(axis=0)))) / float(values.std())


def is_same_for_all(outputs: Sequence[Sequence[Array]], index: int) -> bool:
    """Tell whether an output is exactly the same for every input, or has no elements."""
    first = outputs[0][index]
    return all(np.array_equal(sample[index], first) for sample in outputs)


def count_outputs(
    reference: Sequence[Sequence[Array]], candidate: Sequence[Sequence[Array]]
) -> int:
    """Return how many outputs both sides have; ValueError if they differ in that or in inputs."""
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


def _cosine(ours: Numbers, theirs: Numbers) -> float:
    norms = float(np.linalg.norm(ours)) * float(np.linalg.norm(theirs))
    if not (ours.any() or theirs.any()):
        return 1.0
    return min(1.0, float(ours @ theirs) / norms) if norms > 0 else 0.0


def _argmaxes_agree(ours: Numbers, theirs: Numbers, tie: float) -> bool:
    return bool(ours[theirs.argmax()] >= ours.max() - tie)
