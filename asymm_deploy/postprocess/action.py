"""From the logits of a video's frames to its most likely actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.postprocess.arrays import Floats, Indices, finite


@dataclass(frozen=True, slots=True, eq=False)
class Top:
    """The most likely classes, best first."""

    classes: Indices
    """(count,): positions in the logits."""
    probabilities: Floats
    """(count,): softmax over all classes; adds up to 1 only if all classes are included."""


def averaged(logits: npt.ArrayLike) -> Floats:
    """Return the mean of the frames' logits: (frames, classes) -> (classes,).

    Even averaging before the softmax is the consensus of temporal segment networks (Wang et al.,
    ECCV 2016, arXiv:1608.00859, Eq. 1 and 2). Raises ValueError if there are no frames or no
    classes, or if a logit is NaN or infinite.
    """
    frames = finite(logits, "logits", ("frames", "classes"))
    if not frames.size:
        raise ValueError(
            f"logits of shape {frames.shape} have no mean; give at least one frame and one class"
        )
    # Divided first, so that the sum of the largest numbers doesn't overflow.
    mean: Floats = (frames / len(frames)).sum(axis=0)
    return mean


def top(logits: npt.ArrayLike, count: int = 5) -> Top:
    """Return the ``count`` most likely classes of (classes,) logits, or all if there are fewer.

    Of equal logits the lower class comes first. Raises ValueError if there are no classes, if a
    logit is NaN or infinite, or if ``count`` is less than 1.
    """
    scores = finite(logits, "logits", ("classes",))
    if not scores.size:
        raise ValueError("there are no logits, so no class is the most likely; give at least one")
    if count < 1:
        raise ValueError(f"the top {count} classes are none; ask for 1 or more")
    best = np.argsort(-scores, kind="stable")[:count]
    return Top(classes=best, probabilities=_softmax(scores)[best])


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max())  # at most 1: nothing overflows
    shares: Floats = powers / powers.sum()
    return shares
