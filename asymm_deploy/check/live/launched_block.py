"""The launches of one block -> its medians, or why it does not count; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.pair_difference import pair_difference
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.wire import MADE_UP
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import ModelStopped
from asymm_deploy.errors import ExitCode

Arm = Literal["A", "B"]
ARM_NAMES: dict[Arm, str] = {"A": "baseline", "B": "candidate"}
BlockLaunches: TypeAlias = "list[tuple[Arm, LaunchRecord]]"
"""In the order in which they were made; fewer than planned if one ended the block early."""


@dataclass(frozen=True, slots=True)
class BlockKind:
    """What a block is made of."""

    orders: tuple[str, ...]
    """The orders that its launches may have; each letter is one record's arm."""
    paired: bool = False
    """Whether the two records are of one launch."""
    circumstances: tuple[str, ...] = ()
    """What blocks of another kind are told from this one by."""


SEPARATE = BlockKind(("ABBA", "BAAB"))
"""Either order has both arms at the same time on average, so a drift falls on both alike."""
PAIRED = BlockKind(("AB", "BA"), paired=True, circumstances=("paired",))
"""One launch; the first letter ran first in each pair of runs."""
LOAD = BlockKind(("AB", "BA"), circumstances=("load",))
"""Two short launches, whose loading and memory are compared."""


@dataclass(frozen=True, slots=True)
class Spoiler:
    """The launch that spoils a block."""

    arm: Arm
    record: LaunchRecord
    why: str


def arms_of(order: str) -> list[Arm]:
    """Return the arms of a block's launches, in order."""
    return ["A" if letter == "A" else "B" for letter in order]


def arm_failure(launches: BlockLaunches) -> ModelStopped | None:
    """Return why an arm can't be timed at all; None if at worst the timing was disturbed."""
    for arm, record in launches:
        code = ExitCode(record.exit_code)
        if code not in (ExitCode.OK, ExitCode.UNSTABLE):
            why = record.error or _meaning(record, record.allowed)
            runner_lies = why.startswith(MADE_UP)  # of either version: it is no version's fault
            which = "A launch" if runner_lies else f"The {ARM_NAMES[arm]}"
            return ModelStopped("failed", f"{which} failed: {why}", code)
    return None


def spoiler_of(launches: BlockLaunches, allow: Sequence[str]) -> Spoiler | None:
    """Return the first launch that doesn't count, and why; slowness alone is never a reason."""
    for arm, record in launches:
        if not flags.leave_valid(record.flags, allow):
            return Spoiler(arm, record, _meaning(record, allow))
    return None


def block_medians(launches: BlockLaunches) -> BlockMedians:
    """Return the medians of a whole block."""

    def medians(wanted: Arm) -> tuple[float, ...]:
        records = [record for arm, record in launches if arm == wanted]
        return tuple(float(median) for median in verdicts.launch_medians_ns(records))

    by_arm = dict(launches)
    both = (by_arm["A"], by_arm["B"])
    by_pairs = pair_difference(*both) if all(x.paired is not None for x in both) else None
    return BlockMedians(medians("A"), medians("B"), by_pairs)


def _meaning(record: LaunchRecord, allow: Sequence[str]) -> str:
    found = [flags.FLAGS[name] for name in record.flags if name not in allow]
    return "; ".join(f"{flag.name} ({flag.meaning})" for flag in found if flag.invalidates)
