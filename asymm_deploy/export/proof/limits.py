"""How far each output may be from the reference when a device is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.engines.tensors import Array
from asymm_deploy.errors import NumericsError
from asymm_deploy.export.manifest import OutputLimit
from asymm_deploy.export.proof import parity
from asymm_deploy.export.proof.reference import Reference
from asymm_deploy.export.proof.stage import StageProof
from asymm_deploy.models.cost import may_use_winograd

MOST_WINOGRAD_ERROR = 2.5e-2
"""Winograd's convolutions trade digits for speed: 6e-4 on ResNet-50, where 1e-5 is usual, and 8e-3
on YOLOv3, whose 75 layers use them nearly everywhere.
"""
MNN_MARGIN = 4.0
"""Other processors use other tiles: a device may differ by this many times what MNN does here."""


def output_limits(
    reference: Reference,
    proven: StageProof,
    run_as_timed: Callable[[], Sequence[Array]],
) -> tuple[OutputLimit, ...]:
    """Return a limit for each output: a few times what MNN's outputs are off here.

    ``proven`` is how far MNN's outputs are off without Winograd's larger tiles. Where the network
    may use Winograd's convolutions, ``run_as_timed`` is called for MNN's outputs for the first
    probe with them, and their error counts too. Raises NumericsError where it is larger than
    MOST_WINOGRAD_ERROR, unless more was proven or allowed without them.
    """
    relative = [report.relative_error for report in proven.each]
    rms = [report.rms_error for report in proven.each]
    common = reference.common_results
    deviations = [
        parity.deviation_or_size([outputs[i] for outputs in common]) for i in range(len(relative))
    ]
    if any(map(may_use_winograd, reference.complexity.layers)):
        timed = run_as_timed()
        for index, (wanted, found) in enumerate(zip(reference.results[0], timed, strict=True)):
            if wanted.size != found.size or parity.is_counted(wanted):
                continue  # rows and integers that rounding chooses; see ``settled_otherwise``
            error, mean = parity.errors(wanted, found.reshape(wanted.shape), deviations[index])
            allowed = max(MOST_WINOGRAD_ERROR, proven.each[index].tolerance)
            if error > allowed:
                raise NumericsError(
                    f"MNN's fast convolutions differ from {reference.name} by {error:.1e} of the "
                    f"outputs' deviation ({allowed:.0e} allowed)",
                    "the network amplifies rounding; one with trained weights seldom does, or "
                    "allow more with --tolerance",
                )
            relative[index] = max(relative[index], error)
            rms[index] = max(rms[index], mean)
    return tuple(
        OutputLimit(
            deviations[index],
            max(parity.tolerance(output), MNN_MARGIN * relative[index]),
            max(parity.rms_tolerance(output), MNN_MARGIN * rms[index]),
        )
        for index, output in enumerate(reference.results[0])
    )


def settled_otherwise(
    reference: Reference, limits: Sequence[OutputLimit], found: Sequence[Array]
) -> dict[int, Array]:
    """Return those of MNN's outputs for the recorded input that the limits would refuse.

    They were proven although they differ: ties, and the order of rows, are settled by each engine
    in its own way, and by MNN in the same way on every device. They are by the output's number.
    """
    own: dict[int, Array] = {}
    for index, (expected, output) in enumerate(zip(reference.results[0], found, strict=True)):
        limit = limits[index]
        allowed = max(limit.tolerance, parity.usual_tolerance(expected))
        if expected.size != output.size:
            own[index] = output
            continue
        error, rms = parity.errors(expected, output.reshape(expected.shape), limit.deviation)
        if error > allowed or rms > limit.rms_tolerance:
            own[index] = output
    return own
