"""Launches of a live comparison -> the changes of time to load and of peak memory.

Judged once, at the end: nothing is launched for them beyond what latency needed, so they may stay
undecided. Then they pass, and say so: nobody can act on a slow disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.judge import log_interval
from asymm_deploy.bench.judge.log_interval import Interval
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.check.findings import (
    UNDECIDED,
    UNITS,
    Change,
    LoadMetric,
    Metric,
    Verdict,
    not_told,
)
from asymm_deploy.check.live.block_taker import SeriesLaunches
from asymm_deploy.check.live.procedure import LOAD_BLOCKS

LOAD_METRICS: tuple[LoadMetric, ...] = ("init", "peak_memory")
LOAD_RISK = 0.005
"""Of each of the two tests. Loads differ by 15 to 50 %, and the first may take ten times as long:

of 1000 simulated comparisons of a model with itself up to 35 regress by Student's interval alone
at 0.02, and up to 6 do by both tests (tests/check/live/test_load_changes.py).
"""


def load_changes(
    metric: LoadMetric,
    launches: Mapping[str, Sequence[SeriesLaunches]],
    thresholds: Mapping[Metric, float],
) -> list[Change]:
    """Return the change of each model's ``metric``, if its launches tell.

    It regressed if each series says so, one or two, by the interval and by ranks.
    """
    found = []
    for model, series in launches.items():
        allowed = thresholds[metric]
        seen = [_seen(metric, each, allowed, LOAD_RISK / len(launches)) for each in series]
        known = [each for each in seen if each is not None]
        if known:
            verdicts = [None if each is None else each.verdict for each in seen]
            found.append(_change(model, metric, known[-1], verdicts, allowed))
    return found


def untold_loads(launches: Mapping[str, Sequence[SeriesLaunches]]) -> tuple[str, ...]:
    """Return sentences on the metrics that were not compared since a launch does not tell them."""
    found = []
    for metric in LOAD_METRICS:
        models = [
            model
            for model, series in launches.items()
            if any(
                _value(metric, record) is None
                for each in series
                for record in (*each.baseline, *each.candidate)
            )
        ]
        if models:
            found.append(not_told(metric, models))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one series says."""

    baseline: float
    """Geometric mean."""
    around: Interval
    verdict: Verdict
    blocks: int


def _seen(
    metric: LoadMetric, series: SeriesLaunches, threshold_percent: float, risk: float
) -> _Seen | None:
    baseline, candidate = (
        _logs_of_blocks(metric, arm, series.of_one_block)
        for arm in (series.baseline, series.candidate)
    )
    if baseline is None or candidate is None or len(baseline) < LOAD_BLOCKS:
        return None
    differences = candidate - baseline
    around = log_interval.interval(list(differences), risk)
    allowed = math.log1p(threshold_percent / 100)
    verdict: Verdict = "pass"
    if around.estimate > allowed:
        sure = around.low > 0 and _ranks_agree(differences)
        verdict = "regressed" if sure else "inconclusive"
    elif around.estimate < -allowed and around.high < 0 and _ranks_agree(-differences):
        verdict = "improved"
    return _Seen(math.exp(float(baseline.mean())), around, verdict, len(differences))


def _ranks_agree(differences: npt.NDArray[np.float64]) -> bool:
    """Tell if they are above zero by Wilcoxon's signed ranks as well, which no outlier moves."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences, alternative="greater").pvalue) < LOAD_RISK


def _logs_of_blocks(
    metric: LoadMetric, records: Sequence[LaunchRecord], of_one_block: int
) -> npt.NDArray[np.float64] | None:
    """Return the mean log of each block's launches; None if one of them doesn't tell."""
    values = [_value(metric, record) for record in records]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    means: npt.NDArray[np.float64] = np.log(known).reshape(-1, of_one_block).mean(axis=1)
    return means


def _change(
    model: str,
    metric: Metric,
    last: _Seen,
    verdicts: Sequence[Verdict | None],
    threshold_percent: float,
) -> Change:
    """Return the ``last`` series' change; ``verdicts`` are those of all, None if it can't tell."""
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


def _value(metric: LoadMetric, record: LaunchRecord) -> float | None:
    value = record.peak_memory_mb if metric == "peak_memory" else record.init_ns
    if not value:  # nothing takes no time, or no memory: earlier versions took 0 for an answer
        return None
    return value if metric == "peak_memory" else value / NS_PER_MS
