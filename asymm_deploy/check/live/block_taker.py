"""Takes blocks: from disk if an earlier check left them there, else by launches."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from asymm_deploy.bench import launch, store
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.store import Runs
from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_store import BLOCKS_FILE, BlockLine, BlockStore
from asymm_deploy.check.live.contest import Contest, ContestArm, contest_of
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.launched_block import (
    ARM_NAMES,
    BLOCK_ORDERS,
    LAUNCHES_PER_BLOCK,
    BlockLaunches,
    Spoiler,
    arm_failure,
    arms_of,
    block_medians,
    spoiler_of,
)
from asymm_deploy.check.live.made_up import made_up
from asymm_deploy.check.live.procedure import BlockLost, BlockPlace, ModelStopped

_TRIES = 3
"""Per block: a spoilt one is repeated twice at most, as AndroidX Microbenchmark does."""


@dataclass(frozen=True, slots=True)
class BlockSpoilt:
    """A block doesn't count; ``redone`` says whether it is repeated."""

    discarded: DiscardedBlock
    redone: bool
    flags: tuple[str, ...] = ()
    """Those of the launch that spoilt it."""
    cpus: tuple[int, ...] = ()
    """The cores that it was pinned to."""
    earlier: bool = False
    """Whether an earlier check took it."""


@dataclass(frozen=True, slots=True)
class SeriesLaunches:
    """One model's launches in the counting blocks of one series; per block, two of each arm."""

    baseline: tuple[LaunchRecord, ...]
    candidate: tuple[LaunchRecord, ...]


OnSpoilt: TypeAlias = Callable[[BlockSpoilt], None]


class BlockTaker:
    """Takes blocks of all models; what it measures is on disk before it is used."""

    def __init__(
        self,
        bench: Bench,
        pairs: Sequence[Pair],
        seed: int,
        runs: Runs,
        blocks: BlockStore,
        on_spoilt: OnSpoilt,
    ) -> None:
        self._bench = bench
        self._seed = seed
        self._runs = runs
        self._blocks = blocks
        self._on_spoilt = on_spoilt
        self.discarded: list[DiscardedBlock] = []
        earlier = runs.records
        self._contests = {
            pair.model: contest_of(pair, bench, seed, earlier, blocks) for pair in pairs
        }

    @property
    def kept(self) -> int:
        """How many launches earlier checks finished."""
        blocks = [x for contest in self._contests.values() for x in contest.kept.values()]
        return sum(map(len, blocks))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was wrong with the blocks that earlier checks left."""
        mended = (f"{self._blocks.mended}.",) if self._blocks.mended else ()
        misfits = sum(contest.misfits for contest in self._contests.values())
        if not misfits:
            return mended
        what = "1 block" if misfits == 1 else f"{misfits} blocks"
        return (
            *mended,
            f"{what} in {BLOCKS_FILE} did not fit the lines of {store.NAME} and did not count.",
        )

    def launches_of(self, model: str, series: int) -> SeriesLaunches:
        """Return the launches of the blocks that count in a series."""
        counted = [
            launched
            for place, block in self._contests[model].counted.items()
            if place.series == series
            for launched in block
        ]
        return SeriesLaunches(
            tuple(record for arm, record in counted if arm == "A"),
            tuple(record for arm, record in counted if arm == "B"),
        )

    def take(self, place: BlockPlace) -> BlockMedians | BlockLost | ModelStopped:
        """Return a block that counts, or why there is none.

        A block that an earlier check lost gets all its tries again: what spoilt it may be gone.
        """
        contest = self._contests[place.model]
        spoiler: Spoiler | None = None
        redone = 0
        while True:
            kept = self._kept(contest, place, redone)
            if kept is None and spoiler is not None and verdicts.worth_repeating(spoiler.record):
                self._bench.device.cool_down(is_hot=verdicts.heat_was_seen(spoiler.record))
            launches = kept or self._launch_block(contest, place, redone)
            failure = arm_failure(launches)
            if failure is not None:
                return failure
            spoiler = spoiler_of(launches, self._bench.plan.allow)
            if spoiler is None:
                stopped = made_up([*contest.counted.values()], launches, self._bench.plan.allow)
                if stopped is not None:
                    return stopped
                contest.counted[place] = launches
                return block_medians(launches)
            redone += 1
            is_lost = kept is None and redone % _TRIES == 0
            self._discard(place, spoiler, again=not is_lost, earlier=kept is not None)
            if is_lost:
                return BlockLost(
                    f"Block {place.block} was spoilt {_TRIES} times, last by {spoiler.why}; repeat "
                    "the command when the machine is quiet, or start anew with --fresh."
                )

    def _discard(self, place: BlockPlace, spoiler: Spoiler, *, again: bool, earlier: bool) -> None:
        side = ARM_NAMES[spoiler.arm]
        confirming = ", while confirming" * (place.series > 0)
        discarded = DiscardedBlock(
            model=place.model,
            block=place.block,
            reason=f"{side}: {spoiler.why}{confirming}",
            side=f"{side}{confirming}",
            cause=spoiler.why,
        )
        self.discarded.append(discarded)
        record = spoiler.record
        self._on_spoilt(BlockSpoilt(discarded, again, record.flags, record.cpus, earlier))

    def _kept(self, contest: Contest, place: BlockPlace, redone: int) -> BlockLaunches | None:
        """Return what an earlier check measured here; None if there is nothing of use."""
        allow = self._bench.plan.allow
        launches = [
            (arm, launch.allowing(record, allow))
            for arm, record in contest.kept.get((place, redone), ())
        ]
        if len(launches) < LAUNCHES_PER_BLOCK and spoiler_of(launches, allow) is None:
            return None  # nothing, or what ended it early is allowed now
        for arm, record in launches:
            contest.arms[arm].remember(record)
        return launches

    def _launch_block(self, contest: Contest, place: BlockPlace, redone: int) -> BlockLaunches:
        """Launch both arms; stop at the first launch that spoils the block."""
        order = self._order(place)
        numbers = []
        launches: BlockLaunches = []
        for arm in arms_of(order):
            numbers.append(len(self._runs.records))
            record = self._launch(contest.arms[arm], numbers[-1], place.model)
            self._runs.append(record)
            launches.append((arm, record))
            contest.arms[arm].remember(record)
            if not record.valid:
                break
        if arm_failure(launches) is None:  # the next check repeats what failed
            self._blocks.add(
                BlockLine(
                    comparison=contest.comparison,
                    attempt=contest.attempt,
                    model=place.model,
                    series=place.series,
                    block=place.block,
                    redone=redone,
                    order=order,
                    launches=tuple(numbers),
                )
            )
        return launches

    def _order(self, place: BlockPlace) -> str:
        """Return the same order for the same block and seed, whenever it is taken.

        Blocks 0 and 1, 2 and 3 and so on have one order each, so that every look has as many of
        one as of the other: even a drift that is no straight line falls on both arms alike.
        """
        text = f"{self._seed} {place.model} {place.series} {place.block // 2}"
        drawn = random.Random(text).sample(BLOCK_ORDERS, 2)  # noqa: S311  no secret
        return drawn[place.block % 2]

    def _launch(self, arm: ContestArm, number: int, model: str) -> LaunchRecord:
        blank = launch.blank(self._bench, arm.artifact, 0, number)
        blank = msgspec.structs.replace(blank, model=model)
        record, arm.placed = launch.put_and_launch(
            self._bench, blank, arm.artifact, arm.placed, arm.first
        )
        return record
