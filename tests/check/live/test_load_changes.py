"""Time to load and memory are judged from the launches, and undecided they pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.judge import log_interval
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change, LoadMetric
from asymm_deploy.check.live.block_taker import SeriesLaunches
from asymm_deploy.check.live.load_changes import LOAD_RISK, load_changes, untold_loads
from asymm_deploy.check.policy import DEFAULT_PERCENT

Arms = tuple[Sequence[LaunchRecord], Sequence[LaunchRecord]]


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


def changes(metric: LoadMetric, *series: Arms, of_one_block: int = 2) -> list[Change]:
    made = [SeriesLaunches(tuple(before), tuple(after), of_one_block) for before, after in series]
    return load_changes(metric, {"net": made}, DEFAULT_PERCENT)


def judged(metric: LoadMetric, *series: Arms) -> Change:
    (change,) = changes(metric, *series)
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
    def series(after_ms: float, blocks: int = 8) -> Arms:
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
    alone: tuple[Arms, ...] = (series(45, blocks=3),)
    assert changes("init", *alone) == []


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


def test_memory_is_judged_too_where_it_is_known(good: LaunchRecord) -> None:
    before, after = launches(good, 30, 0.1, 1), launches(good, 30, 0.1, 2, memory=70.0)
    change = judged("peak_memory", (before, after))
    assert (change.verdict, change.unit) == ("regressed", "MiB")
    assert change.change_percent == pytest.approx(100 / 6)
    for memory in (None, 0.0):
        unknown = launches(good, 30, 0.1, 1, memory=memory)
        assert changes("peak_memory", (unknown, after)) == []


@pytest.mark.parametrize("untold", [{"init_ns": 0}, {"init_ns": None}])
def test_a_metric_that_one_launch_does_not_tell_is_named(
    good: LaunchRecord, untold: dict[str, int | None]
) -> None:
    before = launches(good, 30, 0.1, 1)
    after = launches(good, 30, 0.1, 2, memory=None)
    before[3] = msgspec.structs.replace(before[3], **untold)
    whole = SeriesLaunches(tuple(before[4:]), tuple(before[4:]), 2)
    part = SeriesLaunches(tuple(before), tuple(after), 2)
    assert untold_loads({"a": [whole], "b": [part], "c": [whole, part]}) == (
        "Load time was not compared, as the runner did not tell it in every launch: b, c.",
        "Peak memory was not compared, as the runner did not tell it in every launch: b, c.",
    )
    assert untold_loads({"a": [whole]}) == ()


def of_blocks(good: LaunchRecord, *blocks: tuple[float, float]) -> list[LaunchRecord]:
    """Launches that took so many ms to load, two per block."""
    return [
        msgspec.structs.replace(good, init_ns=round(1e6 * ms), peak_memory_mb=ms)
        for block in blocks
        for ms in block
    ]


def grown(good: LaunchRecord, *logs: float) -> Arms:
    """Blocks of 30 ms, and of as much more as the logs say."""
    return (
        of_blocks(good, *[(30, 30)] * len(logs)),
        of_blocks(good, *[(30 * math.exp(log),) * 2 for log in logs]),
    )


@pytest.mark.parametrize("metric", ["init", "peak_memory"])
def test_values_are_geometric_means_of_launches_and_blocks(
    good: LaunchRecord, metric: LoadMetric
) -> None:
    before = of_blocks(good, *[(100, 900)] * 7, (400, 3600))
    after = of_blocks(good, *[(200, 1800)] * 7, (800, 7200))
    change = judged(metric, (before, after))
    mean = math.exp((7 * math.log(300) + math.log(1200)) / 8)
    assert change.baseline == pytest.approx(mean)
    assert change.candidate == pytest.approx(2 * mean)
    assert change.change_percent == pytest.approx(100)
    assert change.threshold_percent == {"init": 25, "peak_memory": 10}[metric]
    assert (change.verdict, change.blocks) == ("regressed", 8)


def test_of_two_series_the_confirming_one_is_shown(good: LaunchRecord) -> None:
    first, second = grown(good, *[math.log(1.5)] * 8), grown(good, *[math.log(1.4)] * 9)
    change = judged("init", first, second)
    assert change.change_percent == pytest.approx(40)
    assert (change.verdict, change.blocks) == ("regressed", 9)
    assert judged("init", second, first).change_percent == pytest.approx(50)


@pytest.mark.parametrize(
    ("growth", "verdict"),
    [(1.2501, "regressed"), (1.2499, "pass"), (1 / 1.2499, "pass"), (1 / 1.2501, "improved")],
)
def test_a_load_may_change_by_a_quarter(good: LaunchRecord, growth: float, verdict: str) -> None:
    change = judged("init", grown(good, *[math.log(growth)] * 8))
    assert change.verdict == verdict
    assert "Undecided" not in change.why


def test_eight_blocks_tell_and_seven_do_not(good: LaunchRecord) -> None:
    assert judged("init", grown(good, *[1.0] * 8)).blocks == 8
    assert changes("init", grown(good, *[1.0] * 7)) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_both_tests_have_to_be_sure(good: LaunchRecord, sign: int) -> None:
    sure = {1: "regressed", -1: "improved"}[sign]
    clear = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97]
    ranks_doubt = [*clear[:7], -0.01]  # Wilcoxon's p is 2 of 256
    interval_doubts = [0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 3.0]
    for logs, verdict in ((clear, sure), (ranks_doubt, "pass"), (interval_doubts, "pass")):
        change = judged("init", grown(good, *[sign * log for log in logs]))
        assert change.verdict == verdict
        assert ("launches differ too much" in change.why) == (verdict == "pass" and sign == 1)


def test_models_share_the_risk(good: LaunchRecord) -> None:
    logs = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    before, after = grown(good, *logs)
    arms = SeriesLaunches(tuple(before), tuple(after), 2)
    around = log_interval.interval(logs, LOAD_RISK / 4)
    found = load_changes("init", {name: [arms] for name in "abcd"}, DEFAULT_PERCENT)
    assert [change.model for change in found] == ["a", "b", "c", "d"]
    for change in found:
        shown = (change.change_percent, change.low_percent, change.high_percent)
        assert shown == pytest.approx(around.percent, rel=1e-6)


def test_a_growth_that_one_of_two_series_shows_is_said(good: LaunchRecord) -> None:
    slower, same = grown(good, *[math.log(1.5)] * 8), grown(good, *[0.0] * 8)
    for series in ((slower, same), (same, slower)):
        change = judged("init", *series)
        assert change.verdict == "pass"
        assert "only one of two series shows more. Undecided" in change.why
    assert judged("init", grown(good, *[-1.0] * 8), same).why.endswith("is allowed.")


def test_one_launch_that_does_not_tell_leaves_the_model_out(good: LaunchRecord) -> None:
    before, after = grown(good, *[1.0] * 8)
    after = [*after[:-1], msgspec.structs.replace(after[-1], init_ns=None)]
    assert changes("init", (before, after)) == []
    assert judged("peak_memory", (before, after)).verdict == "regressed"


def test_short_launches_of_paired_models_are_blocks_of_one_of_each_arm(good: LaunchRecord) -> None:
    before, after = grown(good, *[math.log(1.5)] * 8)
    (change,) = changes("init", (before[::2], after[::2]), of_one_block=1)
    assert (change.verdict, change.blocks) == ("regressed", 8)
    assert changes("init", (before[:14:2], after[:14:2]), of_one_block=1) == []
