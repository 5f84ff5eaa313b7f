"""Two artifacts' outputs on the same inputs -> how equal they are, and whether that is enough."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

TOLERANCE = 1e-4
"""Largest difference allowed in fp32, as a share of the reference outputs' standard deviation."""

MAP_TOLERANCE = 5e-3
"""The same for outputs of three axes or more: heat maps, boxes, scores.

A classifier's pooling averages the rounding of a whole map; here each of thousands of values shows
its own, and the worst counts. On the paper's networks ONNX Runtime differs from PyTorch by up to
3e-4 (pose) and 3.5e-3 (detection: its sums over maps of 208x208, in squeeze-and-excite, lose that
much where an image is even, and 75 layers follow).
"""

MIN_SPREAD = 0.05
"""Below this the outputs hardly depend on the input, and their agreement proves nothing.

Our networks fresh from torch's initialisation have about 1e-6. At 0.05 the tolerance still is
0.2 % of what an input can change.
"""

_TIE = 1e-6
"""Two largest values closer than this share of the deviation are one: float32 can't order them."""

_TIE_IN_MAPS = MAP_TOLERANCE
"""The same in maps, where equal places of an image give values that are equal but for rounding."""


class ParityReport(msgspec.Struct, frozen=True):
    """How far one stage's outputs are from the reference's, the worst over inputs and outputs.

    ``max_abs_error`` is in the output's own unit; ``relative_error`` is that difference over the
    standard deviation of the reference's output (over all inputs and elements), and ``tolerance``
    what it may be, both of the output nearest to its tolerance or furthest above it; ``cosine``
    is between whole outputs; ``argmax_agreement`` is a share, 1.0 when every argmax agrees;
    ``samples`` counts the inputs. NaN or infinity on either side makes the errors infinite.
    """

    max_abs_error: float
    relative_error: float
    cosine: float
    argmax_agreement: float
    samples: int
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """Whether the stage is equal to the reference for fp32."""
        return self.relative_error <= self.tolerance and self.argmax_agreement == 1.0


def compare(
    reference: Sequence[Sequence[Array]], candidate: Sequence[Sequence[Array]]
) -> ParityReport:
    """Compare outputs ``[input][output]`` of two sides; both have the same inputs in order.

    Shapes must be equal but for axes of length one. Raises ValueError where the number of outputs
    or a shape differs, since such sides can't be the same function.
    """
    absolute = relative = 0.0
    allowed = TOLERANCE
    cosine = 1.0
    agreed = total = 0
    for index in range(_count_outputs(reference, candidate)):
        ours = np.stack([np.asarray(sample[index], dtype=np.float64) for sample in reference])
        theirs = np.stack([np.asarray(sample[index], dtype=np.float64) for sample in candidate])
        if np.squeeze(ours).shape != np.squeeze(theirs).shape:
            raise ValueError(
                f"output {index} has shape {theirs.shape[1:]}, the reference {ours.shape[1:]}"
            )
        limit, tie = tolerance(ours[0]), _TIE_IN_MAPS if _is_map(ours[0]) else _TIE
        ours, theirs = ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1)
        if ours.shape[1] == 0:
            continue
        total += len(ours)
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            absolute = relative = float("inf")
            allowed = limit
            cosine = min(cosine, 0.0)
            continue
        difference = float(np.abs(ours - theirs).max())
        deviation = float(ours.std())
        absolute = max(absolute, difference)
        share = _ratio(difference, deviation)
        if index == 0 or share / limit > relative / allowed:
            relative, allowed = share, limit
        cosine = min(cosine, _least_cosine(ours, theirs))
        agreed += _agreeing_argmaxes(ours, theirs, tie * deviation)
    return ParityReport(
        max_abs_error=absolute,
        relative_error=relative,
        cosine=cosine,
        argmax_agreement=agreed / total if total else 1.0,
        samples=len(reference),
        tolerance=allowed,
    )


def tolerance(output: Array) -> float:
    """Return the largest difference that ``output`` may have, as a share of its deviation."""
    return MAP_TOLERANCE if _is_map(output) else TOLERANCE


def _is_map(output: Array) -> bool:
    return output.ndim > 2


def spread(outputs: Sequence[Sequence[Array]]) -> float:
    """Return how much the outputs vary over the inputs, relative to their own size.

    Per output: the root mean square, over elements, of the standard deviation over inputs, divided
    by the root mean square of the output. The smallest of them counts, except that an output which
    is the same number by number for every input (anchors, say) is left out. 0 where nothing varies
    or where a value is not finite.
    """
    spreads = []
    for index in range(len(outputs[0])):
        values = np.stack([np.asarray(sample[index], dtype=np.float64) for sample in outputs])
        if values.size == 0 or (values == values[0]).all():
            continue
        if not np.isfinite(values).all():
            return 0.0
        size = float(np.sqrt(np.mean(values**2)))
        spreads.append(float(np.sqrt(np.mean(values.var(axis=0)))) / size)
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
