"""What can't have been measured is refused with its line; what is just possible is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.plausibility import refuse_impossible
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
    record = msgspec.structs.replace(good, runs=2, samples_ns=(7, ns))
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
