"""Two models that ran in turns -> how much slower one of them is; pure.

One process holds both, so what slows it down (its place in memory, a neighbour of the machine, the
clock) is the same for both, and most disturbances fall on both runs of a pair. The datum of a
launch is the median over its pairs, which up to half of them being far off can't carry away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import LaunchRecord

MOST_SPLIT = 0.3
"""Share of pairs that may be interrupted for long."""
LONG_STOP_NS = 10**8
"""A process that was stopped for so long, 0.1 s, comes back to a core that is not as it left it."""
_SLICES = 4
"""How many times its own length a pair may be stopped for: slow models share cores by slices."""
_LARGEST_TICK = 0.001
"""Share of a run that a clock of processor time must be able to tell."""

Clock = Literal["cpu", "wall"]


@dataclass(frozen=True, slots=True)
class PairDifference:
    """Of one launch: log(candidate) - log(baseline), the median over pairs."""

    wall: float
    cpu: float | None
    """By the processor time of each run: time that others took from the core is not in it.

    None with several threads, which wait for each other, and where the system does not tell.
    """
    pairs: int

    def by(self, clock: Clock) -> float:
        """Return the difference by this clock; by the wall clock if there is no other."""
        return self.wall if clock == "wall" or self.cpu is None else self.cpu


def pair_difference(baseline: LaunchRecord, candidate: LaunchRecord) -> PairDifference:
    """Return the difference of two records that share a launch."""
    cpu = None
    if has_cpu_times(baseline) and has_cpu_times(candidate):
        cpu = _median_log_ratio(_cpu_ns(baseline), _cpu_ns(candidate))
    wall = _median_log_ratio(_array(baseline.samples_ns), _array(candidate.samples_ns))
    return PairDifference(wall, cpu, len(baseline.samples_ns))


def common_clock(differences: Iterable[PairDifference | None]) -> Clock:
    """Return the clock to judge launches by: processor time where every one of them knows it."""
    known = all(found is not None and found.cpu is not None for found in differences)
    return "cpu" if known else "wall"


def has_cpu_times(record: LaunchRecord) -> bool:
    """Whether the record is of a pair whose processor times can be judged."""
    if record.paired is None or record.paired.cpu_ns is None or record.threads != 1:
        return False
    values = _cpu_ns(record)
    if values.min() <= 0:
        return False
    tick = int(np.gcd.reduce(values.astype(np.int64)))
    return tick <= _LARGEST_TICK * float(np.median(values))


def split_share(baseline: LaunchRecord, candidate: LaunchRecord) -> float:
    """Return the share of the pairs that were interrupted for 0.1 s or longer, in them or between.

    Of slow models, which others on the core interrupt all the time, for four times as long as the
    pair itself takes. Where that is unknown, the fastest pair tells.
    """
    starts, ends = [], []
    for record in (baseline, candidate):
        assert record.paired is not None
        start = _array(record.paired.start_ns)
        starts.append(start)
        ends.append(start + _array(record.samples_ns))
    took = np.maximum(*ends) - np.minimum(*starts)
    if has_cpu_times(baseline) and has_cpu_times(candidate):
        own = _cpu_ns(baseline) + _cpu_ns(candidate)
    else:
        own = np.full(len(took), took.min() / _SLICES)
    return float(np.mean(took - own > np.maximum(LONG_STOP_NS, _SLICES * own)))


def _cpu_ns(record: LaunchRecord) -> npt.NDArray[np.float64]:
    assert record.paired is not None
    return _array(record.paired.cpu_ns or ())


def _array(values: tuple[int, ...]) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _median_log_ratio(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float:
    return float(np.median(np.log(after) - np.log(before)))
