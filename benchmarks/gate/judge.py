"""Judge the recorded launches as ``check`` does, and as others do; print a table for docs/gate.md.

    python -m benchmarks.gate.judge [FILE] [--comparisons 200]

A comparison takes consecutive rounds from a random place on, going round at the end, so that what
drifts in the recording drifts in the comparison. Other rules get the launches of the first eight
rounds, 16 a side, and know of no flags. Drift, the throttled arm and "x 1.05" are made by slowing
real launches down; the slower models are real.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from asymm_deploy.check.live import procedure
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import BlockLost, BlockPlace
from asymm_deploy.check.policy import LEAST_BLOCKS, GatePolicy
from benchmarks.gate.recording import ARMS, Recording, load
from benchmarks.gate.rules import RULES, Samples

_DATA = Path(__file__).parent / "data" / "launches.npz"


@dataclass(frozen=True)
class _Case:
    """What the base is compared with: recorded launches, and a factor on them."""

    arm: str
    factor: float = 1.0


_CASES = {
    "same model": _Case("again"),
    "same model x 1.05": _Case("again", 1.05),
    "about 5 % slower": _Case("plus5"),
    "about 10 % slower": _Case("plus10"),
}
_REDONE = 2
_OURS = "asymm-deploy check"

Slowed = Callable[[str, int], float]
"""(arm, A or B; round of the comparison) -> by what factor it is slower."""


def main() -> int:
    """Print a table for each scenario; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=_DATA)
    parser.add_argument("--comparisons", type=int, default=200)
    given = parser.parse_args()
    recordings = load(given.file)
    for recording in recordings:
        _report(recording.scenario, recording, given.comparisons, lambda *_: 1.0)
    quiet = recordings[0]
    _report("drift of 10 %", quiet, given.comparisons, _drifting)
    _report("candidate throttled for four blocks", quiet, given.comparisons, _throttled)
    return 0


def _drifting(arm: str, number: int) -> float:
    """Slow both arms down by 10 % over the comparison's longest series."""
    del arm
    return 1 + 0.1 * number / GatePolicy().most_blocks


def _throttled(arm: str, number: int) -> float:
    """Slow the candidate alone by 15 % in four of its first blocks, as a phone that cools might."""
    return 1.15 if arm == "B" and 2 <= number < 6 else 1.0


@dataclass
class _Source:
    """Rounds of one comparison, one after the other."""

    recording: Recording
    arm: str
    start: int
    slowed: Slowed
    taken: int = 0
    launches: int = 0

    def take(self, place: BlockPlace) -> BlockMedians | BlockLost:
        """Return the next round as a block; one with an invalid launch is done again, twice."""
        del place  # the next one, whichever it is
        for _ in range(_REDONE + 1):
            number = (self.start + self.taken) % len(self.recording.samples_ns)
            before, after = self._next()
            self.launches += 4
            if not any(self.recording.flags[number, [0, ARMS.index(self.arm)]].ravel()):
                return BlockMedians(_medians(before), _medians(after))
        return BlockLost("spoilt")

    def first_launches(self) -> tuple[Samples, Samples]:
        """Return both sides' launches of as many rounds as the first look needs."""
        rounds = [self._next() for _ in range(LEAST_BLOCKS["blocks"])]
        return (
            np.concatenate([before for before, _ in rounds]),
            np.concatenate([after for _, after in rounds]),
        )

    def _next(self) -> tuple[Samples, Samples]:
        both = self.recording.samples_ns[(self.start + self.taken) % len(self.recording.samples_ns)]
        before = both[0] * self.slowed("A", self.taken)
        after = both[ARMS.index(self.arm)] * self.slowed("B", self.taken)
        self.taken += 1
        return before, after


def _medians(samples: Samples) -> tuple[float, ...]:
    return tuple(float(median) for median in np.median(samples, axis=1))


def _report(title: str, recording: Recording, comparisons: int, slowed: Slowed) -> None:
    spoilt = np.mean(recording.flags != "")
    print(f"\n### {title}\n")
    print(f"{len(recording.samples_ns)} rounds; {100 * spoilt:.1f} % of launches flagged. ", end="")
    effects = {name: _effect(recording, case) for name, case in _CASES.items()}
    print("; ".join(f"{name}: {effect:+.1f} %" for name, effect in effects.items()))
    columns = {name: _judged(recording, case, comparisons, slowed) for name, case in _CASES.items()}
    rows = []
    for rule in (_OURS, *RULES):
        cells = [columns[name][rule] for name in _CASES]
        rows.append([rule, *(_shares(cell) for cell in cells)])
    print(
        f"\n{tabulate(rows, headers=['slower, in % of comparisons', *_CASES], tablefmt='github')}"
    )
    for name in _CASES:
        each = columns[name]["launches"].total() / comparisons
        seconds = each * float(recording.facts["seconds_a_launch"])
        print(f"\n{name}: {each:.0f} launches a verdict on average, {seconds:.0f} s.", end="")
    print()


def _effect(recording: Recording, case: _Case) -> float:
    """Return by how much the case is slower in the whole recording, in percent."""
    logs = np.log(np.median(recording.samples_ns, axis=3)).mean(axis=2)
    gap = np.median(logs[:, ARMS.index(case.arm)] - logs[:, 0])
    return float(100 * np.expm1(gap + np.log(case.factor)))


def _judged(
    recording: Recording, case: _Case, comparisons: int, slowed: Slowed
) -> dict[str, Counter[str]]:
    def both(arm: str, number: int) -> float:
        return slowed(arm, number) * (case.factor if arm == "B" else 1.0)

    found: dict[str, Counter[str]] = {name: Counter() for name in (_OURS, "launches", *RULES)}
    for start in itertools.islice(_starts(len(recording.samples_ns)), comparisons):
        source = _Source(recording, case.arm, start, both)
        outcome = procedure.decide_by_blocks(["net"], GatePolicy(), source.take)["net"]
        found[_OURS][outcome.verdict] += 1
        found["launches"]["all"] += source.launches
        before, after = _Source(recording, case.arm, start, both).first_launches()
        for name, rule in RULES.items():
            found[name]["regressed" if rule(before, after) else "pass"] += 1
    return found


def _starts(rounds: int) -> Iterator[int]:
    rng = np.random.default_rng(0)
    while True:
        yield int(rng.integers(rounds))


def _shares(counts: Counter[str]) -> str:
    """Return ``98.5 regressed, 1.5 inconclusive``."""
    total = sum(counts.values())
    parts = [f"{100 * count / total:.1f} {verdict}" for verdict, count in counts.most_common()]
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
