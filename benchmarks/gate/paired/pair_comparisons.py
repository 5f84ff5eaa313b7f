"""Comparisons made of recorded launches: how they end, after how many launches, in what time.

Paired launches: a comparison begins where the one before it ended, so none shares a launch with
another; the last one, which the recording cuts short, does not count. Separate launches are too
few for that: a comparison takes consecutive rounds from a random place on, going round at the end,
and the other rules get those of the first eight rounds, 16 a side, and know of no flags.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.judge.pair_difference import PairDifference
from asymm_deploy.check.live import procedure
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import BlockLost, BlockPlace
from asymm_deploy.check.policy import LEAST_BLOCKS, Design, GatePolicy
from benchmarks.gate.paired.pair_recording import ARMS, PairedLaunches, SeparateLaunches
from benchmarks.gate.rules import RULES, Samples

ANY = "any"
"""As an arm: each in turn."""
WALL, CPU = 0, 1
"""Clocks, as indices."""
_REDONE = 2
_OVERLAPPING = 200
"""Comparisons of separate launches."""


@dataclass(frozen=True)
class Case:
    """What the base is compared with, and how much slower it may be."""

    name: str
    arm: str
    factor: float = 1.0
    percent: float = 3.0
    alike: bool = False
    """Whether to take off what the arm costs."""
    max_blocks: int | None = None
    """As of ``GatePolicy``."""


@dataclass(frozen=True)
class Compared:
    """How one comparison ended, after so many launches, which took so long."""

    verdict: str
    launches: int
    seconds: float


class ExhaustedError(Exception):
    """The recording has no more launches for this comparison."""


@dataclass(frozen=True)
class PairData:
    """What the rule needs of paired launches, one an entry."""

    difference: npt.NDArray[np.float64]
    """(launches, wall and processor): median over pairs of log(other) - log(base)."""
    base_ns: npt.NDArray[np.float64]
    other_ns: npt.NDArray[np.float64]
    pairs: npt.NDArray[np.int64]
    void: npt.NDArray[np.bool_]
    seconds: npt.NDArray[np.float64]

    def only(self, chosen: npt.NDArray[np.bool_]) -> PairData:
        """Return the chosen launches."""
        return PairData(
            self.difference[chosen],
            self.base_ns[chosen],
            self.other_ns[chosen],
            self.pairs[chosen],
            self.void[chosen],
            self.seconds[chosen],
        )


def pair_data(launches: PairedLaunches, pairs: int) -> PairData:
    """Return what the rule needs of the first ``pairs`` pairs of each launch."""
    every = np.where(launches.times_ns > 0, launches.times_ns, np.nan).astype(np.float64)
    kept = every[..., :pairs]
    late_s = np.nansum(every[:, :, 0, pairs:], axis=(1, 2)) / 1e9
    medians = np.nanmedian(kept[:, :, 0], axis=2)
    return PairData(
        difference=np.nanmedian(np.log(kept[:, 1]) - np.log(kept[:, 0]), axis=2),
        base_ns=medians[:, 0],
        other_ns=medians[:, 1],
        pairs=np.sum(~np.isnan(kept[:, 0, 0]), axis=1),
        void=launches.flags != "",
        seconds=launches.seconds - late_s,
    )


def launches_of(launches: PairedLaunches, data: PairData, case: Case) -> list[PairData]:
    """Return the launches of each arm of a case, made alike if the case says so."""
    found = []
    for arm in ARMS[1:] if case.arm == ANY else (case.arm,):
        of_arm = data.only(launches.arm == arm)
        if case.alike and len(of_arm.void):
            cost = np.median(of_arm.difference, axis=0)
            of_arm = replace(
                of_arm,
                difference=of_arm.difference - cost,
                other_ns=of_arm.other_ns / np.exp(cost[WALL]),
            )
        found.append(of_arm)
    return found


def paired_comparisons(data: PairData, case: Case, step: int | None = None) -> list[Compared]:
    """Return how comparisons end that begin where the one before them ended.

    With a ``step``, they begin after every so many launches instead, and overlap.
    """
    found: list[Compared] = []
    began = 0
    while True:
        source = _PairSource(data, case.factor, began)
        try:
            verdict = _decided(source, "paired", case)
        except ExhaustedError:
            return found
        seconds = float(data.seconds[began : source.taken].sum())
        found.append(Compared(verdict, source.taken - began, seconds))
        began = source.taken if step is None else began + step


@dataclass
class _PairSource:
    """Paired launches, one after the other."""

    data: PairData
    factor: float
    taken: int = 0

    def take(self, place: BlockPlace) -> BlockMedians | BlockLost:
        """Return the next launch as a block; a void one is made again, twice."""
        del place  # the next one, whichever it is
        for _ in range(_REDONE + 1):
            number = self.taken
            if number == len(self.data.void):
                raise ExhaustedError
            self.taken += 1
            if not self.data.void[number]:
                difference = self.data.difference[number] + np.log(self.factor)
                return BlockMedians(
                    (float(self.data.base_ns[number]),),
                    (float(self.data.other_ns[number]) * self.factor,),
                    PairDifference(
                        float(difference[WALL]),
                        float(difference[CPU]),
                        int(self.data.pairs[number]),
                    ),
                )
        return BlockLost("spoilt")


def block_comparisons(launches: SeparateLaunches, case: Case) -> list[Compared]:
    """Return how comparisons of separate launches end that begin at random places."""
    if case.arm == ANY or len(launches.samples_ns) < LEAST_BLOCKS["blocks"]:
        return []
    found = []
    for start in _starts(launches):
        source = _BlockSource(launches, case, start)
        verdict = _decided(source, "blocks", case)
        found.append(Compared(verdict, source.launches, source.seconds))
    return found


def other_rules(launches: SeparateLaunches, case: Case) -> dict[str, Counter[str]]:
    """Return how often others call the candidate slower, from 16 launches a side."""
    found: dict[str, Counter[str]] = {name: Counter() for name in RULES}
    if case.arm == ANY or len(launches.samples_ns) < LEAST_BLOCKS["blocks"]:
        return found
    for start in _starts(launches):
        source = _BlockSource(launches, case, start)
        rounds = [source.next_round() for _ in range(LEAST_BLOCKS["blocks"])]
        before, after = (np.concatenate([both[side] for both in rounds]) for side in (0, 1))
        for name, rule in RULES.items():
            found[name]["regressed" if rule(before, after) else "pass"] += 1
    return found


def _starts(launches: SeparateLaunches) -> list[int]:
    rng = np.random.default_rng(0)
    return [int(start) for start in rng.integers(len(launches.samples_ns), size=_OVERLAPPING)]


@dataclass
class _BlockSource:
    """Rounds of separate launches, one after the other."""

    recorded: SeparateLaunches
    case: Case
    start: int
    taken: int = 0
    launches: int = 0
    seconds: float = 0.0

    def take(self, place: BlockPlace) -> BlockMedians | BlockLost:
        """Return the next round as a block; one with a void launch is made again, twice."""
        del place  # the next one, whichever it is
        arms = [0, ARMS.index(self.case.arm)]
        for _ in range(_REDONE + 1):
            number = self._number()
            before, after = self.next_round()
            self.launches += 4
            self.seconds += float(self.recorded.seconds[number, arms].sum())
            if not any(self.recorded.flags[number, arms].ravel()):
                return BlockMedians(_medians(before), _medians(after))
        return BlockLost("spoilt")

    def next_round(self) -> tuple[Samples, Samples]:
        """Return both sides' launches of the next round, two each."""
        both = self.recorded.samples_ns[self._number()].astype(np.float64)
        self.taken += 1
        return both[0], both[ARMS.index(self.case.arm)] * self.case.factor

    def _number(self) -> int:
        return (self.start + self.taken) % len(self.recorded.samples_ns)


def _decided(source: _PairSource | _BlockSource, design: Design, case: Case) -> str:
    limits = {**GatePolicy().thresholds, "latency": case.percent}
    policy = GatePolicy(thresholds=limits, design=design, max_blocks=case.max_blocks)
    return procedure.decide_by_blocks(["net"], policy, source.take)["net"].verdict


def _medians(samples: Samples) -> tuple[float, ...]:
    return tuple(float(median) for median in np.median(samples, axis=1))
