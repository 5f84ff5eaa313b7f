"""How far operators are from the reference's values: with all before them in MNN, and alone; pure.

For its own error an operator is fed with the reference's values: `overwritten` says which input
gets which. What feeds it without a reference of its own (a part of something that is judged at its
end) stays as it was computed from the reference's values before it, so that the whole is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10

import numpy as np

from asymm_deploy.engines.tensors import Array
from asymm_deploy.explain.explanation import (
    MOST_OVER_DEVIATION,
    MOST_SNR_DB,
    OperatorError,
)
from asymm_deploy.explain.placing.placed_operator import ExpectedTensor, PlacedOperator

KEPT = "MNN lets nobody write what it reads, so that it can't be judged alone"
"""Why an operator may have no own error."""
_LEAST_DEVIATION = 0.02
"""Of the largest value: what varies less is nearly constant, and its deviation is rounding."""


_OF_ANOTHER_SHAPE = OperatorError(snr_db=-MOST_SNR_DB, over_deviation=MOST_OVER_DEVIATION)


def expected_values(
    reference: ExpectedTensor, shape: tuple[int, ...], values: Mapping[str, Array]
) -> Array | None:
    """Return what an output of ``shape`` should hold; None if the reference can't say."""
    found = values.get(reference.tensor)
    if found is None:
        return None
    if reference.channels is not None:
        found = found[:, slice(*reference.channels)]
    size = int(np.prod(shape, dtype=np.int64))
    if found.size == size:
        return found.reshape(shape)
    try:
        return np.broadcast_to(found, shape)
    except ValueError:
        return None


def overwritten(
    placed: Sequence[PlacedOperator], values: Mapping[str, Array]
) -> dict[tuple[int, int], Array]:
    """Return what each input is to hold, by operator and input, so that each has its own error.

    Inputs that are missing keep what they have: constants, the graph's inputs, and what comes of
    operators without a reference.
    """
    found: dict[tuple[int, int], Array] = {}
    for operator in placed:
        for position, source in enumerate(operator.sources):
            if source is None or source.operator < 0 or placed[source.operator].as_given:
                continue
            reference = placed[source.operator].references[source.output]
            shape = operator.input_shapes[position]
            array = None if reference is None else expected_values(reference, shape, values)
            if array is not None:
                found[operator.index, position] = array
    return found


def unfed(placed: Sequence[PlacedOperator], values: Mapping[str, Array]) -> set[int]:
    """Return the operators that read what the reference has in another shape: they can't be fed."""
    found = set()
    for operator in placed:
        for source, shape in zip(operator.sources, operator.input_shapes, strict=True):
            if source is not None and source.operator >= 0:
                reference = placed[source.operator].references[source.output]
                if reference is None or reference.tensor not in values:
                    continue
                if expected_values(reference, shape, values) is None:
                    found.add(operator.index)
    return found


def error_of(expected: Array, found: Array) -> OperatorError:
    """Return how far ``found`` is from ``expected``, which has as many elements, and at least one.

    Where the reference hardly varies, its largest value stands for the deviation.
    """
    ours, theirs = (np.ravel(each).astype(np.float64) for each in (expected, found))
    finite = np.isfinite(ours)
    alike = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if not (np.isfinite(theirs) | alike).all() or not alike[~finite].all():
        return OperatorError(snr_db=-MOST_SNR_DB, over_deviation=MOST_OVER_DEVIATION)
    if alike.all():
        return OperatorError(snr_db=MOST_SNR_DB, over_deviation=0.0)
    ours, theirs = ours[finite], theirs[finite]
    apart = np.abs(theirs - ours)
    largest = float(np.abs(ours).max())
    scale = max(float(ours.std()), _LEAST_DEVIATION * largest)
    over = float(apart.max()) / scale if scale else MOST_OVER_DEVIATION
    power, noise = float(np.square(ours).sum()), float(np.square(apart).sum())
    snr = 10 * (log10(power) - log10(noise)) if power and noise else -MOST_SNR_DB
    return OperatorError(
        snr_db=min(MOST_SNR_DB, max(-MOST_SNR_DB, snr)),
        over_deviation=min(MOST_OVER_DEVIATION, over),
    )


def operator_error(
    operator: PlacedOperator, outputs: Sequence[Array], values: Mapping[str, Array]
) -> OperatorError | None:
    """Return the largest error of an operator's outputs; None if none of them can be judged.

    An output with another number of elements than the reference's tensor is as far as can be.
    """
    errors = []
    for reference, found in zip(operator.references, outputs, strict=False):
        if reference is None or found.size == 0:
            continue
        expected = expected_values(reference, tuple(found.shape), values)
        if expected is not None:
            errors.append(error_of(expected, found))
        elif reference.tensor in values:
            errors.append(_OF_ANOTHER_SHAPE)
    return max(errors, key=lambda error: error.over_deviation, default=None)
