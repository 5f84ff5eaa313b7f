"""How the launches of a block are made; one class for each way, and what they have in common."""

from __future__ import annotations

import random
from typing import ClassVar

import msgspec

from asymm_deploy.bench import flags, launch, wire
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.paired.pair_order import PairOrder, drawn_order
from asymm_deploy.bench.paired.paired_launch import NoPairsHereError, PairSide, launch_pair
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.store import Runs
from asymm_deploy.check.live.contest import Contest, ContestArm
from asymm_deploy.check.live.launched_block import (
    LOAD,
    PAIRED,
    SEPARATE,
    BlockKind,
    BlockLaunches,
    arm_failure,
    arms_of,
)
from asymm_deploy.check.live.procedure import BlockPlace, CannotPair, ModelStopped
from asymm_deploy.errors import ExitCode

_SHORT_RUNS = 1
"""Timed runs of a launch that is made to compare loading and memory."""


class SeparateLauncher:
    """Four launches, each of one arm: A B B A or B A A B.

    The other ways to launch a block are its subclasses; what they make is written down as it ends.
    """

    kind: ClassVar[BlockKind] = SEPARATE

    def __init__(self, bench: Bench, seed: int, runs: Runs) -> None:
        self._bench = bench
        self._seed = seed
        self._runs = runs

    @property
    def allowed(self) -> tuple[str, ...]:
        """Return the flags that the plan allows."""
        return self._bench.plan.allow

    def order(self, place: BlockPlace) -> str:
        """Return the same order for the same block and seed.

        Blocks 0 and 1, 2 and 3 and so on have one order each, so that every look has as many of
        one as of the other: even a drift that is no straight line falls on both arms alike.
        """
        text = f"{self._seed} {place.model} {place.series} {place.block // 2}"
        drawn = random.Random(text).sample(self.kind.orders, 2)  # noqa: S311  no secret
        return drawn[place.block % 2]

    def launch(self, contest: Contest, place: BlockPlace) -> BlockLaunches | CannotPair:
        """Launch the arms one by one; stop at the first launch that spoils the block."""
        launches: BlockLaunches = []
        for arm in arms_of(self.order(place)):
            record = self._one(contest.arms[arm], place.model)
            launches.append((arm, record))
            contest.arms[arm].remember(record)
            if not record.valid:
                break
        return launches

    def failure(
        self, contest: Contest, place: BlockPlace, launches: BlockLaunches
    ) -> ModelStopped | CannotPair | None:
        """Return why an arm can't be timed at all; None if at worst the timing was disturbed."""
        del contest, place
        return arm_failure(launches)

    def _one(self, arm: ContestArm, model: str) -> LaunchRecord:
        record, arm.placed = launch.put_and_launch(
            self._bench, self._blank(arm, model), arm.artifact, arm.placed, arm.first
        )
        self._runs.append(record)
        return record

    def _blank(self, arm: ContestArm, model: str, behind: int = 0) -> LaunchRecord:
        number = len(self._runs.records) + behind
        blank = launch.blank(self._bench, arm.artifact, 0, number)
        return msgspec.structs.replace(blank, model=model, allowed=self.allowed)


class LoadLauncher(SeparateLauncher):
    """Two short launches, one of each arm: their loading and memory are compared.

    A single run is no latency, so what disturbs latencies does not spoil them.
    """

    kind: ClassVar = LOAD

    @property
    def allowed(self) -> tuple[str, ...]:
        """Return the flags that the plan allows, and all that make a latency unstable."""
        unstable = [name for name, x in flags.FLAGS.items() if x.exit_code is ExitCode.UNSTABLE]
        return flags.gravest_first([*self._bench.plan.allow, *unstable])

    def _blank(self, arm: ContestArm, model: str, behind: int = 0) -> LaunchRecord:
        blank = super()._blank(arm, model, behind)
        return msgspec.structs.replace(blank, runs=_SHORT_RUNS, warmup=1)


class PairedLauncher(SeparateLauncher):
    """One launch of both arms in turns, with a record of each; the first letter runs first."""

    kind: ClassVar = PAIRED

    def __init__(self, bench: Bench, seed: int, runs: Runs) -> None:
        super().__init__(bench, seed, runs)
        self._refused: CannotPair | None = None

    def order(self, place: BlockPlace) -> str:
        """Return which arm runs first in each pair."""
        return self.kind.orders[self._drawn(place).runs]

    def launch(self, contest: Contest, place: BlockPlace) -> BlockLaunches | CannotPair:
        """Launch both arms at once."""
        if self._refused is not None:
            return self._refused
        arms = arms_of(self.order(place))
        sides = [self._side(contest.arms[arm]) for arm in arms]
        one, other = (
            self._blank(contest.arms[arm], place.model, behind) for behind, arm in enumerate(arms)
        )
        drawn = self._drawn(place)
        order = PairOrder(loads=int(drawn.loads != drawn.runs), runs=0)
        try:
            records = launch_pair(self._bench, (one, other), sides, order)
        except NoPairsHereError as error:
            self._refused = CannotPair(f"the runner knows no paired launches: {error}")
            return self._refused
        launches: BlockLaunches = []
        for arm, side, record in zip(arms, sides, records, strict=True):
            contest.arms[arm].placed = side.placed
            self._runs.append(record)
            launches.append((arm, record))
            contest.arms[arm].remember(record)
        return launches

    def failure(
        self, contest: Contest, place: BlockPlace, launches: BlockLaunches
    ) -> ModelStopped | CannotPair | None:
        """Return why an arm can't be timed; if neither had a result, find out whose fault it is."""
        found = arm_failure(launches)
        errors = [record.error for _arm, record in launches]
        if found is None or None in errors or str(errors[0]).startswith(wire.MADE_UP):
            return found
        alone: BlockLaunches = []
        for arm in ("A", "B"):
            record = self._one(contest.arms[arm], place.model)
            alone.append((arm, record))
            if record.error is not None:
                return arm_failure(alone)
        return CannotPair(
            f"each version runs alone, but a launch of both gave no result ({errors[0]})"
        )

    def _drawn(self, place: BlockPlace) -> PairOrder:
        """Return who is loaded first and who runs first; side 0 is the baseline."""
        return drawn_order(f"{self._seed} {place.model} {place.series}", place.block)

    def _side(self, arm: ContestArm) -> PairSide:
        return PairSide(arm.artifact, arm.placed, arm.first)
