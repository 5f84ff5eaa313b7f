"""What turns counts into milliseconds on one phone, and how far off that may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from asymm_deploy.bench.emulated.counts import CostKey, CostRecord, Counts
from asymm_deploy.bench.predicted.least_squares import (
    FitNumbers,
    predicted_unseen,
    relative_errors,
    relative_fit,
)
from asymm_deploy.bench.records import Engine, Precision
from asymm_deploy.bench.units import NS_PER_MS

CALIBRATION_VERSION = 1
"""Newest version of a calibration's file."""

Predictor = Literal["fma", "load"]
PREDICTORS: tuple[Predictor, ...] = ("fma", "load")
"""The counts that are fitted; benchmarks/predict.py compares them with others."""

_DIGITS = 6
"""Of each number that is kept: latencies have three, and the last bits depend on the machine."""


class CostCalibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fitted to latencies of one phone, engine and precision, with one thread."""

    schema_version: int = CALIBRATION_VERSION
    name: str
    device: str
    """Whose latencies they were: ``Snapdragon 855``."""
    source: str
    """Where they came from, for people."""
    cpu: str
    """What was emulated to count."""
    engine: Engine
    engine_version: str
    precision: Precision
    ns_per: dict[Predictor, float]
    """Nanoseconds for each instruction of a class."""
    models: int
    """How many it was fitted to."""
    low: float
    """Smallest latency over prediction of a model that was left out of its own fit."""
    high: float
    """Largest of those. All of the models lie within the two."""
    mean_error: float
    """Of the same predictions; 0.05 is 5 %."""
    worst_error: float


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """A latency that nobody measured, in milliseconds, and between which two it should lie."""

    ms: float
    low_ms: float
    high_ms: float


def predict(counts: Counts, calibration: CostCalibration) -> Prediction:
    """Return what a run of these counts should take on the calibration's phone."""
    ns = sum(getattr(counts, name) * each for name, each in calibration.ns_per.items())
    ms = ns / NS_PER_MS
    return Prediction(ms=ms, low_ms=ms * calibration.low, high_ms=ms * calibration.high)


def predicted_for(record: CostRecord, calibration: CostCalibration) -> Prediction | None:
    """Return a record's prediction; None if it has no counts, or nothing was fitted for it.

    Nothing was fitted for another engine or version of it, another precision, or another emulated
    processor: those run other code.
    """
    key = record.key
    theirs = (key.cpu, key.engine, key.engine_version, record.precision)
    ours = (
        calibration.cpu,
        calibration.engine,
        calibration.engine_version,
        calibration.precision,
    )
    if record.counts is None or not record.valid or theirs != ours:
        return None
    return predict(record.counts, calibration)


def calibrated(
    name: str,
    device: str,
    source: str,
    key: CostKey,
    precision: Precision,
    rows: Sequence[tuple[Counts, float]],
) -> CostCalibration:
    """Return the calibration that fits ``rows``: counts by ``key``, and milliseconds.

    There are two rows at least. Its interval is the range of the ratios of those latencies to
    predictions by a fit that left the model out; it ends at infinity if one of those is 0.
    """
    counts = matrix([found for found, _ in rows])
    ms = np.array([latency for _, latency in rows])
    alone = predicted_unseen(counts, ms, range(len(rows)))
    with np.errstate(divide="ignore"):
        ratios = ms / alone
    errors = relative_errors(alone, ms)
    return CostCalibration(
        name=name,
        device=device,
        source=source,
        cpu=key.cpu,
        engine=key.engine,
        engine_version=key.engine_version,
        precision=precision,
        ns_per={
            name: _kept(each * NS_PER_MS)
            for name, each in zip(PREDICTORS, relative_fit(counts, ms), strict=True)
        },
        models=len(rows),
        low=_kept(ratios.min()),
        high=_kept(ratios.max()),
        mean_error=_kept(errors.mean()),
        worst_error=_kept(errors.max()),
    )


def matrix(counts: Sequence[Counts]) -> FitNumbers:
    """Return the columns of ``PREDICTORS``, shape (rows, columns)."""
    return np.array(
        [[float(getattr(found, name)) for name in PREDICTORS] for found in counts], dtype=np.float64
    )


def _kept(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
