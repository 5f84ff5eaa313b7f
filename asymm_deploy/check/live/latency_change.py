"""How a model's comparison ended -> its change of latency, and one sentence on why."""

from __future__ import annotations

import math

import numpy as np

from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.check.findings import Change, Verdict, latency_without_figures
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.decision import Judgement
from asymm_deploy.check.live.procedure import GateOutcome
from asymm_deploy.check.policy import FLOOR_MS
from asymm_deploy.errors import ExitCode

_CLOCKS_DIFFER = 0.01
"""A difference of logs."""


def change_of_outcome(model: str, outcome: GateOutcome) -> Change:
    """Return one model's latency in both versions, as geometric means of launch medians."""
    baseline = _mean_ms([b.baseline for b in outcome.blocks])
    judgement = outcome.judgement
    percent = (None, None, None) if judgement is None else judgement.interval.percent
    return Change(
        model=model,
        metric="latency",
        unit="ms",
        baseline=baseline,
        candidate=_mean_ms([b.candidate for b in outcome.blocks]),
        change_percent=percent[0],
        low_percent=percent[1],
        high_percent=percent[2],
        threshold_percent=None if judgement is None else 100 * judgement.threshold,
        verdict=outcome.verdict,
        why=_why(outcome, baseline),
        blocks=len(outcome.blocks),
        exit_code=ExitCode.HARNESS if outcome.stopped is None else outcome.stopped.exit_code,
    )


def change_of_same_file(pair: Pair) -> Change:
    """Return the verdict on a model whose two versions are one file: it has no latencies."""
    others = pair.baseline.inputs_sha256 != pair.candidate.inputs_sha256
    why = "The same file in both: nothing was timed."
    return latency_without_figures(
        pair.model, "same", why + " Only their recorded inputs differ." * others
    )


def _mean_ms(arms: list[tuple[float, ...]]) -> float | None:
    medians = [median for arm in arms for median in arm]
    return math.exp(float(np.mean(np.log(medians)))) / NS_PER_MS if medians else None


def _why(outcome: GateOutcome, baseline_ms: float | None) -> str:
    return _before(outcome) + _what(outcome, baseline_ms)


def _before(outcome: GateOutcome) -> str:
    """Say what the first series saw, if the second one did not see it."""
    first = outcome.first
    if first is None or first.judgement is None or outcome.verdict == "regressed":
        return ""
    seen = first.judgement.interval.percent[0]
    return f"First {seen:+.1f} % in {first.counted}, not confirmed by fresh ones. "


def _what(outcome: GateOutcome, baseline_ms: float | None) -> str:
    judgement = outcome.judgement
    if outcome.stopped is not None:
        return outcome.stopped.why
    if judgement is None or baseline_ms is None:
        return "It was not timed."
    estimate, low, high = judgement.interval.percent
    allowed = _allowed(judgement, baseline_ms)
    counted = outcome.counted
    first = outcome.first
    before = 0 if first is None else len(first.blocks)
    if judgement.waits and judgement.by_wall is not None and outcome.verdict == "unstable":
        wall = judgement.by_wall.percent[0]
        return (
            f"By the wall clock {wall:+.1f} %, by processor time {estimate:+.1f} %: the candidate "
            "waits for something, or other programs on its core favour the baseline."
        )
    said: dict[Verdict, str] = {
        "regressed": f"At least {low:.1f} % slower in {counted}, which confirm the {before} "
        f"before them; {allowed}.",
        "improved": f"At least {-high:.1f} % faster in {counted}.",
        "pass": f"At most {max(0.0, high):.1f} % slower in {counted}; {allowed}.",
        "inconclusive": f"After {counted} the change may be anything from {low:+.1f} % to "
        f"{high:+.1f} %; {allowed}.",
        "unstable": "Its launches fall into two groups, 5 % apart or more: there are two speeds "
        f"here, and {estimate:+.1f} % may be a mixture of them.",
    }
    return said[outcome.verdict] + _by_wall(judgement)


def _by_wall(judgement: Judgement) -> str:
    """Say what the wall clock says, where it differs much from what the verdict is about."""
    wall = judgement.by_wall
    if wall is None or abs(wall.estimate - judgement.interval.estimate) < _CLOCKS_DIFFER:
        return ""
    seen = wall.percent[0]
    return f" By the wall clock {seen:+.1f} %: other programs took time from the core."


def _allowed(judgement: Judgement, baseline_ms: float) -> str:
    share = judgement.threshold
    floor = ", 20 us," if math.isclose(share, FLOOR_MS / baseline_ms, rel_tol=1e-6) else ""
    return f"{100 * share:.3g} %{floor} is allowed"
