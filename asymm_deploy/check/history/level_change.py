"""One model's history -> whether its latest level is above an earlier one, and since when.

The logarithms of the points are split into levels (``change_points.py``). The latest is compared
with the lowest before it, not with the first, so that a gain that is lost again alarms as well. A
level has lasted three commits, or it is none. Where somebody accepted a step, the history begins
anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from asymm_deploy.bench import flags
from asymm_deploy.check.findings import Change, Verdict, latency_without_figures
from asymm_deploy.check.history.gate_point import GatePoint, all_alike
from asymm_deploy.check.history.model_histories import HistoryWays
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.history.told.accepted_steps import AcceptedChange, accepted_steps
from asymm_deploy.history.told.change_points import blind, boundaries, least_points
from asymm_deploy.history.told.history_levels import LevelStep, noisy_steps, step_between

_PERCENT = 100


def change_of_level(
    name: str,
    points: Sequence[GatePoint],
    commits: Sequence[str],
    policy: GatePolicy,
    significance: float,
    ways: HistoryWays,
    accepted: Sequence[AcceptedChange] = (),
) -> Change:
    """Return the change of a history's latency; ``commits`` are those of all models.

    ``accepted`` are decisions on its model.
    """
    failed = _failed(name, points, commits)
    if failed is not None:
        return failed
    counting = [point for point in points if point.counts]
    too_little = _too_little(counting, commits, least_points(significance), ways)
    if too_little is not None:
        usual = policy.thresholds["latency"]
        return _change(name, "inconclusive", too_little, usual, len(counting))
    values = np.log([point.latency_ms for point in counting])
    starts = boundaries(values, significance)
    found = np.split(values, starts)
    begins = [counting[start].commit for start in (0, *starts)]
    means = [float(level.mean()) for level in found]
    steps = noisy_steps([point.latency_ms for point in counting], starts)
    decided = accepted_steps("latency", counting, steps, accepted)
    first = max(
        (place for place, step in enumerate(steps, start=1) if step.at in decided), default=0
    )
    judged = means[first:]
    lowest = first + (int(np.argmin(judged[:-1])) if len(judged) > 1 else 0)
    step = step_between(found[lowest], found[-1], starts[-1]) if len(judged) > 1 else None
    percent = 0.0 if step is None else step.percent
    threshold_percent = _PERCENT * policy.latency_threshold(math.exp(means[lowest]))
    verdict: Verdict = "pass"
    if percent > threshold_percent:
        verdict = "regressed"
    elif percent < -threshold_percent:
        verdict = "improved"
    said = [_steps(steps, begins, decided) if starts else "nothing stands out from the noise"]
    if len(judged) > 2:
        since = " since then" * bool(first)
        said.append(
            f"{percent:+.1f} % against the lowest before{since}, from commit {begins[lowest]} on"
        )
    if verdict == "regressed":
        said.append(f"if that is intended, {ways.from_on(begins[-1])}")
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


def _failed(name: str, points: Sequence[GatePoint], commits: Sequence[str]) -> Change | None:
    """Return what makes the last commit, or all commits together, a failure.

    What failed at an earlier commit does not count there, and later ones may have mended it.
    """
    last = points[-1]
    if last.commit == commits[-1] and last.failure is not None:
        why = f"Commit {last.commit} failed: {last.failure.why.rstrip('.')}."
        return latency_without_figures(name, "failed", why, last.failure.code)
    if all_alike([point.runs for point in points if point.runs is not None]):
        why = f"All commits failed: {flags.FLAGS['no-variance'].meaning}."
        return latency_without_figures(name, "failed", why)
    return None


def _steps(
    steps: Sequence[LevelStep], begins: Sequence[str], decided: Mapping[int, AcceptedChange]
) -> str:
    told = []
    for step, commit in zip(steps, begins[1:], strict=True):
        accepted = decided.get(step.at)
        why = f", accepted: {accepted.words}" if accepted is not None else ""
        told.append(f"{step.percent:+.1f} % from commit {commit} on{why}")
    return ", ".join(told)


def _too_little(
    counting: Sequence[GatePoint], commits: Sequence[str], needed: int, ways: HistoryWays
) -> str | None:
    """Return why a model can't be judged, and what to do; None if it can."""
    if not counting:
        return "None of its launches counts."
    first, last = counting[0].commit, counting[-1].commit
    if last != commits[-1]:
        return (
            f"Its last launches that count are of commit {last}, and the last commit is "
            f"{commits[-1]}: bench that again. If the model is no longer benched like this, "
            f"{ways.after(last)}, or name other models with --models."
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
