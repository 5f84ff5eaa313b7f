"""Parts of an output that are small beside the rest: a whole output's deviation would hide them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.tensors import Array

PART_TOLERANCE = 5e-2
"""Largest difference within a part, as a share of the part's own deviation."""
_ROUNDINGS = 16.0
"""An engine may differ by this many times what the reference itself rounds in the part."""
_LEAST = 1e-10
"""What is smaller than this share of the whole output's deviation does no harm."""
_MOST_ELEMENTS = 20_000_000


@dataclass(frozen=True)
class Part:
    """One input's whole output, or one place along an axis for all inputs."""

    axis: int | None
    """The axis of the output; None where the part is what one input gives."""
    at: int
    """The place along the axis, or the number of the input."""
    error: float
    """Largest difference as a share of the part's deviation."""

    def holds(self, probe: int, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Tell which elements of the output for one input belong to the part."""
        if self.axis is None:
            return np.full(shape, probe == self.at)
        inside = np.zeros(shape, np.bool_)
        np.moveaxis(inside, self.axis, 0)[self.at] = True
        return inside


def differing_parts(expected: Sequence[Array], found: Sequence[Array]) -> list[Part]:
    """Return the parts that differ by more than ``PART_TOLERANCE``, the worst first.

    Parts are the output for one input, and each place along the second and the last axis.
    """
    if len({array.shape for array in expected}) != 1 or expected[0].dtype.kind != "f":
        return []
    if expected[0].size * len(expected) > _MOST_ELEMENTS:
        return []
    ours = np.stack([array.astype(np.float64) for array in expected])
    theirs = np.stack([array.reshape(expected[0].shape).astype(np.float64) for array in found])
    if not (ours.size and np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return []
    whole = float(ours.std())
    parts = []
    for axis in sorted({0, min(2, ours.ndim - 1), ours.ndim - 1}):
        others = tuple(other for other in range(ours.ndim) if other != axis)
        apart = np.abs(ours - theirs).max(axis=others)
        size = np.abs(ours).max(axis=others)
        scale = ours.std(axis=others)
        scale = np.where(scale > 0.0, scale, np.where(size > 0.0, size, whole))
        wrong = (apart > PART_TOLERANCE * scale) & (apart > _LEAST * whole)
        parts += [
            Part(axis - 1 if axis else None, int(at), float(apart[at] / scale[at]))
            for at in np.flatnonzero(wrong & (scale > 0.0))
        ]
    return sorted(parts, key=lambda part: -part.error)


def beyond_rounding(
    parts: Sequence[Part],
    exact: Sequence[Array],
    expected: Sequence[Array],
    found: Sequence[Array],
) -> Part | None:
    """Return the first of ``parts`` that the reference's own rounding doesn't explain.

    ``exact`` is what the reference gives in a wider type.
    """
    if any(wide.shape != ours.shape for wide, ours in zip(exact, expected, strict=True)):
        return None
    step = float(np.finfo(expected[0].dtype.name).eps)
    for part in parts:
        apart = rounded = size = 0.0
        for probe, (wide, ours, theirs) in enumerate(zip(exact, expected, found, strict=True)):
            inside = part.holds(probe, ours.shape)
            mine, other = (a.astype(np.float64)[inside] for a in (ours, theirs.reshape(ours.shape)))
            apart = max(apart, float(np.abs(mine - other).max(initial=0.0)))
            off = np.abs(mine - wide.astype(np.float64)[inside])
            rounded = max(rounded, float(off.max(initial=0.0)))
            size = max(size, float(np.abs(mine).max(initial=0.0)))
        if apart > _ROUNDINGS * (rounded + 4.0 * step * size):
            return part
    return None
