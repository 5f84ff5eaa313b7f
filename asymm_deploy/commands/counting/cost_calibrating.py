"""The steps of ``asymm-deploy cost --calibrate``: what was measured, its counts, a fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration
from asymm_deploy.bench.predicted.phone_calibration import (
    MeasuredModel,
    MeasuredPhone,
    listed_few,
    measured_phone,
    phone_calibration,
)
from asymm_deploy.bench.records import Precision
from asymm_deploy.commands import console
from asymm_deploy.text import counted

CountMissing = Callable[[Sequence[MeasuredModel]], Sequence[CostRecord]]
"""Counts models that lack counts, and returns the records of those that could be counted."""


def calibrate(
    results: Path,
    name: str | None,
    precision: Precision,
    costs: Sequence[CostRecord],
    count: CountMissing,
) -> CostCalibration:
    """Fit the phone that ``results`` were measured on, keep that by name, and say how good it is.

    ``costs`` are counts that are there already; ``count`` makes those that lack. Without a name it
    is called like the phone. Raises UsageError if the results are no good for it, before anything
    is counted, or if too few models can be counted.
    """
    phone = measured_phone(results, precision)
    name = calibrations.require_own_name(name_for(phone) if name is None else name)
    if phone.invalid:
        console.say(f"left out, because their rows are not valid: {listed_few(phone.invalid)}")
    lacking = phone.uncounted(costs)
    if lacking:
        console.say(f"{len(lacking)} of {len(phone.models)} models have no counts yet")
        costs = [*costs, *count(lacking)]
    calibration = phone_calibration(name, phone, costs)
    lacking = phone.uncounted(costs)
    if lacking:
        names = listed_few([model.model for model in lacking])
        console.say(f"left out, because the file that was measured has no counts: {names}")
    replaced = ", in place of the one that was there" if name in calibrations.kept_names() else ""
    path = calibrations.keep(calibration)
    for line in (*fit_in_words(calibration), f"wrote {path}{replaced}"):
        console.say(line)
    return calibration


def name_for(phone: MeasuredPhone) -> str:
    """Return a calibration's name from what the phone is called: ``pixel-4-sm8150``."""
    words = re.findall(r"[a-z0-9]+", phone.called.lower())
    return "-".join(words)[:64].strip("-") or "phone"


def fit_in_words(calibration: CostCalibration) -> tuple[str, str]:
    """Return two lines: what was fitted, and how far off it is."""
    ns = ", ".join(f"{each:.3g} ns for each {what}" for what, each in calibration.ns_per.items())
    return (
        f"{calibration.name}, of {calibration.device}: {ns}, from "
        f"{counted(calibration.models, 'model')}",
        f"models that were left out of the fit are off by {calibration.mean_error:.1%} on average "
        f"and {calibration.worst_error:.1%} at worst; their latencies are {calibration.low:.3g} to "
        f"{calibration.high:.3g} times the prediction",
    )
