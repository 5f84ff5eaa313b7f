"""Ratios of paired launches: which launches count, by which clock, and with what interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.judge.pair_difference import has_cpu_times
from asymm_deploy.bench.judge.paired_ratio import paired_ratio, whole_pairs
from asymm_deploy.bench.judge.rows import alone, latest_rows
from asymm_deploy.bench.records import Calibration, LaunchRecord, PairedRuns, RecordPair
from asymm_deploy.errors import ExitCode

MakePair = Callable[..., RecordPair]
RUNS = 20


@pytest.fixture
def pair(good: LaunchRecord) -> MakePair:
    """Make a launch in which ``a`` takes ``slower`` times as long as ``b``; 10 ms of each turn."""

    def make(slower: float, number: int = 0, wall: float | None = None, **changes: Any) -> Any:
        def record(model: str, partner: str, factor: float, by_wall: float) -> LaunchRecord:
            first = model == "a"
            cpu = tuple(round(1e7 * factor) + 10 * i + number for i in range(RUNS))
            ns = tuple(round(1e7 * by_wall) + 10 * i + number for i in range(RUNS))
            paired = PairedRuns(
                partner_sha256="2" * 64 if first else "1" * 64,
                partner=partner,
                loaded_first=first,
                runs_first=first,
                cpu_ns=cpu,
                start_ns=tuple(30_000_000 * i + 15_000_000 * (not first) for i in range(RUNS)),
            )
            fields = {
                "model": model,
                "artifact_sha256": "1" * 64 if first else "2" * 64,
                "launch": number,
                "launches_planned": 8,
                "runs": RUNS,
                "samples_ns": ns,
                "floor_madds": None,
                "paired": paired,
                "started_at": f"2026-01-01T00:00:{number:02}+00:00",
            }
            return msgspec.structs.replace(good, **fields | changes)

        return record("a", "b", slower, wall or slower), record("b", "a", 1.0, 1.0)

    return make


def spoilt(pair: RecordPair, *flags: str, **changes: Any) -> RecordPair:
    """The first record of the launch with these flags."""
    one = msgspec.structs.replace(pair[0], flags=flags, valid=False, exit_code=4, **changes)
    return one, pair[1]


def test_the_interval_is_students_over_launches(pair: MakePair) -> None:
    found = paired_ratio([pair(1.01), pair(1.02, 1), pair(1.06, 2)])
    logs = [math.log(x) for x in (1.01, 1.02, 1.06)]
    mean = sum(logs) / 3
    error = math.sqrt(sum((x - mean) ** 2 for x in logs) / 2 / 3)
    t = 4.302652729911275  # of 2 degrees of freedom
    assert found.ratio == pytest.approx(math.exp(mean), rel=1e-5)
    assert found.low == pytest.approx(math.exp(mean - t * error), rel=1e-4)
    assert found.high == pytest.approx(math.exp(mean + t * error), rel=1e-4)
    assert (found.partner, found.launches, found.made, found.exit_code) == ("b", 3, 3, 0)


def test_a_single_launch_has_no_interval(pair: MakePair) -> None:
    found = paired_ratio([pair(1.2)])
    assert found.ratio == pytest.approx(1.2, rel=1e-5)
    assert (found.low, found.high) == (None, None)


def test_processor_time_is_taken_only_if_every_launch_knows_it(pair: MakePair) -> None:
    launches = [pair(1.2, number, wall=1.1) for number in range(3)]
    found = paired_ratio(launches)
    assert found.ratio == pytest.approx(1.2, rel=1e-5)
    assert found.by_wall == pytest.approx(1.1, rel=1e-5)
    one, other = launches[1]
    assert one.paired is not None
    launches[1] = (
        msgspec.structs.replace(one, paired=msgspec.structs.replace(one.paired, cpu_ns=None)),
        other,
    )
    found = paired_ratio(launches)
    assert found.ratio == pytest.approx(1.1, rel=1e-5)
    assert found.by_wall is None


def test_launches_that_are_spoilt_dont_count_and_a_minority_is_no_failure(pair: MakePair) -> None:
    launches = [pair(1.2, number) for number in range(4)]
    launches[2] = spoilt(pair(9.0, 2), "split-pairs")
    found = paired_ratio(launches)
    assert found.ratio == pytest.approx(1.2, rel=1e-5)
    assert (found.launches, found.made, found.flags) == (3, 4, ("split-pairs",))
    assert found.exit_code == ExitCode.OK
    for number in (0, 1):
        launches[number] = spoilt(pair(9.0, number), "split-pairs")
    assert paired_ratio(launches).exit_code == ExitCode.UNSTABLE


@pytest.mark.parametrize(
    ("flag", "code"),
    [("output-mismatch", ExitCode.NUMERICS), ("wrong-core", ExitCode.HARNESS)],
)
def test_what_is_more_than_noise_always_fails(pair: MakePair, flag: str, code: ExitCode) -> None:
    launches = [pair(1.2, number) for number in range(7)]
    assert paired_ratio([*launches, spoilt(pair(1.2, 7), flag)]).exit_code == code


def test_launches_that_repeat_each_other_give_no_ratio(pair: MakePair) -> None:
    one = pair(1.2)
    again = tuple(msgspec.structs.replace(record, launch=1) for record in one)
    found = paired_ratio([one, again])  # type: ignore[list-item]
    assert (found.ratio, found.flags) == (None, ("repeated-samples",))
    assert found.exit_code == ExitCode.HARNESS


def test_the_floor_is_that_of_the_best_calibration(pair: MakePair) -> None:
    """A busy core's own calibration may be slower than its fastest runs."""
    floor = {"floor_madds": 300_000_000}
    slow = {**floor, "calibration": Calibration(1e10, 1e10), "flags": ("below-floor",)}
    launches = [pair(1.2, 0, **floor), pair(1.2, 1, **slow, valid=False, exit_code=3)]
    found = paired_ratio(launches)
    assert (found.launches, found.flags, found.exit_code) == (2, (), 0)
    found = paired_ratio([launches[1]])
    assert (found.ratio, found.flags, found.exit_code) == (None, ("below-floor",), 3)


def test_few_runs_that_are_far_apart_are_no_coarse_clock(pair: MakePair) -> None:
    def with_cpu(cpu_ns: Sequence[int]) -> LaunchRecord:
        one, _ = pair(1.0)
        assert one.paired is not None
        paired = msgspec.structs.replace(one.paired, cpu_ns=tuple(cpu_ns))
        return msgspec.structs.replace(one, paired=paired)

    fine = [10_000_000 + 100_003 * i for i in (0, 3, 5, 11, 17, 26, 30, 44, 51, 60)]
    fine[1] += 1
    assert has_cpu_times(with_cpu(fine))
    coarse = [10_000_000, 11_000_000, 10_000_000, 12_000_000, 15_000_000]
    assert not has_cpu_times(with_cpu(coarse))


def test_half_a_launch_is_none_and_a_later_line_replaces_an_earlier_one(pair: MakePair) -> None:
    first, second, third = pair(1.1), pair(1.1, 1), pair(1.1, 2)
    later = tuple(msgspec.structs.replace(x, started_at="2026-01-02T00:00:00+00:00") for x in first)
    judged = tuple(msgspec.structs.replace(x, allowed=("hot",)) for x in second)
    lines = [*first, *second, third[0], *later, *judged]
    found = [one for one in whole_pairs(lines) if one[0].model == "a"]
    assert found == [later, judged]
    # A kill between the two lines of a launch that was made again.
    found = [one for one in whole_pairs([*first, *second, later[0]]) if one[0].model == "a"]
    assert found == [second]


def test_what_a_file_says_of_itself_is_not_believed(pair: MakePair, good: LaunchRecord) -> None:
    def stopped(number: int) -> RecordPair:
        one, other = pair(1.2, number)
        assert one.paired is not None
        starts = tuple(ns + 10**9 * i for i, ns in enumerate(one.paired.start_ns))
        return (
            msgspec.structs.replace(
                one, paired=msgspec.structs.replace(one.paired, start_ns=starts)
            ),
            other,
        )

    own = msgspec.structs.replace(good, model="a", artifact_sha256="1" * 64)
    launches = [record for number in range(3) for record in stopped(number)]
    (row,) = latest_rows([own, *launches])
    (ratio,) = row.paired
    assert (ratio.ratio, ratio.flags) == (None, ("split-pairs",))


def test_rows_are_the_same_with_and_without_paired_launches(
    pair: MakePair, good: LaunchRecord
) -> None:
    own = [
        msgspec.structs.replace(good, model=model, launch=number, artifact_sha256=sha * 64)
        for number in range(2)
        for model, sha in (("a", "1"), ("b", "2"))
    ]
    failed = tuple(msgspec.structs.replace(x, error="it hung", samples_ns=()) for x in pair(1.2, 9))
    mixed = [*pair(1.2), *own[:2], *pair(1.3, 1), *own[2:], *failed]
    assert alone(mixed) == own
    with_ratios = latest_rows(mixed)
    assert [row.paired != () for row in with_ratios] == [True, True]
    assert [msgspec.structs.replace(row, paired=()) for row in with_ratios] == latest_rows(own)
    of_a, of_b = (row.paired[0].ratio or 0 for row in with_ratios)
    assert of_a * of_b == pytest.approx(1)


def test_paired_launches_alone_make_no_row(pair: MakePair) -> None:
    assert latest_rows(pair(1.2)) == []


def test_a_ratio_is_of_the_files_that_were_timed_last(pair: MakePair, good: LaunchRecord) -> None:
    own = msgspec.structs.replace(good, model="a", artifact_sha256="1" * 64)
    base = msgspec.structs.replace(good, model="b", artifact_sha256="2" * 64)
    new = "3" * 64
    (row, _) = latest_rows([own, base, *pair(1.2)])
    assert row.paired[0].ratio == pytest.approx(1.2, rel=1e-5)
    (row, _) = latest_rows([own, msgspec.structs.replace(base, artifact_sha256=new), *pair(1.2)])
    assert row.paired == ()
    (row, _) = latest_rows([msgspec.structs.replace(own, artifact_sha256=new), base, *pair(1.2)])
    assert row.paired == ()


def test_the_attempt_that_was_made_last_counts(pair: MakePair, good: LaunchRecord) -> None:
    own = msgspec.structs.replace(good, model="a", artifact_sha256="1" * 64)
    again = [x for number in range(3) for x in pair(1.5, number, attempt=1)]
    (row,) = latest_rows([own, *pair(1.2), *pair(1.2, 1), *again])
    (ratio,) = row.paired
    assert ratio.ratio == pytest.approx(1.5, rel=1e-5)
    assert ratio.launches == 3
