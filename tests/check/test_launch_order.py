"""The lines of a file are in the order of time, and no record contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.copied_launches import LaunchFile
from asymm_deploy.check.launch_order import refuse_contradictions, refuse_disorder
from asymm_deploy.errors import UsageError

FILE = Path("runs.jsonl")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
At = Callable[..., LaunchRecord]


@pytest.fixture
def at(good: LaunchRecord) -> At:
    """Make a launch that starts so many seconds after others and takes two."""

    def make(seconds: float, launch: int = 0, **changes: Any) -> LaunchRecord:
        started = (EPOCH + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
        known = {"launch": launch, "started_at": started, "process_ns": 2 * 10**9}
        samples = tuple(ns + int(1000 * seconds) for ns in good.samples_ns)
        return msgspec.structs.replace(good, **{"samples_ns": samples} | known | changes)

    return make


def test_a_bench_is_in_order(at: At) -> None:
    refuse_disorder(LaunchFile(FILE, [at(0), at(2, model="b"), at(4, 1), at(6, 1, model="b")]))
    refuse_disorder(LaunchFile(FILE, []))


def test_times_that_run_backwards_are_refused_and_both_launches_named(at: At) -> None:
    said = r"launch 0 of net \(runs.jsonl, line 1\) and launch 1 of net \(runs.jsonl, line 2\) star"
    with pytest.raises(UsageError, match=said + r".* times run backwards"):
        refuse_disorder(LaunchFile(FILE, [at(10), at(0, 1)]))
    with pytest.raises(UsageError, match="times run backwards"):
        refuse_disorder(LaunchFile(FILE, [at(10), at(0, 1, error="it hung", samples_ns=())]))


@pytest.mark.parametrize("known", [{}, {"process_ns": None, "wall_ns": 2 * 10**9}])
def test_launches_that_overlap_are_refused(at: At, known: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"the first took 2.* s: they overlap"):
        refuse_disorder(LaunchFile(FILE, [at(0, **known), at(1, 1)]))


@pytest.mark.parametrize("step", [0.0, 0.1, 0.4])
def test_a_clock_that_is_set_back_a_little_is_no_disorder(at: At, step: float) -> None:
    refuse_disorder(LaunchFile(FILE, [at(0), at(2 - step, 1), at(4 - step, 2)]))


def test_devices_that_run_side_by_side_may_overlap(at: At) -> None:
    refuse_disorder(
        LaunchFile(FILE, [at(1), at(0, device="there"), at(3, 1), at(2.5, 1, device="there")])
    )


def test_lines_that_bench_wrote_again_are_the_same_launch(at: At) -> None:
    hot = [verdicts.judged_with(at(2 * n, n), ("hot",)) for n in range(3)]
    allowed = [msgspec.structs.replace(r, allowed=("hot",), valid=True, exit_code=0) for r in hot]
    refuse_disorder(LaunchFile(FILE, [*hot, *allowed, at(6, 3), *hot]))


def test_a_launch_that_failed_or_was_hot_may_be_repeated_later(at: At) -> None:
    failed = at(2, 1, error="it hung", samples_ns=())
    refuse_disorder(LaunchFile(FILE, [at(0), failed, at(10, 1), at(12, 2)]))
    refuse_disorder(LaunchFile(FILE, [at(0), at(2, 1), at(4, 2), at(10, 1)]))


@pytest.mark.parametrize("numbers", [(1, 0), (0, 2, 1), (2, 0, 1)])
def test_launches_that_were_renumbered_are_refused(at: At, numbers: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="bench takes them by number"):
        refuse_disorder(LaunchFile(FILE, [at(3 * i, number) for i, number in enumerate(numbers)]))


@pytest.mark.parametrize(
    "changes",
    [{"attempt": 1}, {"plan_id": "b"}, {"model": "b"}, {"artifact_sha256": "b"}, {"threads": 2}],
    ids=str,
)
def test_every_row_begins_with_its_own_first_number(at: At, changes: dict[str, Any]) -> None:
    refuse_disorder(LaunchFile(FILE, [at(0), at(3, 1), at(6, 0, **changes), at(9, 1, **changes)]))


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00", "1" * 99])
def test_a_start_that_is_no_time_is_refused(at: At, text: str) -> None:
    with pytest.raises(UsageError, match=r"line 1.* no time with a zone") as refused:
        refuse_disorder(LaunchFile(FILE, [at(0, started_at=text)]))
    assert len(refused.value.what) < 150


def test_a_start_that_is_yet_to_come_is_refused(at: At) -> None:
    now = datetime.now(UTC)
    refuse_disorder(LaunchFile(FILE, [at(0, started_at=(now + timedelta(minutes=50)).isoformat())]))
    with pytest.raises(UsageError, match="which is yet to come"):
        refuse_disorder(
            LaunchFile(FILE, [at(0, started_at=(now + timedelta(minutes=70)).isoformat())])
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"valid": False},
            "no flags, which go with valid true and exit_code 0, not with false and",
        ),
        ({"exit_code": 4}, "not with true and 4"),
        ({"flags": ("wrong-core",)}, "the flags wrong-core, which go with valid false and exit_c"),
        ({"flags": ("hot",), "valid": False, "exit_code": 3}, "exit_code 4, not with false and 3"),
        (
            {"flags": ("failed",), "valid": False, "exit_code": 3},
            "flagged failed, and has no error",
        ),
        ({"error": "it hung"}, "say that it did not"),
        ({"error": "it hung", "flags": ("failed",), "valid": False}, "say that it did not"),
        ({"error": "it hung", "flags": ("failed",), "exit_code": 3}, "say that it did not"),
        ({"launch": 3}, "none of the 3 that were planned"),
        ({"launch": -1}, "none of the 3 that were planned"),
        ({"written_by": "check"}, "holds the launches of a check"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    at: At, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        refuse_contradictions([at(0), at(2, **changes)], FILE)


@pytest.mark.parametrize(
    "changes",
    [
        {"written_by": "bench"},
        {"flags": ("hot",), "valid": False, "exit_code": 4},
        {"flags": ("hot",), "allowed": ("hot",)},
        {"flags": ("unpinned", "tolerance-raised")},
        {"error": "no", "flags": ("failed",), "valid": False, "exit_code": 6, "samples_ns": ()},
    ],
    ids=str,
)
def test_what_bench_writes_agrees_with_itself(at: At, changes: dict[str, Any]) -> None:
    refuse_contradictions([at(0, **changes)], FILE)
