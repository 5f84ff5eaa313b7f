"""In which order blocks are asked for, and when a comparison ends; measures nothing itself.

First series: every model gets blocks in turn until it is decided. Second series: those that
regressed get blocks anew, and what these say, without the first ones, is the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from asymm_deploy.check import modes
from asymm_deploy.check.findings import Verdict
from asymm_deploy.check.live import alpha_spending, decision
from asymm_deploy.check.live.decision import Block, Judgement
from asymm_deploy.check.policy import LEAST_BLOCKS, Policy
from asymm_deploy.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Place:
    """Which block: of which model, in the first series or the confirming one, its number there."""

    model: str
    series: int
    """0, or 1 to confirm."""
    block: int
    """0-based."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A model can't be compared any further."""

    verdict: Literal["failed", "unstable"]
    why: str
    """A sentence."""
    exit_code: ExitCode


@dataclass(frozen=True, slots=True)
class Lost:
    """A block was spoilt each time that it was taken."""

    why: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the comparison of one model ended."""

    verdict: Verdict
    blocks: tuple[Block, ...]
    """Of the series that decided."""
    judgement: Judgement | None = None
    """None where it stopped before the first look."""
    first: Outcome | None = None
    """The first series' where a second one was to confirm it."""
    stopped: Stopped | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A block is there, or lost, or stopped its model."""

    place: Place
    estimate: float | None
    """Of the series so far, as a difference of logs."""
    left: int
    """Blocks until all are decided, if each is at its next look."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A series is over for a model."""

    model: str
    series: int
    outcome: Outcome


Event: TypeAlias = Progress | Settled
Take: TypeAlias = Callable[[Place], Block | Lost | Stopped]

_LOST_IN_A_ROW = 6
"""So many blocks, each spoilt three times: what disturbs them does not go away.

Where a third of all blocks is lost, 6 in a row are in 1 of 75 series of 20; 3 in a row are in 34 of
100, and a quarter of the comparisons in benchmarks/gate ended that 20 blocks decide.
"""


def compare(
    models: Sequence[str],
    policy: Policy,
    take: Take,
    on_event: Callable[[Event], None] = lambda _: None,
) -> dict[str, Outcome]:
    """Ask ``take`` for blocks until every model has its verdict; return them in order."""
    first = _series(0, models, policy, take, on_event)
    raised = [model for model in models if first[model].verdict == "regressed"]
    second = _series(1, raised, policy, take, on_event)
    return {
        model: _confirmed(first[model], second[model]) if model in second else first[model]
        for model in models
    }


def _confirmed(first: Outcome, second: Outcome) -> Outcome:
    return Outcome(second.verdict, second.blocks, second.judgement, first, second.stopped)


@dataclass(slots=True)
class _Open:
    """A model that is not decided yet."""

    blocks: list[Block] = field(default_factory=list)
    judgement: Judgement | None = None
    judged_at: int = 0
    """How many blocks there were then."""
    lost: int = 0
    """Blocks in a row, up to now."""

    def left(self, policy: Policy, asked: int) -> int:
        """Return how many blocks there are to the next look, after ``asked`` were asked for."""
        count = len(self.blocks)
        seen = max(count - 1, self.judged_at)
        to_look = next((x - count for x in alpha_spending.looks(policy.max_blocks) if x > seen), 0)
        return min(to_look, policy.max_blocks - asked)

    def ended(self, verdict: Verdict, stopped: Stopped | None = None) -> Outcome:
        return Outcome(verdict, tuple(self.blocks), self.judgement, stopped=stopped)


def _series(
    series: int,
    models: Sequence[str],
    policy: Policy,
    take: Take,
    on_event: Callable[[Event], None],
) -> dict[str, Outcome]:
    done: dict[str, Outcome] = {}
    still = {model: _Open() for model in models}

    def settle(model: str, outcome: Outcome) -> None:
        done[model] = outcome
        del still[model]
        on_event(Settled(model, series, outcome))

    for number in range(policy.max_blocks):
        for model, state in list(still.items()):
            place = Place(model, series, number)
            stopped = _add(state, take(place))
            if stopped is not None:
                settle(model, state.ended(stopped.verdict, stopped))
            left = sum(other.left(policy, number) for other in still.values())
            on_event(Progress(place, _estimate(state.blocks), left))
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
    for model, state in list(still.items()):  # their last blocks were lost
        settle(model, _undecided(state, policy))
    return done


def _add(state: _Open, taken: Block | Lost | Stopped) -> Stopped | None:
    """Add a block; return why there will be no further ones, if so."""
    if isinstance(taken, Stopped):
        return taken
    if isinstance(taken, Block):
        state.blocks.append(taken)
        state.lost = 0
        return None
    state.lost += 1
    if state.lost < _LOST_IN_A_ROW:
        return None
    return Stopped("unstable", taken.why, ExitCode.UNSTABLE)


def _is_due(state: _Open, policy: Policy, *, is_last: bool) -> bool:
    count = len(state.blocks)
    if count < LEAST_BLOCKS or count == state.judged_at:
        return False
    return is_last or count in alpha_spending.looks(policy.max_blocks)


def _undecided(state: _Open, policy: Policy) -> Outcome:
    if state.judgement is not None:
        return state.ended("inconclusive")
    why = (
        f"Only {len(state.blocks)} of {policy.max_blocks} blocks count, and "
        f"{LEAST_BLOCKS} are needed."
    )
    return state.ended("unstable", Stopped("unstable", why, ExitCode.UNSTABLE))


def _estimate(blocks: Sequence[Block]) -> float | None:
    if not blocks:
        return None
    return sum(block.difference for block in blocks) / len(blocks)


def _unless_two_speeds(verdict: Verdict, blocks: Sequence[Block], judgement: Judgement) -> Verdict:
    """Return ``verdict``, or unstable where the launches have two speeds.

    Of those only a regression stands that is one without what the two speeds contribute, too.
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
