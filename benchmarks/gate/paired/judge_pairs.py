"""Judge the recording of both designs as ``check`` does, and as others do; tables for docs/gate.md.

    python -m benchmarks.gate.paired.judge_pairs [FILE] [--pairs 100] [--first-look 4]

Paired launches: a comparison begins where the one before it ended, so none shares a launch with
another; the last one, which the recording cuts short, does not count. Separate launches are too
few for that: a comparison takes consecutive rounds from a random place on, going round at the end,
and the other rules get those of the first eight rounds, 16 a side, and know of no flags.

"x 1.05" is the same model with its times multiplied; the slower models are real.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from tabulate import tabulate

from asymm_deploy.bench.judge.pair_difference import PairDifference
from asymm_deploy.check.live import procedure
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import BlockLost, BlockPlace
from asymm_deploy.check.policy import LEAST_BLOCKS, Design, GatePolicy
from benchmarks.gate.paired.pair_recording import (
    ARMS,
    PairedLaunches,
    PairedRecording,
    SeparateLaunches,
    load_pairs,
)
from benchmarks.gate.rules import RULES, Samples

DATA = Path(__file__).parent.parent / "data" / "paired.npz"
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


CASES = (
    Case("same model", "again"),
    Case("same model, threshold 2 %", "again", percent=2.0),
    Case("same model x 1.02", "again", 1.02),
    Case("same model x 1.05", "again", 1.05),
    Case("about 3 % slower, threshold 2 %", "plus3", percent=2.0),
    Case("about 5 % slower", "plus5"),
    Case("about 10 % slower", "plus10"),
)


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


def main() -> int:
    """Print the tables of each scenario; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=DATA)
    parser.add_argument("--pairs", type=int, default=100, help="take the first ones of a launch")
    parser.add_argument("--first-look", type=int, default=LEAST_BLOCKS["paired"])
    given = parser.parse_args()
    with patch.dict(LEAST_BLOCKS, paired=given.first_look):
        for recording in load_pairs(given.file):
            report(recording, given.pairs)
    return 0


def report(recording: PairedRecording, pairs: int) -> None:
    """Print the tables of a scenario."""
    print(f"\n### {recording.scenario}\n")
    print(", ".join(f"{key}: {value}" for key, value in recording.facts.items()))
    data = pair_data(recording.paired, pairs)
    print(
        f"{len(data.void)} paired launches, {data.void.sum()} void; "
        f"{len(recording.separate.samples_ns)} rounds of separate launches, "
        f"{100 * np.mean(recording.separate.flags != ''):.1f} % of them flagged.\n"
    )
    print(markdown(_noise_rows(recording, data), ["paired with the base", *_NOISE_HEADERS]))
    by_rule: dict[str, dict[str, Counter[str]]] = {}
    rows = []
    for case in CASES:
        paired = paired_comparisons(data.only(recording.paired.arm == case.arm), case)
        blocks = block_comparisons(recording.separate, case)
        for design, found in (("paired", paired), ("blocks", blocks)):
            verdicts = Counter(each.verdict for each in found)
            by_rule.setdefault(f"check, {design}", {})[case.name] = verdicts
            rows.append([case.name, design, *_ending(found)])
        for name, counts in other_rules(recording.separate, case).items():
            by_rule.setdefault(name, {})[case.name] = counts
    print(f"\n{markdown(rows, ['candidate', 'design', 'verdicts', *_ENDING_HEADERS])}")
    names = [case.name for case in CASES]
    shares = [[rule, *(_share(of.get(n)) for n in names)] for rule, of in by_rule.items()]
    print(f"\n{markdown(shares, ['called slower, in %', *names])}")
    if len(recording.short_s):
        each = np.median(recording.short_s)
        count = 2 * procedure.LOAD_BLOCKS
        print(f"\n{count} short launches for load time and memory take {count * each:.1f} s more.")


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


def paired_comparisons(data: PairData, case: Case) -> list[Compared]:
    """Return how comparisons end that begin where the one before them ended."""
    found: list[Compared] = []
    source = _PairSource(data, case.factor)
    while True:
        began = source.taken
        try:
            verdict = _decided(source, "paired", case)
        except ExhaustedError:
            return found
        seconds = float(data.seconds[began : source.taken].sum())
        found.append(Compared(verdict, source.taken - began, seconds))


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
    if len(launches.samples_ns) < LEAST_BLOCKS["blocks"]:
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
    if len(launches.samples_ns) < LEAST_BLOCKS["blocks"]:
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
    policy = GatePolicy(design=design)
    policy = GatePolicy(thresholds={**policy.thresholds, "latency": case.percent}, design=design)
    return procedure.decide_by_blocks(["net"], policy, source.take)["net"].verdict


def _medians(samples: Samples) -> tuple[float, ...]:
    return tuple(float(median) for median in np.median(samples, axis=1))


_NOISE_HEADERS = (
    "launches",
    "by processor time, %",
    "its deviation, %",
    "by wall time, %",
    "its deviation, %",
    "blocks, %",
    "their deviation, %",
)


def _noise_rows(recording: PairedRecording, data: PairData) -> list[list[object]]:
    """Return, for each arm, its difference from the base and how much a launch is off."""
    medians = np.log(np.median(recording.separate.samples_ns, axis=3)).mean(axis=2)
    rows = []
    for arm in ARMS[1:]:
        of_arm = data.only((recording.paired.arm == arm) & ~data.void)
        wall, cpu = of_arm.difference[:, WALL], of_arm.difference[:, CPU]
        blocks = medians[:, ARMS.index(arm)] - medians[:, 0]
        cells = [text for values in (cpu, wall, blocks) for text in _mean_and_deviation(values)]
        rows.append([arm, len(of_arm.void), *cells])
    return rows


def _mean_and_deviation(logs: npt.NDArray[np.float64]) -> tuple[str, str]:
    if len(logs) < 2:
        return "", ""
    sd = 100 * float(logs.std(ddof=1))
    return f"{100 * logs.mean():+.2f} ± {2 * sd / len(logs) ** 0.5:.2f}", f"{sd:.2f}"


_ENDING_HEADERS = ("comparisons", "median launches", "median s", "90 % within, s")


def _ending(found: Sequence[Compared]) -> list[object]:
    if not found:
        return ["", 0, "", "", ""]
    verdicts = Counter(each.verdict for each in found)
    seconds = [each.seconds for each in found]
    return [
        ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
        len(found),
        f"{np.median([each.launches for each in found]):.0f}",
        f"{np.median(seconds):.0f}",
        f"{np.percentile(seconds, 90):.0f}",
    ]


def _share(counts: Counter[str] | None) -> str:
    return f"{100 * counts['regressed'] / counts.total():.1f}" if counts else ""


def markdown(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """Return the table as it stands in a page."""
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(main())
