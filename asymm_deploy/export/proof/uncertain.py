"""Made-up inputs on which the reference itself is not sure of its outputs: they prove nothing.

A normalisation of even planes divides rounding by rounding; whoever adds up in another order gets
something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from asymm_deploy.engines.tensors import Array
from asymm_deploy.export.probing.chosen import USERS_PROBE, proven_values
from asymm_deploy.export.proof import parity
from asymm_deploy.export.proof.reference import Reference

_LEAST_PROBES = 3
_SHARE = 0.25
"""Of its tolerance, how much the reference may round by itself; engines may do several times it."""


def without_uncertain_probes(
    reference: Reference, again: Sequence[Sequence[Array]] | None = None
) -> Reference | None:
    """Return ``reference`` without the probes that it is not sure of; None if it is of all of them.

    How sure it is shows in a wider type. Where that can't be had, ``again`` tells: what the same
    engine gave in another order of its operations. Samples of the user always stay; so do all
    probes where less than three would be left.
    """
    exact = reference.exact()
    other, share = (exact, _SHARE) if exact is not None else (again, 1.0)
    if other is None:
        return None
    doubtful = [
        number
        for number in range(len(reference.probes))
        if _strain(reference, number, other[number]) > share
    ]
    return _without(
        reference, doubtful, f"since {reference.name} is not sure of its own outputs there"
    )


def without_masked_probes(
    reference: Reference, results: Sequence[Sequence[Array]]
) -> Reference | None:
    """Return ``reference`` without the probes that mask everything and make ``results`` NaN.

    Attention to nothing is a division of nothing by nothing. PyTorch gives numbers all the same,
    the graph that it exports gives NaN. None where there is no such probe.
    """
    masked = [
        number
        for number, probe in enumerate(reference.probes)
        if any(a.dtype.kind == "b" and len(np.unique(a)) == 1 for a in probe.arrays.values())
        and any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in results[number])
    ]
    return _without(reference, masked, "since the exported graph gives NaN for flags all alike")


def _without(reference: Reference, numbers: Sequence[int], why: str) -> Reference | None:
    """Return ``reference`` without those probes that are not the user's; None if none is left."""
    left_out = [n for n in numbers if not reference.probes[n].name.startswith(USERS_PROBE)]
    kept = [number for number in range(len(reference.probes)) if number not in left_out]
    if not left_out or len(kept) < min(_LEAST_PROBES, len(reference.probes)):
        return None
    exact = reference.exact
    probes = tuple(reference.probes[number] for number in kept)
    names = ", ".join(reference.probes[number].name for number in left_out)
    note = f"left out of the comparison, {why}: {names}"
    origins = {given.name: given.origin for given in reference.proven}
    return replace(
        reference,
        probes=probes,
        results=[reference.results[number] for number in kept],
        proven=proven_values(reference.inputs, probes, origins),
        notes=(*reference.notes, note),
        exact=lambda: _of(exact(), kept),
    )


def _of(results: list[list[Array]] | None, kept: Sequence[int]) -> list[list[Array]] | None:
    return None if results is None else [results[number] for number in kept]


def _strain(reference: Reference, number: int, other: Sequence[Array]) -> float:
    """Return the largest error of a probe's outputs, each as a share of what it may be."""
    worst = 0.0
    for index, expected in enumerate(reference.results[number]):
        found = np.asarray(other[index])
        if expected.dtype.kind != "f" or expected.shape != found.shape:
            continue
        deviation = parity.deviation_or_size([sample[index] for sample in reference.results])
        relative, rms = parity.errors(expected, found, deviation)
        worst = max(
            worst, relative / parity.tolerance(expected), rms / parity.rms_tolerance(expected)
        )
    return worst
