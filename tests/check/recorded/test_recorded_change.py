"""Launches of two benches: a verdict on each metric, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import ExitCode

Compared = Callable[..., RecordedComparison]
Latency = Callable[..., Change]


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

    def slower(record: LaunchRecord) -> LaunchRecord:
        samples = tuple(int(1.06 * ns) for ns in noisy(record).samples_ns)
        return msgspec.structs.replace(record, samples_ns=samples)

    change = latency(compared(folder("before", edit=noisy), folder("after", edit=slower)))
    assert change.change_percent is not None
    assert change.change_percent > 3
    assert change.verdict == "inconclusive"


def test_the_threshold_is_20_us_for_a_tiny_model(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    def tiny(record: LaunchRecord) -> LaunchRecord:
        samples = tuple(ns // 100 for ns in record.samples_ns)
        return msgspec.structs.replace(record, samples_ns=samples)

    a, b = folder("old", edit=tiny), folder("newer", edit=tiny, slower=0.1)
    change = latency(compared(a, b))
    assert change.verdict == "pass"
    assert change.threshold_percent == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"error": "it hung", "flags": ("failed",), "exit_code": 3}, ExitCode.HARNESS, "it hung"),
        ({"flags": ("output-mismatch",)}, ExitCode.NUMERICS, "the output is not"),
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
