"""One person or two: LFW's protocol, over pairs of faces in sets (folds).

A set's threshold of cosine similarity is the one that is right most often on all other sets, so
that no pair has a say in what it is judged by (Huang et al., "Labeled Faces in the Wild", 2007,
section 4: ten sets, leave-one-out).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.evaluate.tasks.face_pairs import FacePair
from asymm_deploy.postprocess import face

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What was said of each pair whose photographs could be decoded."""

    pairs: tuple[FacePair, ...]
    similarities: npt.NDArray[np.float64]
    """Cosines; NaN where a photograph has no direction, which counts as wrong."""
    thresholds: npt.NDArray[np.float64]
    """That of each pair's set."""
    right: Bools


def verified_pairs(
    pairs: Sequence[FacePair], embeddings: Mapping[int, npt.NDArray[np.float32] | None]
) -> Verification:
    """Return what embeddings, by a photograph's place, say of the pairs that have both.

    An embedding that is None says nothing. At least two sets must have a pair.
    """
    there = tuple(each for each in pairs if each.one in embeddings and each.other in embeddings)
    cosines = np.full(len(there), np.nan)
    for number, pair in enumerate(there):
        one, other = embeddings[pair.one], embeddings[pair.other]
        if one is not None and other is not None:
            cosines[number] = face.cosine_similarity(one[None], other[None])[0, 0]
    same = np.array([each.same for each in there], np.bool_)
    folds = np.array([each.fold for each in there], np.intp)
    thresholds = np.full(len(there), np.nan)
    for fold in np.unique(folds):
        thresholds[folds == fold] = best_threshold(cosines[folds != fold], same[folds != fold])
    right = ((cosines >= thresholds) == same) & ~np.isnan(cosines)
    return Verification(there, cosines, thresholds, right)


def best_threshold(cosines: npt.NDArray[np.float64], same: Bools) -> float:
    """Return from which similarity on pairs are called one person's, to be right most often.

    It lies in the middle between two similarities; of equally good ones it is the lowest. NaN is
    left out, and without a number it is 0.
    """
    known = ~np.isnan(cosines)
    order = np.argsort(cosines[known], kind="stable")
    values, is_same = cosines[known][order], same[known][order]
    if not len(values):
        return 0.0
    # With the threshold before place k, all from k on are called the same.
    right = np.concatenate([[0], np.cumsum(~is_same)]) + np.concatenate(
        [np.cumsum(is_same[::-1])[::-1], [0]]
    )
    middles = (values[1:] + values[:-1]) / 2
    borders = np.concatenate([[values[0]], middles, [np.nextafter(values[-1], np.inf)]])
    # A border between equal values divides nothing: they lie on one side of it.
    divides = np.concatenate([[True], values[1:] > values[:-1], [True]])
    right = np.where(divides, right, -1)
    return float(borders[int(right.argmax())])
