"""Integer and boolean outputs that follow from comparing numbers: which differences are ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from asymm_deploy.engines.tensors import Array, Arrays
from asymm_deploy.export.proof.graph_values import graph_values, producers

_HANDED_ON = frozenset({"Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Not"})
"""Operators whose elements are their input's, in the same order."""
_ROUNDING = frozenset({"Cast", "Floor", "Ceil", "Round"})
_COMPARING = frozenset({"Greater", "Less", "GreaterOrEqual", "LessOrEqual"})
_PICKING = frozenset({"ArgMax", "ArgMin", "TopK"})
_SUPPRESSING = "NonMaxSuppression"
_MOST_AT_STEPS = 0.1
"""Where more numbers than this share lie at a step, they are whole numbers, and no rounding."""
_CLOSE = 1e-3
"""Two numbers closer than this share of their tensor's deviation are taken for equal."""

Ties = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Decision:
    """The operator that turned numbers into an output's integers or booleans."""

    node: onnx.NodeProto
    operands: tuple[str, ...]
    """The tensors whose numbers decided."""


def decision_behind(model: onnx.ModelProto, output: str) -> Decision | None:
    """Return what decided the elements of ``output``, or None if that is not plain to see."""
    makers = producers(model.graph)
    name = output
    while name in makers:
        node, index = makers[name]
        kind = node.op_type
        if _picks(node, index):
            return Decision(node, (node.input[0],))
        if kind in _COMPARING or kind == _SUPPRESSING:
            return Decision(node, tuple(node.input[:2]))
        if kind in _HANDED_ON or (kind == "Cast" and _decides(node.input[0], makers)):
            name = node.input[0]
        elif kind in _ROUNDING:
            return Decision(node, (node.input[0],))
        else:
            return None
    return None


def ties(
    model: onnx.ModelProto,
    output: str,
    samples: Sequence[Arrays],
    expected: Sequence[Array],
    found: Sequence[Array],
) -> list[Ties] | None:
    """Return, by sample, which elements of ``output`` rounding alone may decide either way.

    An index counts as one where the value that it picks equals, but for rounding, the one that the
    reference picks. None where the decision is not known.
    """
    decision = decision_behind(model, output)
    if decision is None or decision.node.op_type == _SUPPRESSING:
        return None
    values = graph_values(model, samples, decision.operands)
    if values is None:
        return None
    close = _CLOSE * max(
        float(np.concatenate([np.ravel(v[name]).astype(np.float64) for v in values]).std())
        for name in decision.operands
    )
    judge = _judge_of(decision.node)
    result = []
    for arrays, ours, theirs in zip(values, expected, found, strict=True):
        operands = [np.asarray(arrays[name], np.float64) for name in decision.operands]
        try:
            result.append(judge(operands, ours, theirs, close).reshape(ours.shape))
        except (ValueError, IndexError):  # other shapes in between, or an index that picks nothing
            return None
    return result


def picked_rows(
    model: onnx.ModelProto,
    output: str,
    samples: Sequence[Arrays],
    *sides: Sequence[Array],
) -> list[list[Array]] | None:
    """Return, for each of the ``sides``, the boxes and scores that its selected indices pick.

    None where ``output`` is not what NonMaxSuppression selected. Of two boxes that are alike either
    may be selected, so that the indices say less than what they pick.
    """
    candidates = _boxes_and_scores(model, output, samples)
    if candidates is None:
        return None
    try:
        return [
            [_picked(*pair, rows) for pair, rows in zip(candidates, side, strict=True)]
            for side in sides
        ]
    except (ValueError, IndexError):  # other rows than NonMaxSuppression's, or indices out of range
        return None


def tied_scores(
    model: onnx.ModelProto, output: str, samples: Sequence[Arrays]
) -> list[bool] | None:
    """Return, by sample, whether boxes that NonMaxSuppression chose among have equal scores.

    Which of them comes first is open then, and with it which others it suppresses. None where
    ``output`` is not what NonMaxSuppression selected.
    """
    candidates = _boxes_and_scores(model, output, samples)
    if candidates is None:
        return None
    found = []
    for _boxes, scores in candidates:
        ordered = np.sort(np.asarray(scores, np.float64), axis=-1)
        close = _CLOSE * float(ordered.std())
        found.append(bool((np.diff(ordered, axis=-1) <= 1e-3 * close).any()))
    return found


def _boxes_and_scores(
    model: onnx.ModelProto, output: str, samples: Sequence[Arrays]
) -> list[tuple[Array, Array]] | None:
    """Return, by sample, what NonMaxSuppression chose ``output`` from; None if it did not."""
    decision = decision_behind(model, output)
    if decision is None or decision.node.op_type != _SUPPRESSING:
        return None
    values = graph_values(model, samples, decision.operands)
    boxes, scores = decision.operands
    return None if values is None else [(arrays[boxes], arrays[scores]) for arrays in values]


def _picked(boxes: Array, scores: Array, rows: Array) -> Array:
    batch, kind, box = (column.astype(np.int64) for column in rows.reshape(-1, 3).T)
    if rows.size and min(batch.min(), kind.min(), box.min()) < 0:
        raise IndexError("an index is negative")
    score = np.asarray(scores, np.float64)[batch, kind, box]
    corners = np.asarray(boxes, np.float64)[batch, box]
    return np.column_stack([batch, kind, score, corners]).astype(np.float64)


_Judge = Callable[[list[npt.NDArray[np.float64]], Array, Array, float], Ties]


def _judge_of(node: onnx.NodeProto) -> _Judge:
    kind = node.op_type
    if kind in _PICKING:
        axis = _attribute(node, "axis", -1 if kind == "TopK" else 0)
        return lambda operands, ours, theirs, close: _same_pick(
            operands[0], ours, theirs, axis, close
        )
    if kind in _COMPARING:
        return lambda operands, _ours, _theirs, close: np.abs(operands[0] - operands[1]) <= close
    middle = 0.5 if kind == "Round" else 0.0
    return lambda operands, ours, theirs, close: _at_a_step(
        operands[0], ours, theirs, middle, close
    )


def _same_pick(
    data: npt.NDArray[np.float64], ours: Array, theirs: Array, axis: int, close: float
) -> Ties:
    along = data.shape[axis]
    moved = np.moveaxis(data, axis, -1)
    count = ours.size // max(1, moved[..., 0].size)
    if count > 1 or (ours.ndim == data.ndim and ours.shape[axis] == count):
        shape = [*data.shape]
        shape[axis] = count
        indices = [np.moveaxis(side.reshape(shape), axis, -1) for side in (ours, theirs)]
    else:
        indices = [side.reshape(*moved.shape[:-1], count) for side in (ours, theirs)]
    wanted, given = (index.astype(np.int64) for index in indices)
    inside = (given >= 0) & (given < along)
    picked = np.take_along_axis(moved, np.where(inside, given, 0), axis=-1)
    same = inside & (np.abs(picked - np.take_along_axis(moved, wanted, axis=-1)) <= close)
    same &= ~_picks_twice(given)
    return np.moveaxis(same, -1, axis)


def _picks_twice(indices: npt.NDArray[np.int64]) -> Ties:
    """Tell, for each row, whether an index comes twice: no TopK picks an element again."""
    ordered = np.sort(indices, axis=-1)
    return np.asarray((ordered[..., 1:] == ordered[..., :-1]).any(axis=-1, keepdims=True))


def _at_a_step(
    numbers: npt.NDArray[np.float64], ours: Array, theirs: Array, middle: float, close: float
) -> Ties:
    steps = numbers.reshape(ours.shape) - middle
    near = np.abs(steps - np.round(steps)) <= close
    if near.mean() > _MOST_AT_STEPS:
        return np.zeros(ours.shape, np.bool_)
    apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    return np.asarray(near & (apart <= 1.0))


def _decides(name: str, makers: dict[str, tuple[onnx.NodeProto, int]]) -> bool:
    """Whether ``name`` is already decided, so that a Cast of it only hands it on."""
    while name in makers:
        node, index = makers[name]
        if node.op_type in _COMPARING or node.op_type in _ROUNDING - {"Cast"}:
            return True
        if _picks(node, index):
            return True
        if node.op_type not in _HANDED_ON and node.op_type != "Cast":
            return False
        name = node.input[0]
    return False


def _picks(node: onnx.NodeProto, output: int) -> bool:
    """Whether that output of ``node`` is indices; the first of TopK is values."""
    return node.op_type in _PICKING and not (node.op_type == "TopK" and output == 0)


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)
