"""What the user allows: how much worse each metric may get, and how long to look."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from asymm_deploy.bounds import require_within
from asymm_deploy.check.findings import Metric
from asymm_deploy.errors import UsageError

Design = Literal["paired", "blocks"]
"""How a live comparison launches: both versions in turns in one process, or each in its own.

A block is what yields one difference: one launch of both, or four launches of one of them.
"""
LEAST_BLOCKS: dict[Design, int] = {"paired": 4, "blocks": 8}
"""Fewer blocks say too little about how much they vary."""
USUAL_BLOCKS: dict[Design, int] = {"paired": 40, "blocks": 20}
"""After how many blocks a model is inconclusive, unless another number is asked for.

Most comparisons end at the first look. With 20 paired launches, 14 in 100 comparisons of a model
with itself stayed undecided on a disturbed machine at a threshold of 2 % (docs/gate.md).
"""
USUAL_RUNS: dict[Design, int] = {"paired": 50, "blocks": 100}
"""Timed runs of a launch: launches differ, and more pairs of one hardly say more."""
MOST_BLOCKS = 1000
_MOST_PERCENT = 1000
FLOOR_MS = 0.02
"""20 us: a smaller change of latency is none, however large a share of a tiny model's it is."""
ALPHA = 0.05
"""The risk over all looks of a series that its interval lies above the truth; below it, the same.

So a regression of exactly the threshold passes once in 20 comparisons, and one of 5 % hardly ever.
A false alarm takes two series in a row, each with an estimate above the threshold besides. With
0.02, simulated and recorded comparisons had no fewer errors, and more stayed undecided
(docs/gate.md).
"""
ALPHA_ONCE = 0.02
"""The same for a single look, with no second series to confirm what it sees."""

DEFAULT_PERCENT: dict[Metric, float] = {
    "latency": 3.0,
    "mnn_size": 1.0,
    "madds": 1.0,
    "params": 1.0,
    "init": 25.0,  # once a process; disks and page caches make it vary
    "peak_memory": 10.0,
    "instructions": 1.0,
    "l2_misses": 5.0,
    "l3_misses": 5.0,
}
THRESHOLD_OPTIONS: dict[Metric, str] = {
    "latency": "--threshold",
    "mnn_size": "--size-threshold",
    "madds": "--madds-threshold",
    "params": "--params-threshold",
    "init": "--init-threshold",
    "peak_memory": "--memory-threshold",
    "instructions": "--insn-threshold",
    "l2_misses": "--miss-threshold",
    "l3_misses": "--miss-threshold",
}
_TIMED: frozenset[Metric] = frozenset({"latency", "init", "peak_memory"})
"""These vary by themselves, so no growth at all can't be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """How to judge. Raises UsageError for numbers that make no sense."""

    thresholds: dict[Metric, float] = field(default_factory=DEFAULT_PERCENT.copy)
    """In percent; growth up to it passes."""
    design: Design = "blocks"
    max_blocks: int | None = None
    """As asked for; None for as many as suit the design."""
    runs_alone: int | None = None
    """Timed runs of a launch of one version, where two can't be paired; None: as of a pair."""
    seed: int = 0
    """Draws the order of launches."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for metric, percent in self.thresholds.items():
            _refuse(metric, percent)
        if not self.least_blocks <= self.most_blocks <= MOST_BLOCKS:
            raise UsageError(
                f"--max-blocks {self.most_blocks} is out of range",
                f"give {self.least_blocks} to {MOST_BLOCKS}: fewer than {self.least_blocks} can't "
                "tell a change from chance",
            )
        require_within("--seed", self.seed, 0, 2**64 - 1)

    @property
    def least_blocks(self) -> int:
        """After how many blocks to look for the first time."""
        return LEAST_BLOCKS[self.design]

    @property
    def most_blocks(self) -> int:
        """After how many blocks a model that is not decided is inconclusive."""
        return USUAL_BLOCKS[self.design] if self.max_blocks is None else self.max_blocks

    def in_blocks(self) -> GatePolicy:
        """Return the policy for versions that have to be launched one by one."""
        asked = self.max_blocks
        most = None if asked is None else max(asked, LEAST_BLOCKS["blocks"])
        return replace(self, design="blocks", max_blocks=most)

    def latency_threshold(self, baseline_ms: float) -> float:
        """Return the share by which a latency of ``baseline_ms`` may grow: at least 20 us of it."""
        return max(self.thresholds["latency"] / 100, FLOOR_MS / baseline_ms)


def parse_percent(text: str, option: str) -> float:
    """Return the number in ``3%``; raise UsageError for anything else.

    A bare number is refused, since 0.03 may be meant as 3 % or as 0.03 %.
    """
    number = text.strip().removesuffix("%")
    try:
        value = math.nan if "_" in number else float(number)
    except ValueError:
        value = math.nan
    if number == text.strip() and not math.isnan(value):
        raise UsageError(f"{option} {text} has no unit", f"give it in percent: {option} 3%")
    if not math.isfinite(value):
        raise UsageError(f"{option} {text} is not a percentage", f"give a number: {option} 3%")
    return value


def _refuse(metric: Metric, value: float) -> None:
    option = THRESHOLD_OPTIONS[metric]
    usual = f"{option} {DEFAULT_PERCENT[metric]:g}%"
    if value > _MOST_PERCENT:
        raise UsageError(
            f"{option} {value:g}% is too much: nothing would alarm",
            f"give {_MOST_PERCENT}% at most; {usual} is the default",
        )
    if metric in _TIMED and value <= 0:
        raise UsageError(
            f"{option} {value:g}% is too little: even a model compared with itself differs a bit",
            f"give more than 0%; {usual} is the default",
        )
    if value < 0:
        raise UsageError(
            f"{option} {value:g}% is negative", f"give 0% or more; {usual} is the default"
        )
