"""Do the launches of an arm fall into two groups? Then a mean of them says nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.bimodal import is_bimodal

LEAST_LAUNCHES = 16
"""Those of an arm after the first look."""
LEAST_SEPARATION = 7.0
"""In standard deviations within a group; see ``bimodal``, which has many more samples.

Of 1500 simulated arms of 16 launches, 1 in 1000 reaches 7 by chance where launches are normal or
only ever slower (an exponential distribution), and 1 in 100 where blocks differ from each other by
5 % and launches within them by 1 %; of 24 launches at most 1 in 1000 in each case. With two real
groups 10 % apart, each spreading by 1 %, 95 in 100 arms of 16 reach it.
"""


def has_two_modes(medians: Sequence[float]) -> bool:
    """Tell whether the medians of an arm's launches are two groups, 5 % apart or more."""
    return is_bimodal(
        medians,
        least_samples=LEAST_LAUNCHES,
        separation=LEAST_SEPARATION,
        deviation=_deviation,
    )


def _deviation(group: npt.NDArray[np.float64]) -> float:
    """Return the standard deviation: quartiles of three or four launches say too little."""
    return float(group.std(ddof=1))
