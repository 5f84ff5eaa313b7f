"""Both versions of each model, timed in blocks by the same runner, on one device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from asymm_deploy.bench import measure
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.store import Runs
from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_store import BlockStore
from asymm_deploy.check.live.block_taker import BlockSpoilt, BlockTaker, SeriesLaunches
from asymm_deploy.check.live.procedure import GateOutcome, SeriesEvent, decide_by_blocks
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
    bench = measure.prepare(device, plan, runs, "check")
    taker = BlockTaker(bench, pairs, policy.seed, runs, BlockStore(folder), on_event)
    kept = taker.kept
    if kept:
        on_event(CheckResumed(kept))
    arms = [arm for pair in pairs for arm in (pair.baseline, pair.candidate)]
    files = list(dict.fromkeys(path for arm in arms for path in arm.files))
    with device.held(bench.cpus, [path for path in files if path.is_file()]):
        models = [pair.model for pair in pairs]
        outcomes = decide_by_blocks(models, policy, taker.take, on_event)
    launches = {
        model: tuple(taker.launches_of(model, n) for n in range(1 if outcome.first is None else 2))
        for model, outcome in outcomes.items()
    }
    return LiveComparison(bench, outcomes, launches, tuple(taker.discarded), taker.notes, kept)
