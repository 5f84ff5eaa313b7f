"""Compare what the model computed on the device with the artifact's reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import Backend, Precision
from asymm_deploy.export.manifest import OutputLimit
from asymm_deploy.export.proof.parity import (
    deviation_or_size,
    errors,
    is_counted,
    usual_tolerance,
)

Values: TypeAlias = npt.NDArray[np.generic]

OUTPUT_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-1}
"""Largest error that passes, unless the export granted the output more.

In fp32, sums in a different order differ by about 4e-6. In fp16, 1 to 4 % is usual; the networks of
Table 5 reach 6.1 % on an emulated Cortex-A76 (docs/numbers.md).
"""


_OF_GPUS: dict[Precision, float] = {"fp32": 1e-3, "fp16": 1e-1}
"""The same on other back ends than the CPU (docs/backends.md)."""


def least_tolerance(precision: Precision, backend: Backend) -> float:
    """Return the largest error that passes where the export granted the output no more."""
    return (OUTPUT_TOLERANCE if backend == "cpu" else _OF_GPUS)[precision]


@dataclass(frozen=True, slots=True)
class OutputComparison:
    """How far the outputs are from the reference."""

    error: float | None
    """The error of the output that is nearest to its tolerance, or furthest above it.

    Its largest error or its root mean square (see ``parity``), whichever is nearer. None where an
    output is missing, has the wrong size, or is not finite.
    """
    tolerance: float | None
    """The largest error that this output may have."""

    @property
    def strain(self) -> float:
        """The error as a share of its tolerance; infinite where there is none."""
        if self.error is None or self.tolerance is None:
            return float("inf")
        return self.error / self.tolerance


def compare_with_reference(
    reference: Mapping[str, Values],
    values: Mapping[str, bytes],
    limits: Mapping[str, OutputLimit],
    precision: Precision,
    settled_otherwise: Mapping[str, Values] | None = None,
    backend: Backend = "cpu",
) -> OutputComparison:
    """Compare the outputs ``values``, little-endian float32 by name, with the reference.

    ``limits`` are for fp32, by output name. The error of an output without one is relative to the
    output's own deviation, or to its size where it is the same number everywhere. An output that is
    ``settled_otherwise`` by the engine may be as the reference has it, or as that has it.
    """
    others = settled_otherwise or {}
    least = least_tolerance(precision, backend)
    found = []
    for name, expected in reference.items():
        sides = (expected, others[name]) if name in others else (expected,)
        compared = [_compare(x, values.get(name), limits.get(name), least) for x in sides]
        found.append(min(compared, key=lambda side: side.strain))
    nothing = OutputComparison(0.0, least)
    return max(found, key=lambda output: output.strain, default=nothing)


def _compare(
    expected: Values, raw: bytes | None, limit: OutputLimit | None, least: float
) -> OutputComparison:
    if raw is None or len(raw) != 4 * expected.size:
        return OutputComparison(None, None)
    found = np.frombuffer(raw, "<f4").reshape(expected.shape)
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return OutputComparison(None, None)
    if expected.size == 0:
        return OutputComparison(0.0, least)
    limit = limit or OutputLimit(deviation_or_size([expected]), least, least)
    usual = usual_tolerance(expected) if is_counted(expected) else 0.0
    allowances = (max(least, usual, limit.tolerance), max(least, limit.rms_tolerance))
    both = zip(_errors(expected, found, limit.deviation), allowances, strict=True)
    return max((OutputComparison(*one) for one in both), key=lambda one: one.strain)


def _errors(
    expected: npt.NDArray[np.generic], found: npt.NDArray[np.float32], deviation: float
) -> tuple[float, float]:
    """Return the relative and the root-mean-square error of one output.

    Of integers and booleans: the share that differs, once they are float32 as those that were sent.
    """
    if is_counted(expected):
        return float(np.mean(expected.astype(np.float32) != found)), 0.0
    return errors(expected, found, deviation)
