"""Counts need no statistics; init time and memory are judged from the launches."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.policy import DEFAULT_PERCENT
from asymm_deploy.check.static import exact, from_launches


@pytest.mark.parametrize(
    ("before", "after", "verdict", "percent"),
    [
        (1000, 1000, "pass", 0.0),
        (1000, 1010, "pass", 1.0),
        (1000, 1011, "regressed", 1.1),
        (1000, 989, "improved", -1.1),
        (0, 0, "pass", 0.0),
        (0, 5, "regressed", None),
    ],
)
def test_a_count_may_grow_by_its_threshold(
    before: int, after: int, verdict: str, percent: float | None
) -> None:
    change = exact("net", "madds", before, after, 1.0)
    assert change.verdict == verdict
    assert change.change_percent == (None if percent is None else pytest.approx(percent))
    assert (change.unit, change.low_percent) == ("count", None)


def test_no_growth_at_all_can_be_asked_for() -> None:
    assert exact("net", "params", 1000, 1001, 0.0).verdict == "regressed"
    assert exact("net", "params", 1000, 1000, 0.0).verdict == "pass"


def launches(
    good: LaunchRecord, init_ms: float, spread: float, seed: int, memory: float | None = 60.0
) -> list[LaunchRecord]:
    rng = np.random.default_rng(seed)
    return [
        msgspec.structs.replace(
            good, init_ns=int(1e6 * init_ms * np.exp(spread * rng.normal())), peak_memory_mb=memory
        )
        for _ in range(16)
    ]


@pytest.mark.parametrize(
    ("after_ms", "spread", "verdict"),
    [
        (30, 0.05, "pass"),
        (35, 0.05, "pass"),  # a sixth more, of a quarter
        (45, 0.05, "regressed"),
        (20, 0.05, "improved"),
        (45, 1.0, "inconclusive"),
    ],
)
def test_init_time_is_judged_from_the_launches(
    good: LaunchRecord, after_ms: float, spread: float, verdict: str
) -> None:
    arms = (launches(good, 30, spread, 1), launches(good, after_ms, spread, 2))
    (change,) = from_launches("init", {"net": arms}, DEFAULT_PERCENT)
    assert change.verdict == verdict
    assert change.blocks == 8
    assert change.low_percent is not None
    assert change.change_percent is not None
    assert change.low_percent < change.change_percent


def test_memory_is_judged_too_and_nothing_is_said_of_what_is_unknown(good: LaunchRecord) -> None:
    before, after = launches(good, 30, 0.1, 1), launches(good, 30, 0.1, 2, memory=70.0)
    (change,) = from_launches("peak_memory", {"net": (before, after)}, DEFAULT_PERCENT)
    assert (change.verdict, change.unit) == ("regressed", "MiB")
    assert change.change_percent == pytest.approx(100 / 6)
    unknown = launches(good, 30, 0.1, 1, memory=None)
    assert from_launches("peak_memory", {"net": (unknown, after)}, DEFAULT_PERCENT) == []
