"""Changes of what needs no statistics: multiply-adds, parameters, the size of the .mnn file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.check.findings import UNITS, Change, Metric, Verdict
from asymm_deploy.check.outputs.words import amount


def counted_changes(
    model: str, baseline: Artifact, candidate: Artifact, thresholds: Mapping[Metric, float]
) -> list[Change]:
    """Return the changes of what is known without timing; nothing for what one side lacks."""
    found: tuple[tuple[Metric, float | None, float | None], ...] = (
        ("mnn_size", _size(baseline.path), _size(candidate.path)),
        ("madds", baseline.madds, candidate.madds),
        ("params", baseline.params, candidate.params),
    )
    return [
        exact_change(model, metric, before, after, thresholds[metric])
        for metric, before, after in found
        if before is not None and after is not None
    ]


def exact_change(
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


def _size(path: Path) -> int | None:
    """Return how many bytes a file has; None if it was removed meanwhile."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _why(metric: Metric, baseline: float, candidate: float, allowed: float) -> str:
    if baseline == candidate:
        return "It is the same."
    unit = UNITS[metric]
    return (
        f"It went from {amount(baseline, unit)} to {amount(candidate, unit)}; "
        f"{allowed:g} % more is allowed."
    )
