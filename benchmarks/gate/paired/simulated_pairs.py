"""How the rule decides where the noise between paired launches is known; a table for docs/gate.md.

    python -m benchmarks.gate.paired.simulated_pairs [--comparisons 1000] [--first-look 4]

A launch's datum is drawn and goes through ``check``'s own procedure; nothing is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
from tabulate import tabulate

from asymm_deploy.bench.judge.pair_difference import PairDifference
from asymm_deploy.check.live import procedure
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import BlockPlace
from asymm_deploy.check.policy import LEAST_BLOCKS, USUAL_BLOCKS, GatePolicy

Draw = Callable[[np.random.Generator], float]
"""By how much a launch's datum is off, as a difference of logs."""

NOISES: dict[str, Draw] = {
    "normal, 0.5 %": lambda rng: 0.005 * rng.normal(),
    "normal, 1 %": lambda rng: 0.01 * rng.normal(),
    "normal, 2 %": lambda rng: 0.02 * rng.normal(),
    "t with 2 degrees of freedom, 0.5 %": lambda rng: 0.005 * rng.standard_t(2),
    "t with 2 degrees of freedom, 1 %": lambda rng: 0.01 * rng.standard_t(2),
    "contaminated, 0.5 %": lambda rng: 0.005 * rng.normal() * (8 if rng.random() < 0.1 else 1),
    "contaminated, 1 %": lambda rng: 0.01 * rng.normal() * (8 if rng.random() < 0.1 else 1),
}
"""Contaminated: one launch in ten is 8 times as far off."""


@dataclass(frozen=True)
class SimulatedCase:
    """How much slower the candidate is, and how much slower it may be."""

    name: str
    slower: float = 1.0
    percent: float = 3.0


CASES = (
    SimulatedCase("same model"),
    SimulatedCase("same model, threshold 2 %", percent=2.0),
    SimulatedCase("2 % slower", 1.02),
    SimulatedCase("3 % slower, threshold 2 %", 1.03, 2.0),
    SimulatedCase("5 % slower", 1.05),
)
_NS = 3.5e6


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=1000)
    parser.add_argument("--first-look", type=int, default=LEAST_BLOCKS["paired"])
    parser.add_argument("--max-blocks", type=int, default=USUAL_BLOCKS["paired"])
    given = parser.parse_args()
    most = given.max_blocks
    with patch.dict(LEAST_BLOCKS, paired=given.first_look):
        rows = [
            [name, *(_cell(*simulated(draw, case, given.comparisons, most)) for case in CASES)]
            for name, draw in NOISES.items()
        ]
    headers = ["noise between launches", *(case.name for case in CASES)]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))
    return 0


def simulated(draw: Draw, case: SimulatedCase, count: int, most: int) -> tuple[Counter[str], float]:
    """Return how ``count`` comparisons end, and their median number of launches."""
    rng = np.random.default_rng(0)
    taken = 0

    def take(_: BlockPlace) -> BlockMedians:
        nonlocal taken
        taken += 1
        datum = draw(rng) + float(np.log(case.slower))
        return BlockMedians(
            (_NS,), (_NS * float(np.exp(datum)),), PairDifference(datum, datum, 100)
        )

    limits = {**GatePolicy().thresholds, "latency": case.percent}
    policy = GatePolicy(thresholds=limits, design="paired", max_blocks=most)
    verdicts: Counter[str] = Counter()
    launches = []
    for _ in range(count):
        began = taken
        verdicts[procedure.decide_by_blocks(["net"], policy, take)["net"].verdict] += 1
        launches.append(taken - began)
    return verdicts, float(np.median(launches))


def _cell(counts: Counter[str], launches: float) -> str:
    total = counts.total()
    shares = ", ".join(f"{100 * n / total:.1f} {verdict}" for verdict, n in counts.most_common())
    return f"{shares} ({launches:.0f})"


if __name__ == "__main__":
    sys.exit(main())
