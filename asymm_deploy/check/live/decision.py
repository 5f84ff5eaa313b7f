"""Differences of blocks -> a verdict for each model, or that more blocks are needed; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asymm_deploy.bench.judge import log_interval
from asymm_deploy.bench.judge.log_interval import Interval, mean_and_error
from asymm_deploy.bench.judge.pair_difference import Clock, PairDifference, common_clock
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.check.findings import Verdict
from asymm_deploy.check.live import alpha_spending
from asymm_deploy.check.policy import ALPHA, GatePolicy


@dataclass(frozen=True, slots=True)
class BlockMedians:
    """One block's launch medians in ns, each arm's in the order in which they were taken."""

    baseline: tuple[float, ...]
    candidate: tuple[float, ...]
    by_pairs: PairDifference | None = None
    """If both versions ran in turns: their difference is known better than from the medians."""

    @property
    def difference(self) -> float:
        """The candidate's mean log minus the baseline's: 0.05 is about 5 % slower."""
        return self.difference_by("cpu")

    def difference_by(self, clock: Clock) -> float:
        """Return the difference by this clock; only pairs know it by processor time."""
        if self.by_pairs is not None:
            return self.by_pairs.by(clock)
        return float(np.mean(np.log(self.candidate)) - np.mean(np.log(self.baseline)))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look at a model's blocks says."""

    verdict: Verdict | None
    """None if more blocks are needed."""
    interval: Interval
    threshold: float
    """As a share: 0.03."""
    by_wall: Interval | None = None
    """The same by the wall clock, if ``interval`` is by processor time."""

    @property
    def waits(self) -> bool:
        """Whether the candidate takes longer by the wall clock than its processor time explains.

        What others take from the core takes time from both versions, and moves the wall clock's
        difference towards none. So this is the candidate's own waiting, or can't be told from it.
        """
        wall = self.by_wall
        if wall is None:
            return False
        return wall.estimate > math.log1p(self.threshold) and wall.low > max(
            0.0, self.interval.high
        )


def threshold(blocks: Sequence[BlockMedians], policy: GatePolicy) -> float:
    """Return the share by which the model may be slower, given how long the baseline takes."""
    logs = np.log([median for block in blocks for median in block.baseline])
    return policy.latency_threshold(math.exp(float(np.mean(logs))) / NS_PER_MS)


def chance_of_no_growth(differences: Sequence[float]) -> float:
    """Return Student's one-sided p: how likely such a mean is if nothing became larger."""
    from scipy.special import stdtr

    mean, error = mean_and_error(differences)
    if error == 0:
        return 0.0 if mean > 0 else 1.0
    return float(stdtr(len(differences) - 1, -mean / error))


def holm(chances: Mapping[str, float], risks: Mapping[str, float], family: int) -> dict[str, float]:
    """Return the risk at which to draw each model's interval, so that all together hold theirs.

    Holm's step-down rule over a ``family`` of comparisons, of which those in ``chances`` are judged
    now, each at a risk of its own: the k-th smallest p, relative to its risk, is compared with
    1 / (family - k + 1), until one is larger; those behind it share that one's bound. So an
    interval lies above 0 exactly if Holm rejects.
    """
    drawn: dict[str, float] = {}
    rejected, stopped = 0, False
    for model in sorted(chances, key=lambda name: chances[name] / risks[name]):
        drawn[model] = risks[model] / (family - rejected)
        stopped = stopped or chances[model] > drawn[model]
        rejected += not stopped
    return drawn


def judge(
    open_models: Mapping[str, Sequence[BlockMedians]],
    family: int,
    policy: GatePolicy,
    *,
    is_last: bool,
) -> dict[str, Judgement]:
    """Return what a look at the blocks of each undecided model says.

    ``family`` counts all models of the comparison, including those already decided. After the last
    look, a model that is not decided is inconclusive.
    """
    clocks = {
        name: common_clock(b.by_pairs for b in blocks) for name, blocks in open_models.items()
    }
    differences = {
        name: [block.difference_by(clocks[name]) for block in blocks]
        for name, blocks in open_models.items()
    }
    chances = {name: chance_of_no_growth(values) for name, values in differences.items()}
    looks = alpha_spending.planned_looks(policy.least_blocks, policy.most_blocks)
    risks = {
        name: alpha_spending.risk_of_look(
            policy.most_blocks if is_last else len(blocks), looks, ALPHA
        )
        for name, blocks in open_models.items()
    }
    drawn = holm(chances, risks, family)
    found = {}
    for name, blocks in open_models.items():
        around = log_interval.interval(differences[name], drawn[name])
        allowed = threshold(blocks, policy)
        verdict = _verdict(around, math.log1p(allowed))
        if verdict is None and is_last:
            verdict = "inconclusive"
        by_wall = None
        if clocks[name] == "cpu":
            by_wall = log_interval.interval(
                [block.difference_by("wall") for block in blocks], drawn[name]
            )
        found[name] = Judgement(verdict, around, allowed, by_wall)
    return found


def _verdict(around: Interval, allowed: float) -> Verdict | None:
    """Return None if more blocks may decide; ``allowed`` is a difference of logs."""
    if around.low > 0 and around.estimate > allowed:
        return "regressed"
    if around.high < 0 and around.estimate < -allowed:
        return "improved"
    if around.high < allowed:
        return "pass"
    return None
