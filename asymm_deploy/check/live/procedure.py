"""Which block is taken next, and when a comparison ends; measures nothing itself.

First series: models get blocks in turns until each is decided. Second series: those that regressed
get fresh blocks, and the fresh ones alone give the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from asymm_deploy.check import modes
from asymm_deploy.check.findings import Verdict
from asymm_deploy.check.live import alpha_spending, decision
from asymm_deploy.check.live.decision import BlockMedians, Judgement
from asymm_deploy.check.policy import LEAST_BLOCKS, GatePolicy
from asymm_deploy.errors import ExitCode


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Which block: its model, its series (the first or the confirming one), its number there."""

    model: str
    series: int
    """0, or 1 to confirm."""
    block: int
    """0-based."""


@dataclass(frozen=True, slots=True)
class ModelStopped:
    """A model can't be compared any further."""

    verdict: Literal["failed", "unstable"]
    why: str
    """A sentence."""
    exit_code: ExitCode


@dataclass(frozen=True, slots=True)
class BlockLost:
    """A block was spoilt each time it was taken."""

    why: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """How the comparison of one model ended."""

    verdict: Verdict
    blocks: tuple[BlockMedians, ...]
    """Those of the series that decided."""
    judgement: Judgement | None = None
    """None if it stopped before the first look."""
    first: GateOutcome | None = None
    """How the first series ended, if a second one was to confirm it."""
    stopped: ModelStopped | None = None


@dataclass(frozen=True, slots=True)
class SeriesProgress:
    """A block was taken, or was lost, or stopped its model."""

    place: BlockPlace
    estimate: float | None
    """From the series so far, as a difference of logs."""
    left: int
    """Blocks until all models are decided, if each is decided at its next look."""


@dataclass(frozen=True, slots=True)
class SeriesSettled:
    """A series is over for a model."""

    model: str
    series: int
    outcome: GateOutcome


SeriesEvent: TypeAlias = SeriesProgress | SeriesSettled
TakeBlock: TypeAlias = Callable[[BlockPlace], BlockMedians | BlockLost | ModelStopped]

_LOST_IN_A_ROW = 6
"""After so many blocks, each spoilt three times, the disturbance is not going away.

If a third of all blocks is lost, 1 series of 20 blocks in 75 has 6 in a row. 34 in 100 have 3 in a
row, and with 3 a quarter of the comparisons in benchmarks/gate ended that 20 blocks would decide.
"""


def decide_by_blocks(
    models: Sequence[str],
    policy: GatePolicy,
    take: TakeBlock,
    on_event: Callable[[SeriesEvent], None] = lambda _: None,
) -> dict[str, GateOutcome]:
    """Ask ``take`` for blocks until every model has its verdict; return them in order."""
    first = _series(0, models, policy, take, on_event)
    raised = [model for model in models if first[model].verdict == "regressed"]
    second = _series(1, raised, policy, take, on_event)
    return {
        model: _confirmed(first[model], second[model]) if model in second else first[model]
        for model in models
    }


def _confirmed(first: GateOutcome, second: GateOutcome) -> GateOutcome:
    return GateOutcome(second.verdict, second.blocks, second.judgement, first, second.stopped)


@dataclass(slots=True)
class _Open:
    """A model that is not decided yet."""

    blocks: list[BlockMedians] = field(default_factory=list)
    judgement: Judgement | None = None
    judged_at: int = 0
    """How many blocks there were then."""
    lost: int = 0
    """Blocks in a row, up to now."""

    def left(self, policy: GatePolicy, asked: int) -> int:
        """Return how many blocks there are to the next look, after ``asked`` were asked for."""
        count = len(self.blocks)
        seen = max(count - 1, self.judged_at)
        to_look = next(
            (x - count for x in alpha_spending.planned_looks(policy.max_blocks) if x > seen), 0
        )
        return min(to_look, policy.max_blocks - asked)

    def ended(self, verdict: Verdict, stopped: ModelStopped | None = None) -> GateOutcome:
        return GateOutcome(verdict, tuple(self.blocks), self.judgement, stopped=stopped)


def _series(
    series: int,
    models: Sequence[str],
    policy: GatePolicy,
    take: TakeBlock,
    on_event: Callable[[SeriesEvent], None],
) -> dict[str, GateOutcome]:
    done: dict[str, GateOutcome] = {}
    still = {model: _Open() for model in models}

    def settle(model: str, outcome: GateOutcome) -> None:
        done[model] = outcome
        del still[model]
        on_event(SeriesSettled(model, series, outcome))

    for number in range(policy.max_blocks):
        for model, state in list(still.items()):
            place = BlockPlace(model, series, number)
            stopped = _add(state, take(place))
            if stopped is not None:
                settle(model, state.ended(stopped.verdict, stopped))
            left = sum(other.left(policy, number) for other in still.values())
            on_event(SeriesProgress(place, _estimate(state.blocks), left))
        is_last = number + 1 == policy.max_blocks
        ready = {m: s for m, s in still.items() if _is_due(s, policy, is_last=is_last)}
        found = decision.judge(
            {m: s.blocks for m, s in ready.items()}, len(models), policy, is_last=is_last
        )
        for model, judgement in found.items():
            state = still[model]
            state.judgement, state.judged_at = judgement, len(state.blocks)
            verdict = judgement.verdict
            if verdict is not None:
                settle(model, state.ended(_unless_two_speeds(verdict, state.blocks, judgement)))
    for model, state in list(still.items()):  # those whose last blocks were lost
        settle(model, _undecided(state, policy))
    return done


def _add(state: _Open, taken: BlockMedians | BlockLost | ModelStopped) -> ModelStopped | None:
    """Add a block; return why it was the last one, if it was."""
    if isinstance(taken, ModelStopped):
        return taken
    if isinstance(taken, BlockMedians):
        state.blocks.append(taken)
        state.lost = 0
        return None
    state.lost += 1
    if state.lost < _LOST_IN_A_ROW:
        return None
    return ModelStopped("unstable", taken.why, ExitCode.UNSTABLE)


def _is_due(state: _Open, policy: GatePolicy, *, is_last: bool) -> bool:
    count = len(state.blocks)
    if count < LEAST_BLOCKS or count == state.judged_at:
        return False
    return is_last or count in alpha_spending.planned_looks(policy.max_blocks)


def _undecided(state: _Open, policy: GatePolicy) -> GateOutcome:
    if state.judgement is not None:
        return state.ended("inconclusive")
    why = (
        f"Only {len(state.blocks)} of {policy.max_blocks} blocks count, and "
        f"{LEAST_BLOCKS} are needed."
    )
    return state.ended("unstable", ModelStopped("unstable", why, ExitCode.UNSTABLE))


def _estimate(blocks: Sequence[BlockMedians]) -> float | None:
    if not blocks:
        return None
    return sum(block.difference for block in blocks) / len(blocks)


def _unless_two_speeds(
    verdict: Verdict, blocks: Sequence[BlockMedians], judgement: Judgement
) -> Verdict:
    """Return ``verdict``, or unstable if the launches have two speeds.

    Then only a regression stands that would be one without what the two speeds contribute.
    """
    shift = modes.shift_by_modes(
        [median for block in blocks for median in block.baseline],
        [median for block in blocks for median in block.candidate],
    )
    if shift is None:
        return verdict
    without = judgement.interval.estimate - shift
    stands = verdict == "regressed" and without > math.log1p(judgement.threshold)
    return verdict if stands else "unstable"
