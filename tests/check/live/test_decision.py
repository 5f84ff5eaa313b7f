"""The rule: intervals, Holm's shares of the risk, and the verdict of a look."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from asymm_deploy.bench.judge import log_interval
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
        around = log_interval.interval([o[2:].mean() - o[:2].mean() for o in offs], risk)
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
    around = log_interval.interval(values, risk)
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


HOLM = [
    # two that stand: the first one's bound is the second one's, too
    ({"a": 0.03, "b": 0.04}, {}, 2, {"a": 0.025, "b": 0.025}),
    ({"a": 0.001, "b": 0.002, "c": 0.003}, {}, 3, {"a": 0.05 / 3, "b": 0.025, "c": 0.05}),
    ({"a": 0.01, "b": 0.04, "c": 0.03}, {}, 3, {"a": 0.05 / 3, "b": 0.025, "c": 0.025}),
    ({"a": 0.04, "b": 0.001, "c": 0.03}, {}, 3, {"a": 0.025, "b": 0.05 / 3, "c": 0.025}),
    # ties are alike, rejected or not
    ({"a": 0.02, "b": 0.02}, {}, 2, {"a": 0.025, "b": 0.05}),
    ({"a": 0.03, "b": 0.03, "c": 0.03}, {}, 3, dict.fromkeys("abc", 0.05 / 3)),
    # at the very bound it is rejected, beyond it not
    ({"a": 0.025, "b": 0.04}, {}, 2, {"a": 0.025, "b": 0.05}),
    ({"a": 0.0251, "b": 0.04}, {}, 2, {"a": 0.025, "b": 0.025}),
    # models that were decided before still share the risk
    ({"a": 0.01}, {}, 4, {"a": 0.0125}),
    ({"a": 0.013, "b": 0.001}, {}, 4, {"a": 0.05 / 3, "b": 0.0125}),
    # each is judged relative to its own risk
    ({"a": 0.004, "b": 0.003}, {"a": 0.025, "b": 0.005}, 2, {"a": 0.0125, "b": 0.005}),
]


@pytest.mark.parametrize(("chances", "risks", "family", "drawn"), HOLM, ids=str)
def test_holm_steps_down_and_stops_at_the_first_that_stands(
    chances: dict[str, float], risks: dict[str, float], family: int, drawn: dict[str, float]
) -> None:
    found = decision.holm(chances, risks or dict.fromkeys(chances, 0.05), family)
    assert {name: found[name] for name in drawn} == pytest.approx(drawn)
    assert found.keys() == chances.keys()


@given(st.permutations(["a", "b", "c", "d"]))
def test_holm_minds_no_order(order: list[str]) -> None:
    chances = {"a": 0.04, "b": 0.001, "c": 0.045, "d": 0.0125}
    risks = dict.fromkeys(chances, 0.05)
    shuffled = {name: chances[name] for name in order}
    assert decision.holm(shuffled, risks, 4) == decision.holm(chances, risks, 4)


def alike(difference: float, blocks: int = 8, baseline_ms: float = 10.0) -> list[BlockMedians]:
    """Blocks without any noise."""
    ns = 1e6 * baseline_ms
    return [BlockMedians((ns, ns), (ns * math.exp(difference),) * 2)] * blocks


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (math.log(1.03) + 1e-6, "regressed"),
        (math.log(1.03) - 1e-6, "pass"),
        (-math.log(1.03) + 1e-6, "pass"),
        (-math.log(1.03) - 1e-6, "improved"),
    ],
)
def test_a_look_decides_just_beyond_the_threshold_and_not_just_within(
    difference: float, verdict: str
) -> None:
    found = decision.judge({"net": alike(difference)}, 1, GatePolicy(), is_last=False)["net"]
    assert found.verdict == verdict
    assert found.threshold == 0.03


@pytest.mark.parametrize(
    ("low", "estimate", "high", "verdict"),
    [
        (0.001, 0.031, 0.08, "regressed"),
        (-0.001, 0.031, 0.08, None),  # may be chance
        (0.001, 0.029, 0.08, None),  # slower, by less than the threshold perhaps
        (-0.08, -0.031, -0.001, "improved"),
        (-0.08, -0.031, 0.001, "pass"),  # below the threshold in any case
        (-0.08, -0.029, -0.001, "pass"),
        (-0.08, 0.0, 0.0299, "pass"),
        (-0.08, 0.0, 0.0301, None),
    ],
)
def test_a_verdict_takes_the_interval_and_the_estimate(
    low: float, estimate: float, high: float, verdict: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = log_interval.Interval(estimate, low, high)
    monkeypatch.setattr(log_interval, "interval", lambda differences, risk: around)
    blocks = {"net": alike(0.0)}
    policy = GatePolicy(thresholds={"latency": 100 * math.expm1(0.03)})
    assert decision.judge(blocks, 1, policy, is_last=False)["net"].verdict == verdict
    last = decision.judge(blocks, 1, policy, is_last=True)["net"]
    assert last.verdict == (verdict or "inconclusive")
    assert last.interval is around


def test_a_look_spends_its_part_of_the_risk_and_the_last_one_what_it_would_have() -> None:
    rng = np.random.default_rng(1)
    blocks = [
        BlockMedians((1e7, 1e7), (1e7 * float(np.exp(0.1 * rng.normal())),) * 2) for _ in range(17)
    ]
    differences = [block.difference for block in blocks]
    for number, risk in ((8, 0.025), (10, 0.025 / 6), (16, 0.025 / 6)):
        (found,) = decision.judge({"n": blocks[:number]}, 1, GatePolicy(), is_last=False).values()
        assert found.interval == log_interval.interval(differences[:number], risk)
    last = decision.judge({"n": blocks}, 1, GatePolicy(), is_last=True)["n"]
    assert last.interval == log_interval.interval(differences, 0.025 / 6)
    shared = decision.judge({"n": blocks}, 5, GatePolicy(), is_last=True)["n"]
    assert shared.interval == log_interval.interval(differences, 0.025 / 6 / 5)


def test_a_blocks_difference_is_that_of_geometric_means() -> None:
    assert BlockMedians((1e6, 4e6), (3e6, 3e6)).difference == pytest.approx(math.log(1.5))


def test_the_threshold_is_that_of_the_baselines_geometric_mean() -> None:
    blocks = [BlockMedians((1e5, 1e5), (9e9, 9e9)), BlockMedians((1e5, 16e5), (9e9, 9e9))]
    assert decision.threshold(blocks, GatePolicy()) == pytest.approx(0.1)  # 20 us of 200


def test_without_any_spread_a_growth_is_certain_and_no_growth_is_not() -> None:
    assert decision.chance_of_no_growth([0.5, 0.5]) == 0.0
    assert decision.chance_of_no_growth([0.0, 0.0]) == 1.0
    assert decision.chance_of_no_growth([-0.5, -0.5]) == 1.0
