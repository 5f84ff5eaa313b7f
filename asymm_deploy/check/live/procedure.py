"""Which block is taken next, and when a comparison ends; measures nothing itself.

First series: models get blocks in turns until each is decided. Second series: those that regressed
get fresh blocks, and the fresh ones alone give the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from asymm_deploy.check import modes
from asymm_deploy.check.findings import Verdict
from asymm_deploy.check.live import alpha_spending, decision
from asymm_deploy.check.live.decision import BlockMedians, Judgement
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import ExitCode

LOAD_BLOCKS = 8
"""With fewer, Wilcoxon's test of ranks can't come below its risk."""
LOADS = 2
"""The series of short launches that compare load times and memory, and no latencies."""


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Which block: its model, its series (the first or the confirming one), its number there."""

    model: str
    series: int
    """0, 1 to confirm, or ``LOADS``."""
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
class CannotPair:
    """One process can't time both versions of a model in turns, though it may time either."""

    why: str
    """A clause."""


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
    cannot_pair: CannotPair | None = None
    """If it has to be decided by blocks; then there is no verdict yet."""

    @property
    def counted(self) -> str:
        """What the verdict is from, in words: 4 paired launches, 8 blocks."""
        paired = any(block.by_pairs is not None for block in self.blocks)
        one, several = ("paired launch", "paired launches") if paired else ("block", "blocks")
        return f"{len(self.blocks)} {one if len(self.blocks) == 1 else several}"


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
TakeBlock: TypeAlias = Callable[[BlockPlace], BlockMedians | BlockLost | ModelStopped | CannotPair]

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
    *,
    family: int | None = None,
) -> dict[str, GateOutcome]:
    """Ask ``take`` for blocks until every model has its verdict; return them in order.

    All comparisons of a ``family`` share the risk; unless it is given, ``models`` are the family.
    """
    count = len(models) if family is None else family
    first = _series(0, models, policy, take, on_event, count)
    raised = [model for model in models if first[model].verdict == "regressed"]
    second = _series(1, raised, policy, take, on_event, len(raised))
    return {
        model: _confirmed(first[model], second[model]) if model in second else first[model]
        for model in models
    }


def take_loads(
    models: Sequence[str], take: TakeBlock, on_event: Callable[[SeriesEvent], None]
) -> tuple[list[str], dict[str, ModelStopped]]:
    """Ask ``take`` for as many blocks of short launches as the tests of loads need.

    Returns the models that have them all, and those that failed. A model whose block is lost gets
    no more.
    """
    still = list(models)
    failed = {}
    for number in range(LOAD_BLOCKS):
        for model in list(still):
            place = BlockPlace(model, LOADS, number)
            taken = take(place)
            if isinstance(taken, ModelStopped):
                failed[model] = taken
            if not isinstance(taken, BlockMedians):
                still.remove(model)
            left = len(still) * (LOAD_BLOCKS - number) - still.index(model) - 1 if still else 0
            on_event(SeriesProgress(place, None, max(0, left)))
    return still, failed


def _confirmed(first: GateOutcome, second: GateOutcome) -> GateOutcome:
    return replace(second, first=first)


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
        to_look = next((x - count for x in _looks(policy) if x > seen), 0)
        return min(to_look, policy.most_blocks - asked)

    def ended(self, verdict: Verdict, stopped: ModelStopped | None = None) -> GateOutcome:
        return GateOutcome(verdict, tuple(self.blocks), self.judgement, stopped=stopped)


def _series(
    series: int,
    models: Sequence[str],
    policy: GatePolicy,
    take: TakeBlock,
    on_event: Callable[[SeriesEvent], None],
    family: int,
) -> dict[str, GateOutcome]:
    done: dict[str, GateOutcome] = {}
    still = {model: _Open() for model in models}

    def settle(model: str, outcome: GateOutcome) -> None:
        done[model] = outcome
        del still[model]
        on_event(SeriesSettled(model, series, outcome))

    for number in range(policy.most_blocks):
        for model, state in list(still.items()):
            place = BlockPlace(model, series, number)
            taken = take(place)
            if isinstance(taken, CannotPair):
                settle(model, GateOutcome("unstable", (), cannot_pair=taken))
                continue
            stopped = _add(state, taken)
            if stopped is not None:
                settle(model, state.ended(stopped.verdict, stopped))
            left = sum(other.left(policy, number) for other in still.values())
            on_event(SeriesProgress(place, _estimate(state.blocks), left))
        is_last = number + 1 == policy.most_blocks
        ready = {m: s for m, s in still.items() if _is_due(s, policy, is_last=is_last)}
        found = decision.judge(
            {m: s.blocks for m, s in ready.items()}, family, policy, is_last=is_last
        )
        for model, judgement in found.items():
            state = still[model]
            state.judgement, state.judged_at = judgement, len(state.blocks)
            verdict = judgement.verdict
            if verdict is not None:
                settle(model, state.ended(_unless_doubtful(verdict, state.blocks, judgement)))
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
    if count < policy.least_blocks or count == state.judged_at:
        return False
    return is_last or count in _looks(policy)


def _looks(policy: GatePolicy) -> tuple[int, ...]:
    return alpha_spending.planned_looks(policy.least_blocks, policy.most_blocks)


def _undecided(state: _Open, policy: GatePolicy) -> GateOutcome:
    if state.judgement is not None:
        return state.ended("inconclusive")
    why = (
        f"Only {len(state.blocks)} of {policy.most_blocks} blocks count, and "
        f"{policy.least_blocks} are needed."
    )
    return state.ended("unstable", ModelStopped("unstable", why, ExitCode.UNSTABLE))


def _estimate(blocks: Sequence[BlockMedians]) -> float | None:
    if not blocks:
        return None
    return sum(block.difference for block in blocks) / len(blocks)


def _unless_doubtful(
    verdict: Verdict, blocks: Sequence[BlockMedians], judgement: Judgement
) -> Verdict:
    """Return ``verdict``, or unstable if the two clocks or the launches' speeds contradict it.

    If the launches have two speeds, only a regression stands that would be one without what these
    contribute. Both versions of a pair have the same speed, whatever that is.
    """
    if judgement.waits:
        return "regressed" if verdict == "regressed" else "unstable"
    if any(block.by_pairs is not None for block in blocks):
        return verdict
    shift = modes.shift_by_modes(
        [median for block in blocks for median in block.baseline],
        [median for block in blocks for median in block.candidate],
    )
    if shift is None:
        return verdict
    without = judgement.interval.estimate - shift
    stands = verdict == "regressed" and without > math.log1p(judgement.threshold)
    return verdict if stands else "unstable"
