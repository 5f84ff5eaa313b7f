"""How far a variant's outputs are from the fp32 file's, and how far they may be."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.errors import NumericsError
from asymm_deploy.export.manifest import OutputLimit
from asymm_deploy.export.proof import parity
from asymm_deploy.export.proof.parity import ParityReport, compare_output, worst_of
from asymm_deploy.export.quantize.variant import VariantOutput
from asymm_deploy.models.naming.variant_names import VariantName
from asymm_deploy.text import counted

LEAST_SQNR_DB: dict[VariantName, float] = {
    "half": 20.0,
    "w8": 12.0,
    "w4": 3.0,
    "int8": 6.0,
    "int8-mixed": 6.0,
}
"""The least ratio of power that passes where weights were given: trained ones have far more.

Random weights amplify what is rounded off, w4 on a network of the paper down to -3.7 dB, and no
limit could tell that from a fault. What is simply wrong has 0 dB (zeros) or -3 dB (other numbers of
the same power). docs/variants.md has the measurements.
"""
LEAST_SAME_DB: dict[VariantName, float] = {"half": 40.0, "w8": 60.0, "w4": 60.0}
"""The same against the fp32 file with the variant's own weights: rounding in fp32 alone is left.

Over five of the paper's networks 98 dB and more with weights in 8 and 4 bits. With ``half``, whose
biases and constants are in fp16 as well, 62 dB and more.
"""
MOST_DB = 200.0
"""Stands for no difference at all."""
VARIANT_MARGIN = 2.0
"""A device may be off by this many times what the variant is off here."""


class OutputProof(msgspec.Struct, frozen=True):
    """The outputs of a variant, judged."""

    outputs: tuple[VariantOutput, ...]
    report: ParityReport
    notes: tuple[str, ...]


def prove_outputs(
    name: VariantName,
    specs: Sequence[TensorSpec],
    expected: Sequence[Sequence[Array]],
    found: Sequence[Sequence[Array]],
    limit: float | None,
) -> OutputProof:
    """Compare outputs ``[sample][output]`` with the fp32 file's, output by output.

    ``limit`` is in dB; None accepts all that is finite. Raises NumericsError if an output is beyond
    it, or not finite.
    """
    outputs, reports, notes = [], [], []
    for index, spec in enumerate(specs):
        ours, theirs = ([sample[index] for sample in side] for side in (expected, found))
        if any(
            np.squeeze(a).shape != np.squeeze(b).shape for a, b in zip(ours, theirs, strict=True)
        ):
            outputs.append(VariantOutput(name=spec.name, sqnr_db=None, agreement_percent=None))
            notes.append(f"{spec.name} has other rows in {name}, and is not compared")
            continue
        outputs.append(_output(spec.name, ours, theirs))
        reports.append(_report(spec.name, ours, theirs))
        sqnr = outputs[-1].sqnr_db
        if sqnr is None:
            continue
        if sqnr == -MOST_DB:
            raise NumericsError(f"{spec.name} of {name} is not finite, and in fp32 it is", "")
        if limit is not None and sqnr < limit:
            raise NumericsError(
                f"{spec.name} of {name} is {sqnr:.1f} dB above its error over "
                f"{counted(len(ours), 'input')}, "
                f"and at least {limit:g} dB are required",
                "",
            )
    return OutputProof(tuple(outputs), worst_of(reports, len(expected)), tuple(notes))


def prove_same(
    name: VariantName,
    specs: Sequence[TensorSpec],
    expected: Sequence[Sequence[Array]],
    found: Sequence[Sequence[Array]],
) -> float | None:
    """Return the least ratio in dB between a variant and the fp32 file with its weights.

    None where no output can be compared. Raises NumericsError if it is beyond the limit: MNN
    doesn't compute what the file says.
    """
    ratios = {}
    for index, spec in enumerate(specs):
        pairs = [(ours[index], theirs[index]) for ours, theirs in zip(expected, found, strict=True)]
        if any(one.size != other.size for one, other in pairs) or parity.is_counted(pairs[0][0]):
            continue
        ratios[spec.name] = _sqnr_db([(a, b.reshape(a.shape)) for a, b in pairs])
    if not ratios:
        return None
    worst = min(ratios, key=ratios.__getitem__)
    if ratios[worst] < LEAST_SAME_DB[name]:
        raise NumericsError(
            f"MNN doesn't compute {name} as its weights say: {worst} is {ratios[worst]:.1f} dB "
            f"above its error beside the same weights in fp32, and at least "
            f"{LEAST_SAME_DB[name]:g} dB are required",
            "",
        )
    return ratios[worst]


def limits_as_timed(
    base: Sequence[OutputLimit], expected: Sequence[Array], timed: Sequence[Array]
) -> tuple[OutputLimit, ...]:
    """Return how far each output may be from the reference on a device, for the recorded input.

    ``timed`` is what MNN makes of the variant here, with the settings of a timed run.
    """
    limits = []
    for index, (ours, theirs) in enumerate(zip(expected, timed, strict=True)):
        usual = OutputLimit(
            parity.deviation_or_size([ours]), parity.tolerance(ours), parity.rms_tolerance(ours)
        )
        limit = base[index] if index < len(base) else usual
        if ours.size == theirs.size:
            error, rms = parity.errors(ours, theirs.reshape(ours.shape), limit.deviation)
            limit = OutputLimit(
                limit.deviation,
                max(limit.tolerance, VARIANT_MARGIN * error),
                max(limit.rms_tolerance, VARIANT_MARGIN * rms),
            )
        limits.append(limit)
    return tuple(limits)


def _output(name: str, ours: Sequence[Array], theirs: Sequence[Array]) -> VariantOutput:
    pairs = [(a, b.reshape(a.shape)) for a, b in zip(ours, theirs, strict=True) if a.size]
    if not pairs:
        return VariantOutput(name=name, sqnr_db=None, agreement_percent=None)
    if parity.is_counted(pairs[0][0]):
        same = float(np.mean(np.concatenate([np.ravel(a == b) for a, b in pairs])))
        return VariantOutput(name=name, sqnr_db=None, agreement_percent=100 * same)
    agreement = None
    if all(max(np.squeeze(a).shape, default=1) == a.size > 1 for a, _ in pairs):
        agreement = 100 * float(np.mean([a.argmax() == b.argmax() for a, b in pairs]))
    return VariantOutput(name=name, sqnr_db=_sqnr_db(pairs), agreement_percent=agreement)


def _sqnr_db(pairs: Sequence[tuple[Array, Array]]) -> float:
    power = noise = 0.0
    for ours, theirs in pairs:
        wide, other = ours.astype(np.float64), theirs.astype(np.float64)
        finite = np.isfinite(wide)
        if not np.array_equal(wide[~finite], other[~finite], equal_nan=True):
            return -MOST_DB
        if not np.isfinite(other[finite]).all():
            return -MOST_DB
        power += float(np.square(wide[finite]).sum())
        noise += float(np.square(wide[finite] - other[finite]).sum())
    if not noise:
        return MOST_DB
    return max(-MOST_DB, min(MOST_DB, 10 * (log10(power) - log10(noise)))) if power else -MOST_DB


def _report(name: str, ours: Sequence[Array], theirs: Sequence[Array]) -> ParityReport:
    """Return the errors as an export's manifest has them; they are what was granted."""
    found = compare_output(f"output {name}", ours, theirs)
    return msgspec.structs.replace(
        found,
        tolerance=max(found.tolerance, found.relative_error),
        rms_tolerance=max(found.rms_tolerance, found.rms_error),
    )
