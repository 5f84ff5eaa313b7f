"""Takes blocks: from disk if an earlier check left them there, else by launches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from asymm_deploy.bench import launch, store
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_launcher import SeparateLauncher
from asymm_deploy.check.live.block_store import BLOCKS_FILE, BlockLine, BlockStore
from asymm_deploy.check.live.contest import Contest, contest_of
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.launched_block import (
    ARM_NAMES,
    BlockLaunches,
    Spoiler,
    block_medians,
    spoiler_of,
)
from asymm_deploy.check.live.made_up import made_up
from asymm_deploy.check.live.procedure import (
    LOADS,
    BlockLost,
    BlockPlace,
    CannotPair,
    ModelStopped,
)
from asymm_deploy.text import counted

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
    """One model's launches in the counting blocks of one series, as many of each arm."""

    baseline: tuple[LaunchRecord, ...]
    candidate: tuple[LaunchRecord, ...]
    of_one_block: int
    """How many of each arm a block has."""


OnSpoilt: TypeAlias = Callable[[BlockSpoilt], None]


class BlockTaker:
    """Takes blocks of all models; what it measures is on disk before it is used."""

    def __init__(
        self,
        bench: Bench,
        pairs: Sequence[Pair],
        seed: int,
        launcher: SeparateLauncher,
        earlier: Sequence[LaunchRecord],
        blocks: BlockStore,
        on_spoilt: OnSpoilt,
    ) -> None:
        """Take pairs of models, and the launches that were there ``earlier``."""
        self._bench = bench
        self._launcher = launcher
        self._blocks = blocks
        self._on_spoilt = on_spoilt
        self.discarded: list[DiscardedBlock] = []
        self._contests = {
            pair.model: contest_of(pair, bench, seed, earlier, blocks, launcher.kind)
            for pair in pairs
        }

    @property
    def is_paired(self) -> bool:
        """Whether a launch holds both versions."""
        return self._launcher.kind.paired

    @property
    def kept(self) -> int:
        """How many launches earlier checks finished."""
        blocks = [x for contest in self._contests.values() for x in contest.kept.values()]
        return sum(map(len, blocks))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was wrong with the blocks that earlier checks left."""
        misfits = sum(contest.misfits for contest in self._contests.values())
        if not misfits:
            return ()
        what = counted(misfits, "block")
        return (
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
            len(self._launcher.kind.orders[0]) // 2,
        )

    def take(self, place: BlockPlace) -> BlockMedians | BlockLost | ModelStopped | CannotPair:
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
            launches = kept or self._launcher.launch(contest, place)
            if isinstance(launches, CannotPair):
                return launches
            failure = self._launcher.failure(contest, place, launches)
            if failure is not None:  # the next check repeats what failed
                return failure
            if kept is None:
                self._write_down(contest, place, redone, launches)
            spoiler = spoiler_of(launches, self._launcher.allowed)
            if spoiler is None:
                if place.series != LOADS:  # a single run may well take as long as another
                    stopped = made_up([*contest.counted.values()], launches, self._launcher.allowed)
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
        confirming = {1: ", while confirming", LOADS: ", in a short launch"}.get(place.series, "")
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
        allow = self._launcher.allowed
        launches = [
            (arm, launch.allowing(record, allow))
            for arm, record in contest.kept.get((place, redone), ())
        ]
        whole = len(self._launcher.kind.orders[0])
        if len(launches) < whole and spoiler_of(launches, allow) is None:
            return None  # nothing, or what ended it early is allowed now
        for arm, record in launches:
            contest.arms[arm].remember(record)
        return launches

    def _write_down(
        self, contest: Contest, place: BlockPlace, redone: int, launches: BlockLaunches
    ) -> None:
        """Add the block's line: its launches are on disk. A record's number is its line there."""
        self._blocks.add(
            BlockLine(
                comparison=contest.comparison,
                attempt=contest.attempt,
                model=place.model,
                series=place.series,
                block=place.block,
                redone=redone,
                order=self._launcher.order(place),
                launches=tuple(record.launch for _arm, record in launches),
            )
        )
