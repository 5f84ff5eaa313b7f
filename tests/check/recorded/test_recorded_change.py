"""Launches of two benches: a verdict on each metric, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.recorded.recorded_change import change_by_ranks
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import ExitCode

Compared = Callable[..., RecordedComparison]
Latency = Callable[..., Change]


Logs = npt.NDArray[np.float64]
Edit = Callable[[LaunchRecord], LaunchRecord]


@pytest.mark.parametrize(
    ("slower", "verdict"),
    [(0.0, "pass"), (0.01, "pass"), (0.06, "regressed"), (0.2, "regressed"), (-0.06, "improved")],
)
def test_ten_launches_a_side_tell_6_percent(
    latency: Latency, compared: Compared, folder: Callable[..., Path], slower: float, verdict: str
) -> None:
    change = latency(compared(folder("old"), folder("newer", slower=slower)))
    assert change.verdict == verdict
    assert change.change_percent == pytest.approx(100 * slower, abs=1.2)
    assert change.baseline == pytest.approx(10, rel=0.01)
    assert change.blocks == 10
    assert "p = " in change.why


def test_noise_is_inconclusive_and_no_pass(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(0)

    def noisy(record: LaunchRecord) -> LaunchRecord:
        ns = int(1e7 * (1 + 0.1 * rng.normal()))
        return msgspec.structs.replace(record, samples_ns=(ns, ns))

    change = latency(compared(folder("old", edit=noisy), folder("new", edit=noisy)))
    assert change.verdict == "inconclusive"
    assert change.why.endswith("launches differ too much to tell it from the 3 % allowed.")

    def slower(record: LaunchRecord) -> LaunchRecord:
        samples = tuple(int(1.06 * ns) for ns in noisy(record).samples_ns)
        return msgspec.structs.replace(record, samples_ns=samples)

    change = latency(compared(folder("old-too", edit=noisy), folder("after", edit=slower)))
    assert change.change_percent is not None
    assert change.change_percent > 3
    assert change.verdict == "inconclusive"


def test_the_threshold_is_20_us_for_a_tiny_model(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    def tiny(record: LaunchRecord) -> LaunchRecord:
        samples = tuple(ns // 100 for ns in record.samples_ns)
        return msgspec.structs.replace(record, samples_ns=samples, floor_madds=1000)

    a, b = folder("old", edit=tiny), folder("newer", edit=tiny, slower=0.1)
    change = latency(compared(a, b))
    assert change.verdict == "pass"
    assert change.threshold_percent == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"error": "it hung", "flags": ("failed",), "exit_code": 3}, ExitCode.HARNESS, "it hung"),
        ({"flags": ("output-mismatch",)}, ExitCode.NUMERICS, "the output differs from"),
    ],
)
def test_an_arm_that_failed_fails(
    latency: Latency,
    compared: Compared,
    folder: Callable[..., Path],
    fields: dict[str, Any],
    code: ExitCode,
    said: str,
) -> None:
    def broken(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, **fields) if record.launch == 9 else record

    change = latency(compared(folder("old"), folder("new", edit=broken)))
    assert (change.verdict, change.exit_code) == ("failed", code)
    assert "The candidate failed" in change.why
    assert said in change.why


def test_launches_of_two_speeds_are_unstable(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    def two(record: LaunchRecord) -> LaunchRecord:
        ns = int(1e7 * (1 + 0.1 * (record.launch % 2)) + record.launch)
        return msgspec.structs.replace(record, samples_ns=(ns, ns))

    change = latency(compared(folder("old"), folder("new", edit=two, launches=20)))
    assert change.verdict == "unstable"


@pytest.mark.parametrize("launches", [10, 12, 15, 20])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_two_speeds_are_unstable_at_any_number_of_launches(
    latency: Latency, compared: Compared, folder: Callable[..., Path], launches: int, share: float
) -> None:
    def two(record: LaunchRecord) -> LaunchRecord:
        slow = record.launch < share * launches
        ns = tuple(int(ns * (1.3 if slow else 1)) for ns in record.samples_ns)
        return msgspec.structs.replace(record, samples_ns=ns)

    old = folder("old", launches=launches)
    change = latency(compared(old, folder("new", launches=launches, edit=two)))
    assert change.verdict == "unstable"
    assert "two groups" in change.why


def test_init_time_that_is_undecided_passes_and_says_so(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(0)

    def noisy(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, init_ns=int(3e7 * np.exp(rng.normal())))

    found = compared(folder("old", edit=noisy), folder("new", edit=noisy))
    (init,) = [change for change in found.changes if change.metric == "init"]
    assert init.verdict == "pass"
    assert "Undecided, which is no alarm" in init.why


def test_counts_init_and_memory_are_compared_too(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    def heavier(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(
            record, params=6_000_000, init_ns=90_000_000 + record.launch, peak_memory_mb=60.1
        )

    found = {c.metric: c for c in compared(folder("old"), folder("new", edit=heavier)).changes}
    assert {metric: change.verdict for metric, change in found.items()} == {
        "latency": "pass",
        "madds": "pass",
        "params": "regressed",
        "init": "regressed",
        "peak_memory": "pass",
    }
    assert found["init"].baseline == pytest.approx(30)
    assert found["params"].change_percent == pytest.approx(20)


def overlapping(below: int) -> tuple[Logs, Logs]:
    """Ten values and ten more, of which a pair is the wrong way round ``below`` times."""
    lower = list(range(10))
    for _ in range(below):
        at = max(
            i for i in range(10) if lower[i] < 10 + i and (i == 9 or lower[i + 1] > lower[i] + 1)
        )
        lower[at] += 1
    upper = [rank for rank in range(20) if rank not in lower]
    return 1e-3 * np.array(lower), 1e-3 * np.array(upper)


@pytest.mark.parametrize(("below", "sure"), [(8, True), (9, False)])  # p = 0.0017 and 0.0022
def test_a_change_takes_a_chance_below_2_in_1000(below: int, *, sure: bool) -> None:
    low, high = overlapping(below)
    slower = change_by_ranks("net", "latency", low, high, 1e-6, 1.0)
    faster = change_by_ranks("net", "latency", high, low, 1e-6, 1.0)
    assert slower.verdict == ("regressed" if sure else "inconclusive")
    assert faster.verdict == ("improved" if sure else "pass")  # not slower, that much is certain


@pytest.mark.parametrize(("below", "verdict"), [(22, "pass"), (23, "inconclusive")])
def test_to_pass_takes_a_chance_below_2_in_100(below: int, verdict: str) -> None:
    low, high = overlapping(below)  # p = 0.0188 and 0.0226
    assert change_by_ranks("net", "latency", high, low, 1e-9, 1.0).verdict == verdict


@pytest.mark.parametrize(("step", "verdict"), [(1.0301, "regressed"), (1.0299, "pass")])
def test_a_certain_change_regresses_beyond_its_threshold(step: float, verdict: str) -> None:
    before = np.array([1e-6 * number for number in range(10)])
    after = before + np.float64(math.log(step))
    assert change_by_ranks("net", "latency", before, after, 0.03, 1.0).verdict == verdict
    back = change_by_ranks("net", "latency", after, before, 0.03, 1.0)
    assert back.verdict == ("improved" if verdict == "regressed" else "pass")


def test_values_are_medians_of_launches() -> None:
    before = np.log([1.0] * 6 + [50.0] * 4) + 1e-9 * np.arange(10)
    after = np.log([1.0] * 3 + [2.0] * 6 + [90.0] * 2) + 1e-9 * np.arange(11)
    change = change_by_ranks("net", "init", before, after, 0.25, 0.5)
    assert change.baseline == pytest.approx(2)
    assert change.candidate == pytest.approx(4)
    assert change.change_percent == pytest.approx(100)
    assert change.threshold_percent == 25
    assert (change.unit, change.blocks) == ("ms", 10)


def test_counts_are_those_of_the_last_launch_that_counts(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    def growing(record: LaunchRecord) -> LaunchRecord:
        spoilt = ("stolen-time",) if record.launch == 11 else ()
        return msgspec.structs.replace(record, params=1000 + record.launch, flags=spoilt)

    found = compared(folder("old", launches=12), folder("new", launches=12, edit=growing))
    (params,) = [change for change in found.changes if change.metric == "params"]
    assert (params.baseline, params.candidate) == (5_000_000, 1010)


def test_memory_and_loads_that_too_few_launches_tell_are_left_out(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    def untold(record: LaunchRecord) -> LaunchRecord:
        if record.launch != 3:
            return record
        return msgspec.structs.replace(record, init_ns=None, peak_memory_mb=None)

    new = compared(folder("old"), folder("new", edit=untold))
    assert {change.metric for change in new.changes} == {"latency", "madds", "params"}
    more = compared(folder("old"), folder("more", launches=11, edit=untold))
    assert {"init", "peak_memory"} <= {change.metric for change in more.changes}
