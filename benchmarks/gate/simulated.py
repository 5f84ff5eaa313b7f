"""How the rule decides where the noise between launches is known; a table for docs/gate.md.

    python -m benchmarks.gate.simulated [--comparisons 1000]

Launches are drawn, blocks go through ``check``'s own procedure; nothing is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from tabulate import tabulate

from asymm_deploy.check.live import procedure
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import BlockPlace
from asymm_deploy.check.policy import GatePolicy

Values = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], Values]
"""Four launches of a block -> by how much each is off, as logs."""

NOISES: dict[str, Draw] = {
    "normal, 1 %": lambda rng: 0.01 * rng.normal(size=4),
    "normal, 2 %": lambda rng: 0.02 * rng.normal(size=4),
    "normal, 5 %": lambda rng: 0.05 * rng.normal(size=4),
    "t with 2 degrees of freedom, 1 %": lambda rng: 0.01 * rng.standard_t(2, size=4),
    "t with 2 degrees of freedom, 2 %": lambda rng: 0.02 * rng.standard_t(2, size=4),
    "contaminated, 2 %": lambda rng: (
        0.02 * rng.normal(size=4) * np.where(rng.random(4) < 0.1, 8, 1)
    ),
    "1 %, and one launch in seven up to 20 % slower": lambda rng: (
        0.01 * rng.normal(size=4) + np.where(rng.random(4) < 0.15, 0.2 * rng.random(4), 0)
    ),
}
SLOWER = (1.0, 1.05, 1.1)
_NS = 1e7


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=1000)
    count = parser.parse_args().comparisons
    rows = [
        [name, *(_shares(_verdicts(draw, slower, count)) for slower in SLOWER)]
        for name, draw in NOISES.items()
    ]
    headers = ["noise between launches", "same model", "5 % slower", "10 % slower"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))
    return 0


def _verdicts(draw: Draw, slower: float, count: int) -> Counter[str]:
    rng = np.random.default_rng(0)

    def take(_: BlockPlace) -> BlockMedians:
        launches = _NS * np.exp(draw(rng))
        return BlockMedians(tuple(launches[:2]), tuple(slower * launches[2:]))

    policy = GatePolicy()
    return Counter(
        procedure.decide_by_blocks(["net"], policy, take)["net"].verdict for _ in range(count)
    )


def _shares(counts: Counter[str]) -> str:
    total = counts.total()
    return ", ".join(f"{100 * n / total:.1f} {verdict}" for verdict, n in counts.most_common())


if __name__ == "__main__":
    sys.exit(main())
