"""Fits latencies to counts in relative terms, and what a fit says of rows that it hasn't seen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

FitNumbers = npt.NDArray[np.float64]


def relative_fit(counts: FitNumbers, ms: FitNumbers) -> FitNumbers:
    """Return the coefficients, none negative, that least miss ``ms`` in relative terms.

    ``counts`` has shape (rows, columns), ``ms`` (rows,); the coefficients have shape (columns,).
    They minimise the sum over rows of (predicted / ms - 1) squared, so that a network of 3 ms
    weighs as much as one of 30 ms.
    """
    from scipy.optimize import nnls

    found: FitNumbers = nnls(counts / ms[:, None], np.ones(len(ms)))[0]
    return found


def predicted_unseen(counts: FitNumbers, ms: FitNumbers, groups: Sequence[Hashable]) -> FitNumbers:
    """Return what is predicted for each row by a fit to the rows of all other groups.

    ``groups`` says which group each row belongs to; there are two at least.
    """
    predicted = np.zeros(len(ms))
    for group in dict.fromkeys(groups):
        own = np.array([other == group for other in groups])
        predicted[own] = counts[own] @ relative_fit(counts[~own], ms[~own])
    return predicted


def relative_errors(predicted: FitNumbers, ms: FitNumbers) -> FitNumbers:
    """Return by which part of ``ms`` each prediction is off; 0.05 is 5 %."""
    return np.abs(predicted / ms - 1)
