"""Where a stage is furthest from the reference, and how that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from asymm_deploy.engines.tensors import Array
from asymm_deploy.export.proof.parts import Part
from asymm_deploy.export.proof.reference import Reference

StageName: TypeAlias = Literal["onnx", "simplified", "mnn"]


@dataclass(frozen=True)
class Difference:
    """Where a stage is furthest from the reference."""

    stage: StageName
    output: int
    probe: int
    place: tuple[int, ...] | None
    """The element; None where the shapes differ."""
    expected: str
    found: str


def furthest_difference(
    name: StageName,
    reference: Reference,
    results: Sequence[Sequence[Array]],
    output: int,
    part: Part | None,
) -> Difference:
    """Return the probe and the element where an output, or a part of it, is furthest off."""
    worst, place, values = -1.0, None, ("", "")
    probe = 0
    for number, (ours, theirs) in enumerate(zip(reference.results, results, strict=True)):
        expected, found = ours[output], theirs[output]
        if expected.size != found.size:
            return Difference(name, output, number, None, str(expected.shape), str(found.shape))
        if expected.size == 0:
            continue
        shown = found.reshape(expected.shape)
        apart = np.abs(expected.astype(np.float64) - shown.astype(np.float64))
        apart = np.where(np.isfinite(apart), apart, np.inf)
        if part is not None:
            apart = np.where(part.holds(number, apart.shape), apart, -1.0)
        if float(apart.max()) > worst:
            worst, probe = float(apart.max()), number
            place = tuple(int(axis) for axis in np.unravel_index(apart.argmax(), apart.shape))
            values = (f"{expected[place]:.6g}", f"{shown[place]:.6g}")
    return Difference(name, output, probe, place, *values)


def reshaped_output(
    name: StageName, reference: Reference, results: Sequence[Sequence[Array]]
) -> Difference | None:
    """Return the first output of another size, which the message then names."""
    for index, output in enumerate(zip(*results, strict=False)):
        ours = [sample[index] for sample in reference.results if index < len(sample)]
        if [array.size for array in ours] != [array.size for array in output]:
            return furthest_difference(name, reference, results, index, None) if ours else None
    return None


def told_difference(reference: Reference, where: Difference) -> str:
    """Return both sides' values or shapes, with the output and the probe, as a clause."""
    name, probe = reference.outputs[where.output].name, reference.probes[where.probe].name
    if where.place is None:
        return f"{name} has shape {where.found} for the {probe} input, not {where.expected}"
    at = f"[{', '.join(map(str, where.place))}]" if where.place else ""
    return f"{name}{at} is {where.found} for the {probe} input, not {where.expected}"
