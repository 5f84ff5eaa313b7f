"""One stage's outputs against the reference: a report, or the error that ends the export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from asymm_deploy.engines.tensors import Array
from asymm_deploy.errors import NumericsError
from asymm_deploy.export.proof.parity import ParityReport, compare_outputs
from asymm_deploy.export.proof.reference import Reference

StageName: TypeAlias = Literal["onnx", "simplified", "mnn"]

_ROUNDINGS = 4.0
"""Where a network amplifies rounding, an engine may differ by this many times the reference's own
rounding: each engine adds up in another order.
"""
MOST_ROUNDING = 4e-3
"""The most that this allows."""


def prove_stage(
    name: StageName, reference: Reference, results: Sequence[Sequence[Array]]
) -> ParityReport:
    """Compare ``results``, ``[probe][output]``, with the reference; raise NumericsError on failure.

    What exceeds the usual tolerance is compared again with what the reference's own rounding
    allows. That is computed only then: it takes a run in double precision.
    """
    try:
        report = compare_outputs(reference.results, results)
    except ValueError as error:
        raise NumericsError(
            f"the {name} stage gives other outputs than {reference.name}: {error}",
            "the conversion changed the graph's outputs; please report it with the model",
        ) from error
    if report.strain > 1.0:
        report = compare_outputs(reference.results, results, _allowances(reference))
    if not report.passed:
        raise NumericsError(
            f"the {name} stage differs from {reference.name}: {_difference(report)}",
            "operators that depend on the input's values in Python are frozen while exporting; if "
            "the model has none, compare its layers' outputs one by one to find the operator",
        )
    return report


def _difference(report: ParityReport) -> str:
    found, allowed, which = report.relative_error, report.tolerance, "by"
    if report.rms_error / report.rms_tolerance > found / allowed:
        found, allowed, which = report.rms_error, report.rms_tolerance, "in the mean of squares by"
    return (
        f"{which} {found:.1e} of the outputs' deviation ({allowed:.0e} allowed), argmax agrees on "
        f"{report.argmax_agreement:.0%} of {report.samples} inputs"
    )


def _allowances(reference: Reference) -> list[float]:
    """Return, by output, what the reference's own rounding allows."""
    if not reference.rounding():
        return [0.0] * len(reference.outputs)
    return [min(MOST_ROUNDING, _ROUNDINGS * error) for error in reference.rounding()]
