"""What people use instead, as rules on the same launches.

Each says whether the candidate is slower, from the samples of both sides, (launches, runs) in ns,
taken as its tool takes them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

Samples = npt.NDArray[np.float64]
Rule = Callable[[Samples, Samples], bool]

_VALUES = 3
"""pyperf's of a process; each is a mean over many runs."""


def pyperf_compare_to(baseline: Samples, candidate: Samples) -> bool:
    """``pyperf compare_to``: a t-test with pooled variance at 95 % over all values (_utils.py)."""
    before, after = _values(baseline), _values(candidate)
    return bool(stats.ttest_ind(before, after).pvalue < 0.05 and after.mean() > before.mean())


def asv_compare(baseline: Samples, candidate: Samples, factor: float = 1.1) -> bool:
    """``asv compare``: Mann-Whitney's p below 0.002 and a ratio of medians above 1.1."""
    before, after = _values(baseline), _values(candidate)
    chance = float(stats.mannwhitneyu(before, after).pvalue)
    return bool(chance < 0.002 and np.median(after) > factor * np.median(before))


def asv_compare_3(baseline: Samples, candidate: Samples) -> bool:
    """Return what asv says with ``--factor 1.03``."""
    return asv_compare(baseline, candidate, 1.03)


def pooled_t_test(baseline: Samples, candidate: Samples) -> bool:
    """Return what a t-test at 5 % over 1000 runs a side says, as if runs were independent."""
    before, after = baseline.ravel()[:1000], candidate.ravel()[:1000]
    return bool(stats.ttest_ind(before, after).pvalue < 0.05 and after.mean() > before.mean())


def github_action_benchmark(baseline: Samples, candidate: Samples) -> bool:
    """Return what ``alert-threshold: 200%``, its default, says of the means."""
    return bool(candidate.mean() > 2.0 * baseline.mean())


def github_action_benchmark_105(baseline: Samples, candidate: Samples) -> bool:
    """Return what ``alert-threshold: 105%`` says, which people who want to see 5 % set."""
    return bool(candidate.mean() > 1.05 * baseline.mean())


RULES: dict[str, Rule] = {
    "pyperf compare_to": pyperf_compare_to,
    "asv compare (factor 1.1)": asv_compare,
    "asv compare (factor 1.03)": asv_compare_3,
    "t-test over 2 x 1000 runs": pooled_t_test,
    "github-action-benchmark (200 %)": github_action_benchmark,
    "github-action-benchmark (105 %)": github_action_benchmark_105,
}


def _values(samples: Samples) -> Samples:
    """Return the means of each launch's thirds: three values a process."""
    usable = samples.shape[1] // _VALUES * _VALUES
    values: Samples = samples[:, :usable].reshape(len(samples), _VALUES, -1).mean(axis=2).ravel()
    return values
