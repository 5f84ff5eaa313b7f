"""Launches in a file: which count, which were repeated, which belong to something else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import launched

EARLIER = "2025-12-31T00:00:00+00:00"


def edited(record: LaunchRecord, **changes: Any) -> LaunchRecord:
    return msgspec.structs.replace(record, **changes)


def test_a_launch_counts_if_it_ended_and_nothing_spoils_it(good: LaunchRecord) -> None:
    assert launched.is_valid(good, ())
    assert not launched.is_valid(edited(good, error="it hung"), ())
    spoilt = edited(good, flags=("hot", "stolen-time"))
    assert not launched.is_valid(spoilt, ("hot",))
    assert launched.is_valid(spoilt, ("hot", "stolen-time"))
    assert launched.is_valid(edited(spoilt, allowed=("hot",)), ("stolen-time",))


@pytest.mark.parametrize(
    "changes",
    [
        {"started_at": EARLIER},
        {"model": "other"},
        {"plan_id": "other"},
        {"launch": 1},
        {"samples_ns": (1,)},
    ],
    ids=str,
)
def test_no_two_launches_are_one(good: LaunchRecord, changes: dict[str, Any]) -> None:
    assert launched.identity(good) == launched.identity(edited(good, valid=False))
    assert launched.identity(good) != launched.identity(edited(good, **changes))


def test_a_launch_was_repeated_if_a_later_one_took_its_place(good: LaunchRecord) -> None:
    hot = edited(good, started_at=EARLIER, flags=("hot",))
    assert launched.retried([good], [hot, good], ()) == (hot,)
    assert launched.retried([good], [hot, good], ("hot",)) == ()  # it would count
    judged_anew = edited(good, flags=("hot",))
    assert launched.retried([good], [judged_anew, good], ()) == ()  # measured once
    elsewhere = edited(hot, plan_id="other")
    assert launched.retried([good], [elsewhere, good], ()) == ()


def test_launches_of_other_files_and_plans_are_counted_once_each(good: LaunchRecord) -> None:
    other = edited(good, artifact_sha256="1" * 64)
    again = edited(other, started_at=EARLIER)
    more = edited(other, launch=1)
    failed = edited(good, plan_id="other", error="it hung")
    assert launched.left_out([good], [other, again, more, failed, good]) == 2
    assert launched.left_out([other, good], [other, good]) == 1
