"""What the model computed on the device, against the artifact's reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import Precision

TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-1}
"""Largest difference that passes, over the reference's standard deviation.

Sums in another order differ by about 4e-6 in fp32. In fp16, 1 to 4 % are usual; the networks of
Table 5 reach 6.1 % on an emulated Cortex-A76 (docs/numbers.md).
"""


def error(
    reference: Mapping[str, npt.NDArray[np.generic]], values: Mapping[str, bytes]
) -> float | None:
    """Return the largest difference over the reference's standard deviation, the worst output's.

    ``values`` are little-endian float32 by name. An output that is the same number everywhere is
    measured by its size. None where an output is missing, of another size, or not finite.
    """
    errors = [0.0]
    for name, expected in reference.items():
        raw = values.get(name)
        if raw is None or len(raw) != 4 * expected.size:
            return None
        found = np.frombuffer(raw, "<f4").astype(np.float64)
        wanted = expected.astype(np.float64).ravel()
        if not (np.isfinite(found).all() and np.isfinite(wanted).all()):
            return None
        if wanted.size == 0:
            continue
        difference = float(np.abs(found - wanted).max())
        measure = float(wanted.std()) or float(np.abs(wanted).max()) or 1.0
        errors.append(difference / measure)
    return max(errors)
