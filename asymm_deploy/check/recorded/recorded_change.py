"""One model's launches in two folders -> its changes, tested by ranks.

What changed between the two benches besides the model (another neighbour, another kernel) counts
against the candidate alone. So it takes more than chance: Mann-Whitney's p below 0.002 over launch
medians, and a ratio above the threshold. With 0.002, ten comparisons of a hundred unchanged models
give one such p on the slower side by chance alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.check import launched
from asymm_deploy.check.exact_changes import exact_change
from asymm_deploy.check.findings import (
    UNDECIDED,
    UNITS,
    Change,
    CountMetric,
    LoadMetric,
    Metric,
    Verdict,
    latency_without_figures,
    not_told,
)
from asymm_deploy.check.policy import ALPHA_ONCE, GatePolicy
from asymm_deploy.check.recorded.arm_refusals import LEAST_RECORDED_LAUNCHES
from asymm_deploy.check.recorded.recorded_arm import RecordedArm
from asymm_deploy.check.recorded.sentinel import Sentinel
from asymm_deploy.errors import ExitCode
from asymm_deploy.text import counted

MOST_CHANCE = 0.002
"""Mann-Whitney's two-sided p must be below this for a change to be more than chance."""
_COUNTS: tuple[tuple[CountMetric, Callable[[LaunchRecord], int | None]], ...] = (
    ("madds", lambda r: r.madds),
    ("params", lambda r: r.params),
)
_LOADS: tuple[tuple[LoadMetric, Callable[[LaunchRecord], float | None], float], ...] = (
    ("init", lambda r: r.init_ns, NS_PER_MS),
    ("peak_memory", lambda r: r.peak_memory_mb, 1.0),
)


def recorded_changes(
    model: str,
    before: RecordedArm,
    after: RecordedArm,
    policy: GatePolicy,
    sentinel: Sentinel | None,
) -> list[Change]:
    """Return the model's changes: all metrics, or a single one that says why there are none."""
    for arm in (before, after):
        failure = launched.row_failure(arm.launches, arm.allow)
        if failure is not None:
            why = f"The {arm.name} failed: {failure.why}."
            return [latency_without_figures(model, "failed", why, failure.code)]
        count = len(_logs(arm, sentinel))
        if count < LEAST_RECORDED_LAUNCHES:
            beside = "" if sentinel is None else f" beside one of {sentinel.name}"
            why = (
                f"Only {count} of the {arm.name}'s {counted(len(arm.launches), 'launch')} "
                f"{'counts' if count == 1 else 'count'}{beside}, "
                f"and {LEAST_RECORDED_LAUNCHES} are needed."
            )
            return [latency_without_figures(model, "unstable", why, ExitCode.UNSTABLE)]
    if before.has_two_modes or after.has_two_modes:
        why = "Its launches fall into two groups, 5 % apart or more."
        return [latency_without_figures(model, "unstable", why, ExitCode.UNSTABLE)]
    old, new = (_logs(arm, sentinel) for arm in (before, after))
    allowed = policy.latency_threshold(math.exp(float(np.median(old))) / NS_PER_MS)
    latency = change_by_ranks(model, "latency", old, new, allowed, NS_PER_MS)
    return [latency, *_other_metrics(model, before, after, policy)]


def change_by_ranks(
    model: str,
    metric: Metric,
    before: npt.NDArray[np.float64],
    after: npt.NDArray[np.float64],
    allowed: float,
    unit: float,
) -> Change:
    """Return the change of the medians of logs, and Mann-Whitney's verdict on it.

    ``allowed`` is a share; ``unit`` is what a value is divided by to be shown.
    """
    from scipy.stats import mannwhitneyu

    step = float(np.median(after) - np.median(before))
    bound = math.log1p(allowed)
    chance = float(mannwhitneyu(before, after).pvalue)
    # Not seen to be slower is no proof: to pass, it has to be seen to be below the threshold.
    below = float(mannwhitneyu(after - bound, before, alternative="less").pvalue) < ALPHA_ONCE
    verdict: Verdict = "inconclusive"
    if chance < MOST_CHANCE and step > bound:
        verdict = "regressed"
    elif chance < MOST_CHANCE and step < -bound:
        verdict = "improved"
    elif below:
        verdict = "pass"
    percent, least = 100 * math.expm1(step), min(len(before), len(after))
    return Change(
        model=model,
        metric=metric,
        unit=UNITS[metric],
        baseline=math.exp(float(np.median(before))) / unit,
        candidate=math.exp(float(np.median(after))) / unit,
        change_percent=percent,
        low_percent=None,
        high_percent=None,
        threshold_percent=100 * allowed,
        verdict=verdict,
        why=_why(verdict, percent, 100 * allowed, chance, least),
        blocks=least,
    )


def metrics_not_told(arms: Mapping[str, tuple[RecordedArm, RecordedArm]]) -> list[str]:
    """Return sentences on what was not compared of models, as their launches do not tell it.

    Counts that neither side tells are passed over: no export made those files.
    """
    found = []
    for count, of_count in _COUNTS:
        models = [
            model
            for model, sides in arms.items()
            if all(side.counting for side in sides)
            and len({of_count(side.counting[-1]) is None for side in sides}) > 1
        ]
        if models:
            found.append(not_told(count, models))
    for metric, of, _ in _LOADS:
        models = [
            model
            for model, sides in arms.items()
            if any(len(_told(x, of)) < min(len(x.counting), LEAST_RECORDED_LAUNCHES) for x in sides)
        ]
        if models:
            found.append(not_told(metric, models))
    return found


def _told(arm: RecordedArm, of: Callable[[LaunchRecord], float | None]) -> list[float]:
    return [value for value in map(of, arm.counting) if value]  # earlier versions took 0 as well


def _logs(arm: RecordedArm, sentinel: Sentinel | None) -> npt.NDArray[np.float64]:
    return arm.logs if sentinel is None else sentinel.corrected(arm)


def _other_metrics(
    model: str, before: RecordedArm, after: RecordedArm, policy: GatePolicy
) -> list[Change]:
    found = []
    for count, of_count in _COUNTS:
        old, new = (of_count(arm.counting[-1]) for arm in (before, after))
        if old is not None and new is not None:
            found.append(exact_change(model, count, old, new, policy.thresholds[count]))
    for metric, of, unit in _LOADS:
        a, b = _told(before, of), _told(after, of)
        if min(len(a), len(b)) >= LEAST_RECORDED_LAUNCHES:
            share = policy.thresholds[metric] / 100
            change = change_by_ranks(model, metric, np.log(a), np.log(b), share, unit)
            if change.verdict == "inconclusive":  # as live: nobody can act on a slow disk
                why = f"{change.why} {UNDECIDED}"
                change = msgspec.structs.replace(change, verdict="pass", why=why)
            found.append(change)
    return found


def _why(verdict: Verdict, percent: float, allowed: float, chance: float, least: int) -> str:
    seen = f"{percent:+.1f} % over {least} launches per side, p = {chance:.2g}"
    if verdict == "inconclusive":
        return f"{seen}: launches differ too much to tell it from the {allowed:.3g} % allowed."
    return f"{seen}; {allowed:.3g} % more is allowed."
