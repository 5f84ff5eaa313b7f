"""Outputs whose rows are chosen by comparing numbers: the same rows may come in another order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from asymm_deploy.engines.tensors import Array
from asymm_deploy.export.proof.parity import is_counted

_CHOOSERS = frozenset({"NonMaxSuppression", "TopK", "NonZero", "Unique", "Compress"})
_MOST_ROWS = 4000
_CLOSE = 1e-2
"""Rows match where no element is further apart than this share of its column's deviation."""


@dataclass(frozen=True)
class MatchedRows:
    """The candidate's rows in the reference's order, and how many found no partner."""

    found: Array
    unmatched: int
    rows: int


def chooses_rows(model: onnx.ModelProto) -> str | None:
    """Return the kind of the first operator of ``model`` that chooses rows, if there is one."""
    return next((node.op_type for node in model.graph.node if node.op_type in _CHOOSERS), None)


def match_rows(expected: Array, found: Array) -> MatchedRows | None:
    """Pair the rows of both sides, each with its nearest; None where they can't be paired.

    Rows are what the last axis holds; where there is one axis alone, its elements. A reference row
    without a partner is left as it is in the result, and counted.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    width = expected.shape[-1] if expected.ndim > 1 else 1
    if found.ndim != expected.ndim or (expected.ndim > 1 and found.shape[-1] != width):
        return None
    ours = expected.reshape(-1, width).astype(np.float64)
    theirs = found.reshape(-1, width).astype(np.float64)
    rows = max(len(ours), len(theirs))
    if rows > _MOST_ROWS or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return None
    if not len(ours) or not len(theirs) or width == 0:
        return MatchedRows(expected, rows, rows)
    scale = np.maximum(ours.std(axis=0), np.maximum(np.abs(ours).max(axis=0), 1e-30) * 1e-3)
    distances = cdist(ours / scale, theirs / scale, "chebyshev")
    left, right = linear_sum_assignment(distances)
    limit = 0.0 if is_counted(expected) else _CLOSE
    close = distances[left, right] <= limit
    paired = ours.copy()
    paired[left[close]] = theirs[right[close]]
    return MatchedRows(
        paired.reshape(expected.shape).astype(expected.dtype), rows - int(close.sum()), rows
    )
