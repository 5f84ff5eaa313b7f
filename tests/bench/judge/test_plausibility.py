"""What can't have been measured is refused with its line; what is just possible is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.judge.plausibility import (
    is_invariant,
    refuse_impossible,
    repeated,
    told_too_long,
)
from asymm_deploy.bench.records import LaunchRecord, PairedRuns
from asymm_deploy.errors import ExitCode, UsageError

HOUR_NS = 3600 * 10**9
FILE = Path("runs.jsonl")


def edited(record: LaunchRecord, **changes: Any) -> LaunchRecord:
    return msgspec.structs.replace(record, runs=1, samples_ns=(5,), **changes)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("init_ns", 24 * HOUR_NS),
        ("peak_memory_mb", 1e7),
        ("madds", 2**63),
        ("params", 2**63),
        ("floor_madds", 2**63),
    ],
)
def test_a_field_has_a_most_and_is_never_negative(
    good: LaunchRecord, name: str, most: float
) -> None:
    for value in (0, most, None):
        refuse_impossible([edited(good, **{name: value})], FILE)
    for value in (-1, most * 1.001 if isinstance(most, float) else most + 1):
        with pytest.raises(UsageError, match=f"runs.jsonl, line 2: net has an? {name} of "):
            refuse_impossible([good, edited(good, **{name: value})], FILE)


@pytest.mark.parametrize(
    ("ns", "refused"), [(0, True), (1, False), (HOUR_NS, False), (HOUR_NS + 1, True)]
)
def test_a_run_takes_more_than_nothing_and_an_hour_at_most(
    good: LaunchRecord, ns: int, *, refused: bool
) -> None:
    record = msgspec.structs.replace(good, runs=2, samples_ns=(7, ns), wall_ns=None)
    if refused:
        with pytest.raises(UsageError, match=f"net has a run of {ns} ns, which can't have"):
            refuse_impossible([record], FILE)
    else:
        refuse_impossible([record], FILE)


def test_samples_are_as_many_as_runs(good: LaunchRecord) -> None:
    short = msgspec.structs.replace(good, runs=2, samples_ns=(7,))
    with pytest.raises(UsageError, match="net has 1 samples of 2 runs"):
        refuse_impossible([short], FILE)
    refuse_impossible([msgspec.structs.replace(short, error="it hung")], FILE)


@pytest.mark.parametrize("code", [ExitCode.REGRESSION, ExitCode.INTERRUPTED, 77])
def test_a_launch_has_an_exit_code_of_launches(good: LaunchRecord, code: int) -> None:
    with pytest.raises(UsageError, match=f"an exit_code of {int(code)}"):
        refuse_impossible([edited(good, exit_code=int(code))], FILE)
    for fine in set(ExitCode) - {ExitCode.REGRESSION, ExitCode.INTERRUPTED}:
        refuse_impossible([edited(good, exit_code=int(fine))], FILE)


def test_a_long_number_is_cut_and_the_file_stays(good: LaunchRecord) -> None:
    with pytest.raises(UsageError, match=r"of 10000000000000000000\.\.\.,") as refused:
        refuse_impossible([edited(good, madds=10**40)], FILE)
    assert "nothing was changed" in refused.value.hint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wall_ns": 1000}, "its runs add up to 1 s, and the loop around them took 1e-06 s"),
        ({"process_ns": 10**9}, r"said to take 1.08 s, and the runner's process lived for 1 s"),
        ({"process_ns": 10**9, "wall_ns": None}, "said to take 1.03 s"),
        ({"process_ns": 2 * 10**9, "init_ns": 10**9}, "said to take 2.05 s"),
    ],
)
def test_what_a_process_did_fits_into_its_life(
    good: LaunchRecord, changes: dict[str, Any], said: str
) -> None:
    honest = msgspec.structs.replace(good, wall_ns=1_050_000_000, process_ns=1_090_000_000)
    assert told_too_long(honest) is None
    with pytest.raises(UsageError, match=said):
        refuse_impossible([msgspec.structs.replace(honest, **changes)], FILE)


def test_clocks_may_differ_by_a_hundredth(good: LaunchRecord) -> None:
    def told(process_ns: int) -> str | None:
        return told_too_long(
            msgspec.structs.replace(good, wall_ns=10**10, init_ns=0, process_ns=process_ns)
        )

    assert told(9_910_000_000) is None
    assert told(9_890_000_000) is not None


def test_five_equal_runs_are_no_measurement_and_four_may_be_chance() -> None:
    assert is_invariant((7,) * 5)
    assert not is_invariant((7,) * 4)
    assert not is_invariant((7, 7, 7, 7, 8))


def test_two_launches_with_the_same_times_are_found(good: LaunchRecord) -> None:
    def launch(number: int, *samples: int) -> LaunchRecord:
        return msgspec.structs.replace(good, launch=number, samples_ns=samples)

    one, other, copy = launch(0, 1, 2, 3, 4, 5), launch(1, 1, 2, 3, 4, 6), launch(2, 1, 2, 3, 4, 5)
    assert repeated([one, other]) is None
    assert repeated([one, other, copy]) == (one, copy)
    short = [launch(number, 1, 2, 3) for number in range(3)]
    assert repeated(short[:2]) is None  # by chance
    assert repeated(short) == (short[0], short[2])
    assert repeated([launch(0, 7, 7, 7, 7, 7), launch(1, 7, 7, 7, 7, 7)]) is None  # no-variance


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"cpu_ns": (5, 5)}, "2 processor times of 1 run"),
        ({"start_ns": ()}, "0 starts of 1 run"),
        ({"start_ns": (-1,)}, "among its starts is -1 ns"),
        ({"cpu_ns": (10**400,)}, "among its processor times is 10000"),
    ],
)
def test_turns_that_nobody_took_are_refused(
    good: LaunchRecord, changes: dict[str, Any], what: str
) -> None:
    turns = {"partner_sha256": "1" * 64, "loaded_first": True, "runs_first": True}
    fine = PairedRuns(**turns, cpu_ns=(5,), start_ns=(0,))  # type: ignore[arg-type]
    refuse_impossible([edited(good, paired=fine)], FILE)
    refuse_impossible([edited(good, paired=msgspec.structs.replace(fine, cpu_ns=None))], FILE)
    bad = msgspec.structs.replace(fine, **changes)
    with pytest.raises(UsageError, match=what):
        refuse_impossible([edited(good, paired=bad)], FILE)
    failed = msgspec.structs.replace(good, paired=bad, error="it hung", samples_ns=())
    refuse_impossible([failed], FILE)
