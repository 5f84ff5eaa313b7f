"""The first operator whose output differs: every tensor inside, from both sides, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.mnn import run_mnn, to_mnn
from asymm_deploy.export.probing.domain import domain_exceeds_int32
from asymm_deploy.export.proof.graph_values import graph_values, with_outputs

_DIFFERS = 1e-3
"""Share of a tensor's deviation beyond which a difference is no rounding."""


@dataclass(frozen=True)
class Culprit:
    """The first operator in the graph's order whose output differs."""

    operator: str
    node: str
    """The node's name; for a graph exported from a module it begins with the module's path."""
    expected: str
    found: str

    @property
    def told(self) -> str:
        """As a clause of a message."""
        where = f" {self.node!r}" if self.node else ""
        path = module_path(self.node)
        of = f" of module {path}" if path else ""
        return (
            f"the first operator that differs is {self.operator}{where}{of}: "
            f"{self.found}, not {self.expected}"
        )


def module_path(node: str) -> str:
    """Return the module that torch named a node after: ``/a/a.0/conv/Conv`` -> ``a.0.conv``.

    Inside a list of modules torch repeats the list's name.
    """
    if not node.startswith("/"):
        return ""
    parts: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)


def culprit_in_mnn(
    model: onnx.ModelProto, inputs: Sequence[TensorSpec], sample: Arrays, scratch: Path
) -> Culprit | None:
    """Return the first operator of ``model`` that MNN computes otherwise than ONNX Runtime.

    ``model`` is what was converted. Every tensor of it is made an output, which may keep the
    converter from fusing what it fused before: None if no difference is left then, or if it can't
    be run so.
    """
    wide = too_wide(inputs, sample)
    if wide is not None:
        user = next((node for node in model.graph.node if wide in node.input), None)
        if user is not None:
            held = sample[wide].astype(np.int64).astype(np.int32)
            at = int(np.argmax(np.abs(sample[wide].astype(np.float64))))
            return Culprit(
                user.op_type, user.name, str(sample[wide].flat[at]), f"{held.flat[at]} in 32 bits"
            )
    names = inner_tensors(model)
    ours = graph_values(model, [sample], names)
    if ours is None:
        return None
    source, target = scratch / "every-tensor.onnx", scratch / "every-tensor.mnn"
    source.write_bytes(with_outputs(model, names).SerializeToString())
    wanted = [TensorSpec(n, ours[0][n].shape, str(ours[0][n].dtype)) for n in names]
    try:
        to_mnn(source, target)
        (theirs,) = run_mnn(target, [sample], wanted, scratch, inputs=inputs, api="module")
    except ConversionError:
        return None
    return first_difference(model.graph.node, ours[0], dict(zip(names, theirs, strict=True)))


def culprit_in_onnx(
    before: onnx.ModelProto, after: onnx.ModelProto, sample: Arrays
) -> Culprit | None:
    """Return the first operator of ``after`` whose output differs from its namesake's before."""
    known = set(inner_tensors(before))
    names = [name for name in inner_tensors(after) if name in known]
    ours, theirs = (graph_values(model, [sample], names) for model in (before, after))
    if ours is None or theirs is None:
        return None
    return first_difference(after.graph.node, ours[0], theirs[0])


def first_difference(
    nodes: Iterable[onnx.NodeProto], ours: Mapping[str, Array], theirs: Mapping[str, Array]
) -> Culprit | None:
    """Return the first of ``nodes`` with an output that is on both sides and differs."""
    for node in nodes:
        for name in node.output:
            if name in ours and name in theirs and _alike(ours[name], theirs[name]):
                values = differing(ours[name], theirs[name])
                if values is not None:
                    return Culprit(node.op_type, node.name, *values)
    return None


def _alike(expected: Array, found: Array) -> bool:
    """Whether two arrays can be compared: MNN may keep a tensor of that name in another layout."""
    return expected.size != found.size or (
        [n for n in expected.shape if n != 1] == [n for n in found.shape if n != 1]
    )


def differing(expected: Array, found: Array) -> tuple[str, str] | None:
    """Return both sides' values where they differ most, or None where rounding explains it."""
    if expected.size != found.size:
        return f"shape {expected.shape}", f"shape {found.shape}"
    if expected.size == 0:
        return None
    ours, theirs = expected.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    with np.errstate(invalid="ignore"):
        apart = np.abs(ours - theirs)
    apart[ours == theirs] = 0.0  # infinities
    apart[np.isnan(ours) & np.isnan(theirs)] = 0.0
    apart = np.where(np.isnan(apart), np.inf, apart)
    finite = ours[np.isfinite(ours)]
    scale = float(finite.std()) or float(np.abs(finite).max(initial=0.0))
    limit = 0.0 if expected.dtype.kind in "iub" else _DIFFERS * scale
    at = int(apart.argmax())
    return (f"{ours[at]:.6g}", f"{theirs[at]:.6g}") if apart[at] > limit else None


def inner_tensors(model: onnx.ModelProto) -> list[str]:
    """Return the tensors that the nodes of the main graph make, in their order."""
    return [name for node in model.graph.node for name in node.output if name]


def too_wide(inputs: Sequence[TensorSpec], sample: Arrays) -> str | None:
    """Return the first input with an integer that 32 bits can't hold, as MNN keeps them."""
    for spec in inputs:
        values = sample[spec.name]
        integers = values.dtype.kind in "iu" and values.size > 0
        if integers and domain_exceeds_int32(int(values.min()), int(values.max())):
            return spec.name
    return None
