"""What the model computed on the device, against the artifact's reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import Precision
from asymm_deploy.export.manifest import OutputLimit
from asymm_deploy.export.proof.parity import deviation_or_size, errors

OUTPUT_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-1}
"""Largest error that passes, unless the export found that it takes more.

Sums in another order differ by about 4e-6 in fp32. In fp16, 1 to 4 % are usual; the networks of
Table 5 reach 6.1 % on an emulated Cortex-A76 (docs/numbers.md).
"""


@dataclass(frozen=True, slots=True)
class OutputComparison:
    """How far the outputs are from the reference's."""

    error: float | None
    """Of the output nearest to its tolerance or furthest above it.

    It is the largest or the root mean square, see ``parity``, whichever is nearer.
    None where an output is missing, of another size, or not finite.
    """
    tolerance: float | None
    """What that output's error may be."""


def compare_with_reference(
    reference: Mapping[str, npt.NDArray[np.generic]],
    values: Mapping[str, bytes],
    limits: Mapping[str, OutputLimit],
    precision: Precision,
) -> OutputComparison:
    """Compare the outputs ``values``, little-endian float32 by name, with the reference.

    ``limits`` are by name, in fp32. An output without one is measured by its own deviation, or by
    its size where it is the same number everywhere.
    """
    least = OUTPUT_TOLERANCE[precision]
    worst = OutputComparison(0.0, least)
    strain = -1.0
    for name, expected in reference.items():
        raw = values.get(name)
        if raw is None or len(raw) != 4 * expected.size:
            return OutputComparison(None, None)
        found = np.frombuffer(raw, "<f4").reshape(expected.shape)
        if not (np.isfinite(found).all() and np.isfinite(expected).all()):
            return OutputComparison(None, None)
        if expected.size == 0:
            continue
        limit = limits.get(name) or OutputLimit(deviation_or_size([expected]), least, least)
        allowances = (max(least, limit.tolerance), max(least, limit.rms_tolerance))
        for error, allowed in zip(
            errors(expected, found, limit.deviation), allowances, strict=True
        ):
            if error / allowed > strain:
                worst, strain = OutputComparison(error, allowed), error / allowed
    return worst
