"""The rule: intervals, Holm's shares of the risk, and the verdict of a look."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from asymm_deploy.check.live import decision
from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.policy import GatePolicy

Noise = Callable[[np.random.Generator], npt.NDArray[np.float64]]
"""Four launches' deviations, in logs."""


NOISES: dict[str, Noise] = {
    "normal, 1 %": lambda rng: 0.01 * rng.normal(size=4),
    "normal, 10 %": lambda rng: 0.1 * rng.normal(size=4),
    "heavy tails, 1 %": lambda rng: 0.01 * rng.standard_t(2, size=4),
    "one launch in ten is far off": lambda rng: (
        0.005 * rng.normal(size=4) * np.where(rng.random(4) < 0.1, 8, 1)
    ),
    "only ever slower": lambda rng: 0.02 * rng.exponential(size=4),
    "blocks that differ by 3 %": lambda rng: 0.03 * rng.normal() + 0.01 * rng.normal(size=4),
}


@pytest.mark.parametrize("noise", ["normal, 1 %", "heavy tails, 1 %", "only ever slower"])
@pytest.mark.parametrize("blocks", [8, 20])
def test_an_interval_is_wrong_no_more_often_than_it_says(noise: str, blocks: int) -> None:
    rng = np.random.default_rng(7)
    risk, above, below, count = 0.02, 0, 0, 2000
    for _ in range(count):
        offs = [NOISES[noise](rng) for _ in range(blocks)]
        around = decision.interval([o[2:].mean() - o[:2].mean() for o in offs], risk)
        above += around.low > 0
        below += around.high < 0
    # 2000 of them at exactly 2 % exceed 2.9 % once in 500 tests.
    assert max(above, below) <= 0.029 * count


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=30), st.floats(1e-6, 0.4))
def test_the_interval_lies_above_0_exactly_where_students_test_rejects(
    values: list[float], risk: float
) -> None:
    if len({round(value, 6) for value in values}) < 2:
        return
    around = decision.interval(values, risk)
    chance = decision.chance_of_no_growth(values)
    assert around.low <= around.estimate <= around.high
    if abs(chance - risk) > 1e-9:
        assert (around.low > 0) == (chance < risk)
    expected = ttest_1samp(values, 0, alternative="greater").pvalue
    assert chance == pytest.approx(float(expected), rel=1e-6, abs=1e-12)


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=12))
def test_holm_gives_each_model_the_risk_at_which_its_step_was_decided(
    chances: dict[str, float],
) -> None:
    risks = decision.holm(chances, dict.fromkeys(chances, 0.05), len(chances))
    # Holm's adjusted p, by the definition in his paper (1979): cumulative maximum of (m - k) p.
    largest, rejected = 0.0, set()
    for k, name in enumerate(sorted(chances, key=lambda name: chances[name])):
        largest = max(largest, (len(chances) - k) * chances[name])
        if largest <= 0.05:
            rejected.add(name)
    assert {name for name, chance in chances.items() if chance <= risks[name]} == rejected


@given(st.permutations(range(5)))
def test_the_order_of_models_decides_nothing(order: list[int]) -> None:
    rng = np.random.default_rng(3)
    blocks = {
        f"net{i}": [
            BlockMedians((1e7, 1e7), tuple(1e7 * np.exp(0.01 * i + 0.01 * rng.normal(size=2))))
        ]
        for i in range(5)
    }
    for name in blocks:
        blocks[name] += [
            BlockMedians((1e7, 1e7), (1e7 * 1.001 * (1 + i / 99), 1e7)) for i in range(7)
        ]
    shuffled = {f"net{i}": blocks[f"net{i}"] for i in order}
    assert decision.judge(shuffled, 5, GatePolicy(), is_last=False) == decision.judge(
        blocks, 5, GatePolicy(), is_last=False
    )
