"""What is compared beside latency: counts and sizes, which need no statistics, init and memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import decision
from asymm_deploy.check.outputs.words import amount
from asymm_deploy.check.policy import ALPHA_ONCE
from asymm_deploy.check.records import UNITS, Change, Metric, Verdict

LaunchMetric = Literal["init", "peak_memory"]
LAUNCH_METRICS: tuple[LaunchMetric, ...] = ("init", "peak_memory")
_NS_PER_MS = 1e6


def counted(
    model: str, baseline: Artifact, candidate: Artifact, thresholds: Mapping[Metric, float]
) -> list[Change]:
    """Return the changes of what is known without timing; nothing for what one side lacks."""
    sizes = baseline.path.stat().st_size, candidate.path.stat().st_size
    found: tuple[tuple[Metric, float | None, float | None], ...] = (
        ("mnn_size", *sizes),
        ("madds", baseline.madds, candidate.madds),
        ("params", baseline.params, candidate.params),
    )
    return [
        exact(model, metric, before, after, thresholds[metric])
        for metric, before, after in found
        if before is not None and after is not None
    ]


def exact(
    model: str, metric: Metric, baseline: float, candidate: float, threshold_percent: float
) -> Change:
    """Return the change of a number that is the same every time it is taken."""
    if baseline:
        change = 100 * (candidate - baseline) / baseline
    else:
        change = 0.0 if candidate == baseline else math.inf
    verdict: Verdict = "pass"
    if change > threshold_percent:
        verdict = "regressed"
    elif change < -threshold_percent:
        verdict = "improved"
    return Change(
        model=model,
        metric=metric,
        unit=UNITS[metric],
        baseline=baseline,
        candidate=candidate,
        change_percent=change if math.isfinite(change) else None,
        low_percent=None,
        high_percent=None,
        threshold_percent=threshold_percent,
        verdict=verdict,
        why=_why(metric, baseline, candidate, threshold_percent),
    )


def _why(metric: Metric, baseline: float, candidate: float, allowed: float) -> str:
    if baseline == candidate:
        return "It is the same."
    unit = UNITS[metric]
    return (
        f"It went from {amount(baseline, unit)} to {amount(candidate, unit)}; "
        f"{allowed:g} % more is allowed."
    )


def from_launches(
    metric: LaunchMetric,
    launches: Mapping[str, tuple[Sequence[LaunchRecord], Sequence[LaunchRecord]]],
    thresholds: Mapping[Metric, float],
) -> list[Change]:
    """Return the change of each model's init time or peak memory, where the launches tell it.

    ``launches`` are both arms', two a block and arm. Judged once, at the end: nothing is launched
    for it beyond what latency needed.
    """
    found = []
    for model, (baseline, candidate) in launches.items():
        before, after = _logs_of_blocks(metric, baseline), _logs_of_blocks(metric, candidate)
        if before is not None and after is not None and len(before) > 1:
            found.append(
                _varying(
                    model, metric, before, after, thresholds[metric], ALPHA_ONCE / len(launches)
                )
            )
    return found


def _logs_of_blocks(
    metric: LaunchMetric, records: Sequence[LaunchRecord]
) -> npt.NDArray[np.float64] | None:
    """Return the mean log of each block's two launches; None where one doesn't tell."""
    values = [_value(metric, record) for record in records]
    known = [value for value in values if value]
    if len(known) < len(values):
        return None
    means: npt.NDArray[np.float64] = np.log(known).reshape(-1, 2).mean(axis=1)
    return means


def _varying(
    model: str,
    metric: Metric,
    baseline: npt.NDArray[np.float64],
    candidate: npt.NDArray[np.float64],
    threshold_percent: float,
    risk: float,
) -> Change:
    """``baseline`` and ``candidate`` are logs, one a block."""
    around = decision.interval(list(candidate - baseline), risk)
    change, low, high = around.percent
    allowed = math.log1p(threshold_percent / 100)
    verdict: Verdict = "pass"
    note = "."
    if around.estimate > allowed:
        verdict = "regressed" if around.low > 0 else "inconclusive"
        note = "." if around.low > 0 else ", but launches differ too much to tell."
    elif around.estimate < -allowed and around.high < 0:
        verdict = "improved"
    middle = math.exp(float(baseline.mean()))
    return Change(
        model=model,
        metric=metric,
        unit=UNITS[metric],
        baseline=middle,
        candidate=middle * math.exp(around.estimate),
        change_percent=change,
        low_percent=low,
        high_percent=high,
        threshold_percent=threshold_percent,
        verdict=verdict,
        why=f"It changed by {change:+.1f} %; {threshold_percent:g} % more is allowed{note}",
        blocks=len(baseline),
    )


def _value(metric: LaunchMetric, record: LaunchRecord) -> float | None:
    if metric == "peak_memory":
        return record.peak_memory_mb
    return None if record.init_ns is None else record.init_ns / _NS_PER_MS
