"""One model's history -> whether its latest level is above an earlier one, and since when.

The logarithms of the points are split into levels (``change_points.py``). The latest is compared
with the lowest before it, not with the first, so that a gain that is lost again alarms as well. A
level has lasted three commits, or it is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.check.findings import Change, Verdict, latency_without_figures
from asymm_deploy.check.history.commit_points import CommitPoint
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.history.told.change_points import blind, boundaries, least_points
from asymm_deploy.history.told.history_levels import log_percent, step_between

_PERCENT = 100


def change_of_level(
    name: str,
    points: Sequence[CommitPoint],
    commits: Sequence[str],
    policy: GatePolicy,
    significance: float,
) -> Change:
    """Return the change of a history's latency; ``commits`` are those of all models."""
    failed = _failed(name, points, commits)
    if failed is not None:
        return failed
    counting = [point for point in points if point.launches]
    too_little = _too_little(counting, commits, least_points(significance))
    if too_little is not None:
        usual = policy.thresholds["latency"]
        return _change(name, "inconclusive", too_little, usual, len(counting))
    values = np.log([point.latency_ms for point in counting])
    starts = boundaries(values, significance)
    found = np.split(values, starts)
    begins = [counting[start].commit for start in (0, *starts)]
    means = [float(level.mean()) for level in found]
    lowest = int(np.argmin(means[:-1])) if starts else 0
    step = step_between(found[lowest], found[-1], starts[-1]) if starts else None
    percent = 0.0 if step is None else step.percent
    threshold_percent = _PERCENT * policy.latency_threshold(math.exp(means[lowest]))
    verdict: Verdict = "pass"
    if percent > threshold_percent:
        verdict = "regressed"
    elif percent < -threshold_percent:
        verdict = "improved"
    said = [_steps(begins, means) if starts else "nothing stands out from the noise"]
    if len(found) > 2:
        said.append(f"{percent:+.1f} % against the lowest before, from commit {begins[lowest]} on")
    if verdict == "regressed":
        said.append(f"if that is intended, give the files from commit {begins[-1]} on")
    unseen = blind(len(found[-1]), significance)
    said.append(f"a step in the last {unseen} commits can't be told from chance yet")
    some = f"{len(counting)} of " * (len(counting) < len(commits))
    return _change(
        name,
        verdict,
        f"Over {some}{len(commits)} commits: {'; '.join(said)}.",
        threshold_percent,
        len(counting),
        baseline=math.exp(means[lowest]),
        candidate=math.exp(means[-1]),
        percent=None if step is None else percent,  # 0 would be a measurement
        interval=(None, None) if step is None else (step.low_percent, step.high_percent),
    )


def _failed(name: str, points: Sequence[CommitPoint], commits: Sequence[str]) -> Change | None:
    """Return what makes the last commit, or all commits together, a failure.

    What failed at an earlier commit does not count there, and later ones may have mended it.
    """
    last = points[-1]
    if last.commit == commits[-1] and last.failure is not None:
        why = f"Commit {last.commit} failed: {last.failure.why.rstrip('.')}."
        return latency_without_figures(name, "failed", why, last.failure.code)
    samples = [ns for point in points for record in point.launches for ns in record.samples_ns]
    if plausibility.is_invariant(samples):
        why = f"All commits failed: {flags.FLAGS['no-variance'].meaning}."
        return latency_without_figures(name, "failed", why)
    return None


def _steps(begins: Sequence[str], means: Sequence[float]) -> str:
    return ", ".join(
        f"{log_percent(after - before):+.1f} % from commit {commit} on"
        for (before, after), commit in zip(pairwise(means), begins[1:], strict=True)
    )


def _too_little(counting: Sequence[CommitPoint], commits: Sequence[str], needed: int) -> str | None:
    """Return why a model can't be judged, and what to do; None if it can."""
    if not counting:
        return "None of its launches counts."
    first, last = counting[0].commit, counting[-1].commit
    if last != commits[-1]:
        return (
            f"Its last launches that count are of commit {last}, and the last commit is "
            f"{commits[-1]}: bench that again. If the model is no longer benched like this, give "
            f"the files after {last}, or name other models with --models."
        )
    if len(counting) < needed:
        since = f" since commit {first}" * (first != commits[0])
        return (
            f"{needed} commits are needed to tell, and it has {len(counting)}{since}: add more, or "
            "give --inconclusive pass until then."
        )
    return None


def _change(
    name: str,
    verdict: Verdict,
    why: str,
    threshold_percent: float,
    commits: int,
    *,
    baseline: float | None = None,
    candidate: float | None = None,
    percent: float | None = None,
    interval: tuple[float | None, float | None] = (None, None),
) -> Change:
    return Change(
        model=name,
        metric="latency",
        unit="ms",
        baseline=baseline,
        candidate=candidate,
        change_percent=percent,
        low_percent=interval[0],
        high_percent=interval[1],
        threshold_percent=threshold_percent,
        verdict=verdict,
        why=why,
        blocks=commits,
    )
