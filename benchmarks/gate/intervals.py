"""How often an interval over few blocks is wrong that should be so once in 200.

Of simulated differences of blocks whose true mean is 0, it counts intervals wholly above 0, which
should be 0.5 %. Ours is Student's; percentile and BCa are ``scipy.stats.bootstrap``'s.

    python -m benchmarks.gate.intervals [--repeats 2000]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats
from tabulate import tabulate

from asymm_deploy.bench.judge import log_interval

_RISK = 0.005
_RESAMPLES = 1999
Values = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]

NOISES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "Student's t with 2 degrees of freedom": lambda rng, n: rng.standard_t(2, size=n),
    "normal, one in ten 8 times as far off": lambda rng, n: (
        rng.normal(size=n) * np.where(rng.random(n) < 0.1, 8, 1)
    ),
    "difference of two exponentials": lambda rng, n: (
        rng.exponential(size=n) - rng.exponential(size=n)
    ),
}


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    rng = np.random.default_rng(0)
    rows = []
    for blocks in (8, 20):
        for name, draw in NOISES.items():
            all_values = [draw(rng, blocks) for _ in range(repeats)]
            shares = [
                np.mean([method(values, rng) > 0 for values in all_values])
                for method in (_ours, _percentile, _bca)
            ]
            rows.append([blocks, name, *(f"{100 * share:.2f}" for share in shares)])
    headers = ["blocks", "noise", "Student's t", "percentile", "BCa"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))
    return 0


def _ours(values: Values, rng: np.random.Generator) -> float:
    del rng
    return log_interval.interval(values.tolist(), _RISK).low


def _percentile(values: Values, rng: np.random.Generator) -> float:
    return _bootstrapped(values, rng, "percentile")


def _bca(values: Values, rng: np.random.Generator) -> float:
    return _bootstrapped(values, rng, "BCa")


def _bootstrapped(
    values: Values, rng: np.random.Generator, method: Literal["percentile", "BCa"]
) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BCa of values that hardly differ
        found = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=_RESAMPLES,
            confidence_level=1 - 2 * _RISK,
            method=method,
            rng=rng,
        )
    return float(found.confidence_interval.low)


if __name__ == "__main__":
    sys.exit(main())
