"""A model that did not change takes the machine's own change away, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import UsageError

Compared = Callable[..., RecordedComparison]
Latency = Callable[..., Change]


def test_a_sentinel_takes_the_machines_own_change_away(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    folder("old")
    old = folder("old", model="steady")
    folder("new", slower=0.1)
    new = folder("new", slower=0.1, model="steady")
    assert latency(compared(old, new, models=("net",))).verdict == "regressed"
    found = compared(old, new, sentinel="steady")
    assert latency(found).verdict == "pass"
    assert "steady changed by +" in found.notes[0]
    assert {change.model for change in found.changes} == {"net"}


def test_a_sentinel_must_be_the_same_file(compared: Compared, folder: Callable[..., Path]) -> None:
    folder("old")
    old = folder("old", model="steady")
    folder("new")
    new = folder("new", model="steady", artifact_sha256="2" * 64)
    with pytest.raises(UsageError, match="--sentinel steady is not the same file"):
        compared(old, new, sentinel="steady")


def test_a_sentinel_needs_launches_that_count_and_one_speed(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    def spoilt(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, flags=("stolen-time",) if record.launch == 3 else ())

    def two(record: LaunchRecord) -> LaunchRecord:
        ns = int(1e7 * (1 + 0.1 * (record.launch % 2)) + record.launch)
        return msgspec.structs.replace(record, samples_ns=(ns, ns))

    folder("old")
    old = folder("old", model="steady")
    folder("new")
    few = folder("new", model="steady", edit=spoilt)
    with pytest.raises(UsageError, match="too few launches in the candidate that count: 9 of"):
        compared(old, few, sentinel="steady")
    folder("other", launches=20)
    mixed = folder("other", launches=20, model="steady", edit=two)
    with pytest.raises(UsageError, match="two groups in the candidate"):
        compared(old, mixed, sentinel="steady")


def test_what_a_sentinel_lost_is_reported_and_its_partners_left_out(
    latency: Latency,
    compared: Compared,
    folder: Callable[..., Path],
) -> None:
    def spoilt(record: LaunchRecord) -> LaunchRecord:
        return msgspec.structs.replace(record, flags=("stolen-time",) if record.launch == 3 else ())

    folder("old")
    old = folder("old", model="steady")
    folder("new", launches=11)
    new = folder("new", model="steady", edit=spoilt, launches=11)
    found = compared(old, new, sentinel="steady")
    assert [(d.model, d.block) for d in found.discarded] == [("steady", 3)]
    assert latency(found).verdict == "pass"
    assert latency(found).blocks == 10
    folder("short")
    short = folder("short", model="steady", edit=spoilt, launches=11)
    change = latency(compared(old, short, sentinel="steady"))
    assert change.verdict == "unstable"
    assert "Only 9 of the candidate's 10 launches count beside one of steady" in change.why


def test_a_noisy_sentinel_raises_no_false_alarms(
    latency: Latency, compared: Compared, folder: Callable[..., Path]
) -> None:
    """As sentinels should be: the machine is up to 10 % slower on the second day."""
    rng = np.random.default_rng(7)
    alarms = 0
    for number in range(150):
        day = rng.uniform(0, 0.1)
        sides = []
        for name, slower in ((f"old{number}", 0.0), (f"new{number}", day)):
            for model, spread in (("net", 0.005), ("steady", 0.03)):

                def noisy(
                    record: LaunchRecord, slower: float = slower, spread: float = spread
                ) -> LaunchRecord:
                    ns = int(1e7 * (1 + slower) * np.exp(spread * rng.normal()))
                    return msgspec.structs.replace(
                        record, samples_ns=(ns, ns), init_ns=None, peak_memory_mb=None
                    )

                sides.append(folder(name, model=model, edit=noisy))
        alarms += latency(compared(sides[0], sides[2], sentinel="steady")).verdict == "regressed"
    assert alarms <= 1


def test_a_sentinel_must_be_in_both(compared: Compared, folder: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="--sentinel steady has no launches that count"):
        compared(folder("old"), folder("new"), sentinel="steady")
