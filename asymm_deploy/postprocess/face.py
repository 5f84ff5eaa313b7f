"""From embeddings of faces to how similar the faces are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymm_deploy.postprocess.arrays import Floats, finite


def normalised(embeddings: npt.ArrayLike) -> Floats:
    """Return each embedding divided by its length: (..., 128) -> (..., 128), of length 1.

    Only an embedding's direction says whose face it is (MobileFaceNet, arXiv:1804.07573, and the
    loss that it is trained with, ArcFace, arXiv:1801.07698). Any width does. Raises ValueError
    where a number is NaN or infinite, and where an embedding is zero, which has no direction.
    """
    vectors = finite(embeddings, "embeddings")
    if vectors.ndim == 0 or vectors.shape[-1] == 0:
        raise ValueError(
            f"embeddings of shape {vectors.shape} hold no numbers; "
            "the last axis is the embedding, 128 long for the networks of Table 7"
        )
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    zeros = int((largest == 0).sum())
    if zeros:
        raise ValueError(
            f"{zeros} of {largest.size} embeddings are all zeros and have no direction; "
            "leave them out, and look at the images and weights they come from"
        )
    scaled = vectors / largest  # so that no square overflows, or vanishes
    unit: Floats = scaled / np.sqrt((scaled**2).sum(axis=-1, keepdims=True))
    return unit


def cosine_similarity(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Return the cosine of the angle of every embedding in ``a`` with every one in ``b``.

    (n, 128) and (m, 128) -> (n, m), between -1 and 1; 1 is the same direction. From which value on
    two faces are one person's depends on the weights: choose it on pairs that you know. One
    embedding is a set of one, ``x[None]``; where row i belongs to row i alone, as in LFW's list of
    pairs, ``(normalised(a) * normalised(b)).sum(axis=-1)`` spares the others. Raises ValueError
    where the widths differ, and as ``normalised`` does.
    """
    ours = finite(a, "embeddings of the first set", ("n", "width"))
    theirs = finite(b, "embeddings of the second set", ("m", "width"))
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            f"embeddings {ours.shape[1]} and {theirs.shape[1]} wide can't be compared; "
            "take both from the same network"
        )
    cosines: Floats = normalised(ours) @ normalised(theirs).T
    return np.clip(cosines, -1.0, 1.0)  # rounding may leave them a last bit outside
