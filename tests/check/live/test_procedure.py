"""False alarms and misses stay below what is promised, whatever the noise; who is timed next."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from asymm_deploy.check.live.decision import BlockMedians
from asymm_deploy.check.live.procedure import (
    BlockLost,
    BlockPlace,
    GateOutcome,
    ModelStopped,
    SeriesProgress,
    SeriesSettled,
    decide_by_blocks,
)
from asymm_deploy.check.modes import has_two_modes
from asymm_deploy.check.policy import ALPHA, GatePolicy
from asymm_deploy.errors import ExitCode

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


QUIET = [name for name in NOISES if name != "normal, 10 %"]


def simulated(
    noise: str, slower: float, comparisons: int, models: int = 1, policy: GatePolicy | None = None
) -> list[GateOutcome]:
    """Return the outcome of the last of the models, which alone is ``slower``, in each."""
    rng = np.random.default_rng([len(noise), round(1000 * slower), models])
    names = [f"net{number}" for number in range(models)]

    def take(place: BlockPlace) -> BlockMedians:
        off = np.exp(NOISES[noise](rng))
        factor = 1 + slower if place.model == names[-1] else 1.0
        return BlockMedians(tuple(1e7 * off[:2]), tuple(1e7 * factor * off[2:]))

    found = []
    for _ in range(comparisons):
        outcomes = decide_by_blocks(names, policy or GatePolicy(), take)
        others = [outcomes[name].verdict for name in names[:-1]]
        assert "regressed" not in others
        found.append(outcomes[names[-1]])
    return found


@pytest.mark.parametrize("noise", NOISES)
def test_the_same_model_is_never_called_slower(noise: str) -> None:
    verdicts = Counter(outcome.verdict for outcome in simulated(noise, 0.0, 300))
    assert verdicts["regressed"] == 0
    assert verdicts["improved"] <= 300 * ALPHA


@pytest.mark.parametrize("noise", NOISES)
def test_the_first_series_alone_would_raise_no_more_than_promised(noise: str) -> None:
    raised = [outcome for outcome in simulated(noise, 0.0, 300) if outcome.first is not None]
    assert len(raised) <= 300 * ALPHA


@pytest.mark.parametrize("noise", QUIET)
def test_5_percent_slower_is_seen(noise: str) -> None:
    verdicts = Counter(outcome.verdict for outcome in simulated(noise, 0.05, 200))
    assert verdicts["regressed"] >= 0.95 * 200
    assert verdicts["pass"] == 0


@pytest.mark.parametrize("noise", NOISES)
def test_10_percent_slower_never_passes(noise: str) -> None:
    verdicts = Counter(outcome.verdict for outcome in simulated(noise, 0.10, 200))
    assert verdicts["pass"] == verdicts["improved"] == 0
    if noise in QUIET:
        assert verdicts["regressed"] >= 0.98 * 200


def test_among_ten_models_the_one_that_is_slower_is_found_and_no_other() -> None:
    verdicts = Counter(o.verdict for o in simulated("normal, 1 %", 0.05, 60, models=10))
    assert verdicts["regressed"] == 60


def test_what_is_too_noisy_is_inconclusive_rather_than_wrong() -> None:
    verdicts = Counter(outcome.verdict for outcome in simulated("normal, 10 %", 0.05, 200))
    assert verdicts["inconclusive"] > 150
    assert verdicts["pass"] <= 200 * ALPHA


@pytest.mark.parametrize(
    ("baseline_ms", "slower", "verdict"),
    [
        (10.0, 0.05, "regressed"),
        (10.0, 0.02, "pass"),
        (10.0, -0.05, "improved"),
        (10.0, -0.02, "pass"),
        (0.1, 0.15, "pass"),  # 15 us of 100
        (0.1, 0.25, "regressed"),  # 25 us
    ],
)
def test_without_noise_the_threshold_decides(
    baseline_ms: float, slower: float, verdict: str
) -> None:
    ns = 1e6 * baseline_ms

    def take(place: BlockPlace) -> BlockMedians:
        return BlockMedians((ns, ns), (ns * (1 + slower), ns * (1 + slower)))

    outcome = decide_by_blocks(["net"], GatePolicy(), take)["net"]
    assert outcome.verdict == verdict
    assert len(outcome.blocks) == 8
    assert outcome.judgement is not None
    assert outcome.judgement.interval.percent[0] == pytest.approx(100 * slower)


def test_a_regression_that_fresh_blocks_do_not_show_is_none() -> None:
    def take(place: BlockPlace) -> BlockMedians:
        slow = 1.1 if place.series == 0 else 1.0
        return BlockMedians((1e7, 1e7), (slow * 1e7, slow * 1e7))

    outcome = decide_by_blocks(["net"], GatePolicy(), take)["net"]
    assert outcome.verdict == "pass"
    assert outcome.first is not None
    assert outcome.first.verdict == "regressed"


def test_the_confirming_blocks_alone_are_the_result() -> None:
    def take(place: BlockPlace) -> BlockMedians:
        slow = 1.2 if place.series == 0 else 1.1
        return BlockMedians((1e7, 1e7), (slow * 1e7, slow * 1e7))

    outcome = decide_by_blocks(["net"], GatePolicy(), take)["net"]
    assert outcome.verdict == "regressed"
    assert outcome.judgement is not None
    assert outcome.judgement.interval.percent[0] == pytest.approx(10)


def test_models_take_turns_and_leave_when_they_are_decided() -> None:
    asked: list[BlockPlace] = []

    def take(place: BlockPlace) -> BlockMedians:
        asked.append(place)
        off = 1 + 0.1 * (place.block % 4 - 1.5) if place.model == "noisy" else 1.0
        return BlockMedians((1e7, 1e7), (off * 1e7, off * 1e7))

    outcomes = decide_by_blocks(["quiet", "noisy"], GatePolicy(), take)
    assert [place.model for place in asked[:4]] == ["quiet", "noisy", "quiet", "noisy"]
    assert len(outcomes["quiet"].blocks) == 8
    assert outcomes["quiet"].verdict == "pass"
    assert len(outcomes["noisy"].blocks) == 20


def test_two_speeds_of_the_launches_are_unstable() -> None:
    rng = np.random.default_rng(1)

    def take(place: BlockPlace) -> BlockMedians:
        off = np.exp(0.005 * rng.normal(size=4) + 0.1 * rng.integers(2, size=4))
        return BlockMedians(tuple(1e7 * off[:2]), tuple(1e7 * off[2:]))

    assert decide_by_blocks(["net"], GatePolicy(), take)["net"].verdict == "unstable"


def test_a_speed_that_one_arm_falls_into_more_often_is_unstable_however_certain() -> None:
    rng = np.random.default_rng(3)

    def take(place: BlockPlace) -> BlockMedians:
        off = np.exp(0.003 * rng.normal(size=4))
        slow = 1.2 if place.block % 3 == 0 else 1.0  # a third of the candidate's launches, or half
        return BlockMedians(tuple(1e7 * off[:2]), (1e7 * off[2] * 1.2, 1e7 * off[3] * slow))

    outcome = decide_by_blocks(["net"], GatePolicy(), take)["net"]
    assert outcome.judgement is not None
    assert outcome.judgement.interval.low > 0
    assert outcome.verdict == "unstable"


def test_two_speeds_of_both_arms_leave_a_regression_standing() -> None:
    rng = np.random.default_rng(4)

    def take(place: BlockPlace) -> BlockMedians:
        off = np.exp(0.003 * rng.normal(size=4))
        one, other = (1.0, 1.2) if place.block % 2 else (1.2, 1.0)  # each arm is slow once a block
        both = tuple(1e7 * off * (one, other, other, one))
        return BlockMedians(both[:2], tuple(1.06 * ns for ns in both[2:]))

    outcome = decide_by_blocks(["net"], GatePolicy(), take)["net"]
    assert has_two_modes([ns for block in outcome.blocks for ns in block.baseline])
    assert outcome.verdict == "regressed"


def test_a_model_that_stops_does_not_stop_the_others() -> None:
    def take(place: BlockPlace) -> BlockMedians | ModelStopped:
        if place.model == "broken" and place.block == 3:
            return ModelStopped("failed", "it broke", ExitCode.HARNESS)
        return BlockMedians((1e7, 1e7), (1e7, 1e7))

    outcomes = decide_by_blocks(["broken", "net"], GatePolicy(), take)
    assert (outcomes["broken"].verdict, outcomes["net"].verdict) == ("failed", "pass")
    assert len(outcomes["broken"].blocks) == 3


def test_lost_blocks_are_made_up_for_by_others() -> None:
    def take(place: BlockPlace) -> BlockMedians | BlockLost:
        if place.model == "unlucky" and place.block in {0, 1, 5}:
            return BlockLost("spoilt")
        return BlockMedians((1e7, 1e7), (1.05e7, 1.05e7))

    outcomes = decide_by_blocks(["unlucky", "net"], GatePolicy(), take)
    assert {outcome.verdict for outcome in outcomes.values()} == {"regressed"}
    assert len(outcomes["unlucky"].blocks) == 8


def test_six_lost_blocks_in_a_row_are_unstable() -> None:
    def take(place: BlockPlace) -> BlockMedians | BlockLost:
        lost = place.block in {1, *range(4, 10)}
        return BlockLost(f"block {place.block}") if lost else BlockMedians((1,), (1,))

    outcome = decide_by_blocks(["net"], GatePolicy(), take)["net"]
    assert outcome.verdict == "unstable"
    assert len(outcome.blocks) == 3
    assert outcome.stopped is not None
    assert outcome.stopped.why == "block 9"


@pytest.mark.parametrize(("lost", "verdict"), [(3, "unstable"), (2, "pass")])
def test_too_many_lost_blocks_are_unstable(lost: int, verdict: str) -> None:
    def take(place: BlockPlace) -> BlockMedians | BlockLost:
        return (
            BlockLost("spoilt")
            if place.block in range(0, 2 * lost, 2)
            else BlockMedians((1e7,), (1e7,))
        )

    outcome = decide_by_blocks(["net"], GatePolicy(max_blocks=10), take)["net"]
    assert outcome.verdict == verdict


def test_the_last_look_comes_even_where_the_last_block_is_lost() -> None:
    def take(place: BlockPlace) -> BlockMedians | BlockLost:
        off = 1 + 0.1 * (place.block % 4 - 1.5)
        return BlockLost("spoilt") if place.block in {2, 19} else BlockMedians((1e7,), (1e7 * off,))

    outcome = decide_by_blocks(["net"], GatePolicy(), take)["net"]
    assert outcome.verdict == "inconclusive"
    assert len(outcome.blocks) == 18


def test_progress_counts_down_to_the_next_look() -> None:
    heard: list[SeriesProgress] = []

    def take(place: BlockPlace) -> BlockMedians:
        return BlockMedians((1e7, 1e7), (1.01e7, 1.01e7))

    decide_by_blocks(
        ["net"],
        GatePolicy(),
        take,
        lambda e: heard.append(e) if isinstance(e, SeriesProgress) else None,
    )
    assert [event.left for event in heard] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert heard[0].estimate == pytest.approx(math.log(1.01))


def test_progress_counts_down_to_each_look_and_to_the_end() -> None:
    heard: list[SeriesProgress | SeriesSettled] = []

    def take(place: BlockPlace) -> BlockMedians:
        off = 1 + 0.1 * (place.block % 4 - 1.5)
        return BlockMedians((1e7,), (1e7 * off,))

    decide_by_blocks(["net"], GatePolicy(max_blocks=13), take, heard.append)
    steps = [event for event in heard if isinstance(event, SeriesProgress)]
    assert [step.left for step in steps] == [7, 6, 5, 4, 3, 2, 1, 0, 1, 0, 1, 0, 0]
    assert [step.place.block for step in steps] == list(range(13))


def test_blocks_that_are_left_are_those_of_all_models_that_are_open() -> None:
    heard: list[int] = []

    def take(place: BlockPlace) -> BlockMedians | ModelStopped:
        if place.model == "broken" and place.block == 1:
            return ModelStopped("failed", "it broke", ExitCode.HARNESS)
        return BlockMedians((1e7,), (1e7,))

    def hear(event: SeriesProgress | SeriesSettled) -> None:
        if isinstance(event, SeriesProgress):
            heard.append(event.left)

    decide_by_blocks(["net", "broken"], GatePolicy(), take, hear)
    assert heard[:4] == [7 + 8, 7 + 7, 6 + 7, 6]


def test_the_end_of_each_series_is_told_with_its_outcome() -> None:
    settled: list[SeriesSettled] = []

    def take(place: BlockPlace) -> BlockMedians:
        return BlockMedians((1e7,), (1.1e7 if place.model == "slow" else 1e7,))

    def hear(event: SeriesProgress | SeriesSettled) -> None:
        if isinstance(event, SeriesSettled):
            settled.append(event)

    outcomes = decide_by_blocks(["slow", "net"], GatePolicy(), take, hear)
    told = [(event.model, event.series, event.outcome.verdict) for event in settled]
    assert told == [("slow", 0, "regressed"), ("net", 0, "pass"), ("slow", 1, "regressed")]
    assert outcomes["slow"].first == settled[0].outcome
    assert outcomes["net"] == settled[1].outcome
