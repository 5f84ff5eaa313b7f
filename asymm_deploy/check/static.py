"""What is compared beside latency: counts and sizes, which need no statistics, init and memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import UNITS, Change, Metric, Verdict
from asymm_deploy.check.live import decision
from asymm_deploy.check.live.decision import Interval
from asymm_deploy.check.outputs.words import amount
from asymm_deploy.check.policy import LEAST_BLOCKS

LaunchMetric = Literal["init", "peak_memory"]
LAUNCH_METRICS: tuple[LaunchMetric, ...] = ("init", "peak_memory")
Series: TypeAlias = tuple[Sequence[LaunchRecord], Sequence[LaunchRecord]]
"""Launches of the baseline and of the candidate, two a block each."""
RISK = 0.005
"""Of each of the two tests. Loads differ by 15 to 50 %, and a first one may take ten times as long:

of 1000 simulated comparisons of a model with itself up to 35 regressed by Student's interval alone
at 0.02, and up to 6 do by both (tests/check/test_static.py).
"""
UNDECIDED = "Undecided, which is no alarm."
_NS_PER_MS = 1e6


def counted(
    model: str, baseline: Artifact, candidate: Artifact, thresholds: Mapping[Metric, float]
) -> list[Change]:
    """Return the changes of what is known without timing; nothing for what one side lacks."""
    found: tuple[tuple[Metric, float | None, float | None], ...] = (
        ("mnn_size", _size(baseline.path), _size(candidate.path)),
        ("madds", baseline.madds, candidate.madds),
        ("params", baseline.params, candidate.params),
    )
    return [
        exact(model, metric, before, after, thresholds[metric])
        for metric, before, after in found
        if before is not None and after is not None
    ]


def _size(path: Path) -> int | None:
    """Return how many bytes a file has; None where it was removed meanwhile."""
    try:
        return path.stat().st_size
    except OSError:
        return None


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
    launches: Mapping[str, Sequence[Series]],
    thresholds: Mapping[Metric, float],
) -> list[Change]:
    """Return the change of each model's init time or peak memory, where the launches tell it.

    Judged once, at the end: nothing is launched for it beyond what latency needed, so it may stay
    undecided. Then it passes, and says so: nobody can act on that a disk was slow. It regressed
    where each series says so, one or two, by the interval and by ranks.
    """
    found = []
    for model, series in launches.items():
        allowed = thresholds[metric]
        seen = [_seen(metric, arms, allowed, RISK / len(launches)) for arms in series]
        known = [each for each in seen if each is not None]
        if known:
            verdicts = [None if each is None else each.verdict for each in seen]
            found.append(_change(model, metric, known[-1], verdicts, allowed))
    return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one series says."""

    baseline: float
    """Geometric mean."""
    around: Interval
    verdict: Verdict
    blocks: int


def _seen(
    metric: LaunchMetric, arms: Series, threshold_percent: float, risk: float
) -> _Seen | None:
    baseline, candidate = (_logs_of_blocks(metric, arm) for arm in arms)
    if baseline is None or candidate is None or len(baseline) < LEAST_BLOCKS:
        return None
    differences = candidate - baseline
    around = decision.interval(list(differences), risk)
    allowed = math.log1p(threshold_percent / 100)
    verdict: Verdict = "pass"
    if around.estimate > allowed:
        sure = around.low > 0 and _ranks_agree(differences)
        verdict = "regressed" if sure else "inconclusive"
    elif around.estimate < -allowed and around.high < 0 and _ranks_agree(-differences):
        verdict = "improved"
    return _Seen(math.exp(float(baseline.mean())), around, verdict, len(differences))


def _ranks_agree(differences: npt.NDArray[np.float64]) -> bool:
    """Tell whether they are above zero by Wilcoxon's signed ranks too, which no outlier moves."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences, alternative="greater").pvalue) < RISK


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


def _change(
    model: str,
    metric: Metric,
    last: _Seen,
    verdicts: Sequence[Verdict | None],
    threshold_percent: float,
) -> Change:
    """Return the ``last`` series' change; ``verdicts`` are those of all, None where untold."""
    change, low, high = last.around.percent
    verdict: Verdict = "pass"
    note = "."
    if set(verdicts) in ({"regressed"}, {"improved"}):
        verdict = last.verdict
    elif "inconclusive" in verdicts:
        note = f", but launches differ too much to tell. {UNDECIDED}"
    elif "regressed" in verdicts:
        note = f", and only one of two series shows more. {UNDECIDED}"
    return Change(
        model=model,
        metric=metric,
        unit=UNITS[metric],
        baseline=last.baseline,
        candidate=last.baseline * math.exp(last.around.estimate),
        change_percent=change,
        low_percent=low,
        high_percent=high,
        threshold_percent=threshold_percent,
        verdict=verdict,
        why=f"It changed by {change:+.1f} %; {threshold_percent:g} % more is allowed{note}",
        blocks=last.blocks,
    )


def _value(metric: LaunchMetric, record: LaunchRecord) -> float | None:
    if metric == "peak_memory":
        return record.peak_memory_mb
    return None if record.init_ns is None else record.init_ns / _NS_PER_MS
