"""Time to load and memory are judged from the launches, and undecided they pass."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.live.load_changes import LoadMetric, SeriesArms, load_changes
from asymm_deploy.check.policy import DEFAULT_PERCENT


def launches(
    good: LaunchRecord,
    init_ms: float,
    spread: float,
    seed: int,
    memory: float | None = 60.0,
    blocks: int = 8,
) -> list[LaunchRecord]:
    rng = np.random.default_rng(seed)
    return [
        msgspec.structs.replace(
            good, init_ns=int(1e6 * init_ms * np.exp(spread * rng.normal())), peak_memory_mb=memory
        )
        for _ in range(2 * blocks)
    ]


def judged(metric: LoadMetric, *series: SeriesArms) -> Change:
    (change,) = load_changes(metric, {"net": series}, DEFAULT_PERCENT)
    return change


@pytest.mark.parametrize(
    ("after_ms", "spread", "verdict"),
    [
        (30, 0.05, "pass"),
        (35, 0.05, "pass"),  # a sixth more, of a quarter
        (45, 0.05, "regressed"),
        (45, 0.15, "regressed"),
        (20, 0.05, "improved"),
    ],
)
def test_init_time_is_judged_from_the_launches(
    good: LaunchRecord, after_ms: float, spread: float, verdict: str
) -> None:
    change = judged("init", (launches(good, 30, spread, 1), launches(good, after_ms, spread, 2)))
    assert change.verdict == verdict
    assert change.blocks == 8
    assert change.low_percent is not None
    assert change.change_percent is not None
    assert change.low_percent < change.change_percent


def test_init_time_that_is_undecided_passes_and_says_so(good: LaunchRecord) -> None:
    change = judged("init", (launches(good, 30, 1.0, 1), launches(good, 45, 1.0, 2)))
    assert change.change_percent is not None
    assert change.change_percent > 25
    assert change.verdict == "pass"
    assert "Undecided, which is no alarm" in change.why


def test_a_few_slow_loads_are_no_regression(good: LaunchRecord) -> None:
    before, after = launches(good, 30, 0.02, 1), launches(good, 30, 0.02, 2)
    for number in (1, 6, 11):  # of three blocks
        after[number] = msgspec.structs.replace(after[number], init_ns=90_000_000)
    change = judged("init", (before, after))
    assert change.verdict == "pass"


def test_where_there_were_two_series_both_must_show_it(good: LaunchRecord) -> None:
    def series(after_ms: float, blocks: int = 8) -> SeriesArms:
        return (
            launches(good, 30, 0.05, 1, blocks=blocks),
            launches(good, after_ms, 0.05, 2, blocks=blocks),
        )

    assert judged("init", series(45), series(45)).verdict == "regressed"
    assert judged("init", series(20), series(20)).verdict == "improved"
    assert judged("init", series(30), series(45)).verdict == "pass"
    unconfirmed = judged("init", series(45), series(30))
    assert unconfirmed.verdict == "pass"
    assert judged("init", series(45), series(45, blocks=3)).verdict == "pass"
    assert judged("init", series(45), ([], [])).verdict == "pass"
    alone: tuple[SeriesArms, ...] = (series(45, blocks=3),)
    assert load_changes("init", {"net": alone}, DEFAULT_PERCENT) == []


@pytest.mark.parametrize("cold", ["baseline", "candidate", "both"])
@pytest.mark.parametrize("spread", [0.15, 0.3, 0.5])
def test_the_same_model_regresses_in_1_of_100_at_most(
    good: LaunchRecord, spread: float, cold: str
) -> None:
    rng = np.random.default_rng(int(100 * spread))
    verdicts = []
    for _ in range(1000):
        logs = np.log(30e6) + spread * rng.normal(size=(2, 16))
        logs[cold != "baseline", 0] += np.log(10)  # its first load, from a disk
        if cold == "both":
            logs[0, 0] += np.log(10)
        before, after = (
            [msgspec.structs.replace(good, init_ns=int(ns)) for ns in np.exp(arm)] for arm in logs
        )
        verdicts.append(judged("init", (before, after)).verdict)
    assert verdicts.count("regressed") <= 10
    assert set(verdicts) <= {"pass", "regressed", "improved"}


def test_a_load_half_as_long_again_is_seen_through_some_noise(good: LaunchRecord) -> None:
    found = [
        judged("init", (launches(good, 30, 0.1, seed), launches(good, 45, 0.1, 1000 + seed)))
        for seed in range(100)
    ]
    assert [change.verdict for change in found].count("regressed") >= 95


def test_memory_is_judged_too_and_nothing_is_said_of_what_is_unknown(good: LaunchRecord) -> None:
    before, after = launches(good, 30, 0.1, 1), launches(good, 30, 0.1, 2, memory=70.0)
    change = judged("peak_memory", (before, after))
    assert (change.verdict, change.unit) == ("regressed", "MiB")
    assert change.change_percent == pytest.approx(100 / 6)
    unknown = launches(good, 30, 0.1, 1, memory=None)
    assert load_changes("peak_memory", {"net": ((unknown, after),)}, DEFAULT_PERCENT) == []
