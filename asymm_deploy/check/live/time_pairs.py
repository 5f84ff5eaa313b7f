"""Both versions of each model, timed by the same runner, on one device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from asymm_deploy.bench import measure
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.store import Runs
from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_launcher import (
    LoadLauncher,
    PairedLauncher,
    SeparateLauncher,
)
from asymm_deploy.check.live.block_store import BlockStore
from asymm_deploy.check.live.block_taker import BlockSpoilt, BlockTaker, SeriesLaunches
from asymm_deploy.check.live.procedure import (
    LOADS,
    GateOutcome,
    SeriesEvent,
    decide_by_blocks,
    take_loads,
)
from asymm_deploy.check.policy import GatePolicy


@dataclass(frozen=True, slots=True)
class CheckResumed:
    """Launches that an earlier check finished are kept."""

    kept: int


LiveEvent: TypeAlias = CheckResumed | BlockSpoilt | SeriesEvent


@dataclass(frozen=True, slots=True)
class LiveComparison:
    """What the comparison found, by model."""

    bench: Bench
    outcomes: dict[str, GateOutcome]
    launches: dict[str, tuple[SeriesLaunches, ...]]
    """By series: one, or two if a regression was to be confirmed."""
    loads: dict[str, tuple[SeriesLaunches, ...]]
    """Launches that tell load times and memory; without those of models that have none."""
    in_blocks: bool
    """Whether every model was timed in launches of its own."""
    discarded: tuple[DiscardedBlock, ...]
    """Including those of earlier checks, of blocks that are in use or were taken again."""
    notes: tuple[str, ...]
    """What else people should know, in sentences."""
    kept: int
    """How many launches earlier checks had finished."""


def time_pairs(
    device: Device,
    pairs: Sequence[Pair],
    plan: Plan,
    policy: GatePolicy,
    runs: Runs,
    folder: Path,
    on_event: Callable[[LiveEvent], None],
) -> LiveComparison:
    """Time both arms of every pair until each has its verdict.

    ``runs`` are those of ``folder``, which this process holds; whatever is finished is kept there,
    even on Ctrl-C. Raises UsageError for a core that is not available or files that were edited,
    and HarnessError if the device or the results folder fails.
    """
    alone = plan if policy.runs_alone is None else replace(plan, runs=policy.runs_alone)
    bench = measure.prepare(device, plan, runs, "check", alone)
    store = BlockStore(folder)

    def taker(launcher: type[SeparateLauncher], own: Bench = bench) -> BlockTaker:
        made = launcher(own, policy.seed, runs)
        return BlockTaker(own, pairs, policy.seed, made, tuple(runs.records), store, on_event)

    is_paired = policy.design == "paired"
    timing = _Timing(taker(PairedLauncher if is_paired else SeparateLauncher), policy, on_event)
    loads = taker(LoadLauncher) if is_paired else None
    arms = [arm for pair in pairs for arm in (pair.baseline, pair.candidate)]
    files = list(dict.fromkeys(path for arm in arms for path in arm.files))
    with device.held(bench.cpus, [path for path in files if path.is_file()]):
        timing.resume(*timing.takers, *([loads] if loads else []))
        timing.decide([pair.model for pair in pairs])
        unpaired = timing.unpaired
        if unpaired:
            own = measure.with_plan(bench, alone)
            timing.decide_in_blocks(taker(SeparateLauncher, own))
        if loads is not None:
            timing.compare_loads(loads)
    mended = (f"{store.mended}.",) if store.mended else ()
    return LiveComparison(
        bench,
        timing.outcomes,
        timing.launches,
        timing.loads,
        not is_paired or len(unpaired) == len(pairs),
        tuple(lost for each in timing.takers for lost in each.discarded),
        (*mended, *timing.notes),
        timing.kept,
    )


class _Timing:
    """What is known of each model, step by step."""

    def __init__(
        self, taker: BlockTaker, policy: GatePolicy, on_event: Callable[[LiveEvent], None]
    ) -> None:
        self._policy = policy
        self._on_event = on_event
        self.takers = [taker]
        self.outcomes: dict[str, GateOutcome] = {}
        self.launches: dict[str, tuple[SeriesLaunches, ...]] = {}
        self.loads: dict[str, tuple[SeriesLaunches, ...]] = {}
        self.kept = 0
        self._own_notes: list[str] = []

    @property
    def unpaired(self) -> dict[str, str]:
        """Models that are to be timed in blocks, and why, in a clause."""
        return {
            model: outcome.cannot_pair.why
            for model, outcome in self.outcomes.items()
            if outcome.cannot_pair is not None
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know, in sentences."""
        return (*(note for taker in self.takers for note in taker.notes), *self._own_notes)

    def decide(self, models: Sequence[str]) -> None:
        """Compare latencies as the policy says."""
        (taker,) = self.takers
        found = decide_by_blocks(models, self._policy, taker.take, self._on_event)
        self._add(taker, found)

    def decide_in_blocks(self, taker: BlockTaker) -> None:
        """Compare those that can't be paired by launches of their own."""
        self.resume(taker)
        self.takers.append(taker)
        for why, models in _by_reason(self.unpaired).items():
            self._own_notes.append(f"Timed in blocks of four launches: {', '.join(models)}; {why}.")
        found = decide_by_blocks(
            list(self.unpaired),
            self._policy.in_blocks(),
            taker.take,
            self._on_event,
            family=len(self.outcomes),
        )
        self._add(taker, found)

    def compare_loads(self, taker: BlockTaker) -> None:
        """Compare load times and memory of paired models: their launches can't tell those."""
        self.takers.append(taker)
        paired = {m: x.verdict for m, x in self.outcomes.items() if m not in self.loads}
        models = [m for m, verdict in paired.items() if verdict not in {"failed", "regressed"}]
        whole, failed = take_loads(models, taker.take, self._on_event)
        for model in whole:
            self.loads[model] = (taker.launches_of(model, LOADS),)
        for model, stopped in failed.items():
            before = self.outcomes[model]
            self.outcomes[model] = replace(before, verdict=stopped.verdict, stopped=stopped)
        lost = [model for model in models if model not in failed and model not in whole]
        if lost:
            self._own_notes.append(
                "Load time and peak memory were not compared, as short launches were disturbed: "
                f"{', '.join(lost)}."
            )
        skipped = [m for m, verdict in paired.items() if verdict == "regressed"]
        if skipped:
            self._own_notes.append(
                "Load time and peak memory were not compared, as latency has regressed already: "
                f"{', '.join(skipped)}."
            )

    def resume(self, *takers: BlockTaker) -> None:
        """Tell, in one sum, what earlier checks left."""
        kept = sum(taker.kept for taker in takers)
        if kept:
            self.kept += kept
            self._on_event(CheckResumed(kept))

    def _add(self, taker: BlockTaker, outcomes: dict[str, GateOutcome]) -> None:
        self.outcomes.update(outcomes)
        for model, outcome in outcomes.items():
            series = range(1 if outcome.first is None else 2)
            self.launches[model] = tuple(taker.launches_of(model, n) for n in series)
            if not taker.is_paired:
                self.loads[model] = self.launches[model]


def _by_reason(unpaired: dict[str, str]) -> dict[str, list[str]]:
    by_reason: dict[str, list[str]] = {}
    for model, why in unpaired.items():
        by_reason.setdefault(why, []).append(model)
    return by_reason
