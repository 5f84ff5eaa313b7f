"""Two processes never take the same times: copies are refused, whatever was changed about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.copied_launches import (
    FoundLaunch,
    LaunchFile,
    refuse_copied,
    refuse_nearly_copied,
    refuse_shared,
)
from asymm_deploy.errors import UsageError

OLD, NEW = Path("old/runs.jsonl"), Path("new/runs.jsonl")
Launches = Callable[..., list[LaunchRecord]]


@pytest.fixture
def launches(good: LaunchRecord) -> Launches:
    """Make launches whose runs differ by 1 % on a clock of so many ns."""

    def make(count: int = 10, runs: int = 20, seed: int = 0, tick: float = 1) -> list[LaunchRecord]:
        rng = np.random.default_rng(seed)
        ticks = np.round(1e7 * (1 + 0.01 * rng.normal(size=(count, runs))) / tick)
        return [
            msgspec.structs.replace(
                good, launch=number, runs=runs, samples_ns=tuple(int(t * tick) for t in of_one)
            )
            for number, of_one in enumerate(ticks)
        ]

    return make


def edited(record: LaunchRecord, **changes: Any) -> LaunchRecord:
    return msgspec.structs.replace(record, **changes)


def found(records: Sequence[LaunchRecord], path: Path = OLD) -> list[FoundLaunch]:
    return [FoundLaunch(path, line, record) for line, record in enumerate(records, start=1)]


@pytest.mark.parametrize(
    "changes",
    [
        {"launch": 12},
        {"started_at": "2026-01-02T00:00:00+00:00"},
        {"plan_id": "other"},
        {"attempt": 3},
        {"model": "other"},
        {"artifact_sha256": "f" * 64},
        {"device": "there"},
        {"output_sha256": "c" * 64, "init_ns": 5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_copy_is_refused_and_both_are_named_whatever_else_was_changed(
    launches: Launches, changes: dict[str, Any]
) -> None:
    honest = launches()
    copy = edited(honest[3], **changes)
    said = rf"launch 3 of net \(old/runs.jsonl, line 4\) and launch {copy.launch} of {copy.model} "
    with pytest.raises(UsageError, match=said + r"\(old/runs.jsonl, line 11\) have the same 20 sa"):
        refuse_copied([LaunchFile(OLD, [*honest, copy])])
    with pytest.raises(UsageError, match=said + r"\(new/runs.jsonl, line 1\)"):
        refuse_copied([LaunchFile(OLD, honest), LaunchFile(NEW, [copy])])


@pytest.mark.parametrize(("runs", "copies"), [(5, 20), (20, 2), (100, 20)])
def test_one_launch_copied_into_many_is_refused(launches: Launches, runs: int, copies: int) -> None:
    (one,) = launches(count=1, runs=runs)
    with pytest.raises(UsageError, match="copy of the other"):
        refuse_copied([LaunchFile(OLD, [edited(one, launch=i) for i in range(copies)])])


def test_the_same_launch_may_stand_in_several_lines_and_files(launches: Launches) -> None:
    honest = launches()
    again = [edited(r, flags=("hot",), allowed=("hot",)) for r in honest]
    spoilt = [edited(r, flags=("hot",), valid=False, exit_code=4) for r in honest]
    refuse_copied([LaunchFile(OLD, [*spoilt, *honest, *again]), LaunchFile(NEW, honest)])


def test_failed_launches_have_no_samples_to_compare(launches: Launches) -> None:
    failed = [edited(r, error="it hung", samples_ns=()) for r in launches()]
    refuse_copied([LaunchFile(OLD, failed)])


@pytest.mark.parametrize(
    ("runs", "tick"), [(1, 1), (1, 1e5), (2, 1e5), (3, 1e5), (5, 1e5), (2, 1e4)]
)
def test_few_runs_and_coarse_clocks_may_agree_by_chance(
    launches: Launches, runs: int, tick: float
) -> None:
    for seed in range(20):
        honest = launches(count=100 if runs > 1 else 400, runs=runs, tick=tick, seed=seed)
        refuse_copied([LaunchFile(OLD, honest)])
        refuse_nearly_copied(found(honest))
    same = [edited(r, samples_ns=(3000,) * 20, launch=i) for i, r in enumerate(honest)]
    refuse_copied([LaunchFile(OLD, same)])  # no variance at all is a flag, and no copy


def test_a_launch_in_use_on_both_sides_is_refused(launches: Launches) -> None:
    honest = launches()
    judged = edited(honest[2], flags=("hot",))
    said = r"launch 2 of net \(old/.*, line 3\) in the baseline is launch 2 of net \(new/.*, line 1"
    with pytest.raises(UsageError, match=said):
        refuse_shared({"the baseline": found(honest), "the candidate": found([judged], NEW)})
    refuse_shared({"the baseline": found(honest), "the candidate": found(launches(seed=1), NEW)})
    refuse_shared({"the baseline": [*found(honest), *found(honest)]})


def one_changed(samples: Sequence[int]) -> list[int]:
    return [samples[0] + 12345, *samples[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: [round(1.1 * ns) for ns in s], "but for a factor"),
        (lambda s: [int(0.97 * ns) for ns in s], "but for a factor"),
        (lambda s: [ns + 500_000 for ns in s], "a constant"),
        (lambda s: [round(1.05 * ns) - 20_000 for ns in s], "but for a factor"),
        (lambda s: s[::-1], "or their order"),
        (sorted, "or their order"),
        (lambda s: [*s[1:], s[0]], "or their order"),
        (one_changed, "share 19 of 20"),
        (lambda s: [*s[:10], *(ns + 777 * i for i, ns in enumerate(s[10:], 1))], "share 10 of 20"),
    ],
)
def test_a_copy_that_was_changed_is_refused(
    launches: Launches, change: Callable[[Sequence[int]], Sequence[int]], said: str
) -> None:
    honest = launches()
    copy = edited(honest[4], launch=0, samples_ns=tuple(change(list(honest[4].samples_ns))))
    others = launches(seed=1)[1:]
    with pytest.raises(UsageError, match=said) as refused:
        refuse_nearly_copied([*found(honest), *found([copy, *others], NEW)])
    assert "launch 4 of net (old/runs.jsonl, line 5)" in refused.value.what
    assert "launch 0 of net (new/runs.jsonl, line 1)" in refused.value.what


@pytest.mark.parametrize("tick", [1, 41, 1000])
@pytest.mark.parametrize("runs", [5, 20, 100])
def test_honest_launches_are_no_copies_even_if_all_warm_up_alike(
    launches: Launches, runs: int, tick: float
) -> None:
    ramp = np.linspace(3e6, 0, runs)
    for seed in range(5):
        honest = launches(count=20, runs=runs, tick=tick, seed=seed)
        refuse_nearly_copied(found(honest))
        warming = [
            edited(r, samples_ns=tuple(int((ns + more) // tick * tick) for ns, more in pairs))
            for r in honest
            for pairs in [list(zip(r.samples_ns, ramp, strict=True))]
        ]
        refuse_copied([LaunchFile(OLD, warming)])
        refuse_nearly_copied(found(warming))
