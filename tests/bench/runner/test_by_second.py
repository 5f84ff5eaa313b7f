"""A launch that lasts, by a clock that the runs move: its seconds, and which frames are late.

The native runner's tests say the same of the same runs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from asymm_deploy.bench.runner import by_second

MS = 10**6


class Clockwork:
    """Runs that take as long as they are told to, by a clock of their own, in ns."""

    def __init__(self, ms: Sequence[float], cpus: Sequence[int] = ()) -> None:
        self.now = 5_000
        self.busy = 0
        self.started: list[int] = []
        self.seconds: list[Mapping[str, Any]] = []
        self.wakes_late = 0
        self.sending = 0
        self._ms = ms
        self.loop = by_second.Loop(
            cpus,
            self._send,
            clock=lambda: self.now,
            thread_clock=lambda: self.busy,
            sleep=self._sleep,
        )

    def _send(self, kind: str, fields: Mapping[str, Any]) -> None:
        assert kind == "second"
        self.seconds.append(fields)
        self.now += self.sending

    def _sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9) + self.wakes_late

    def run(self) -> None:
        took = round(self._ms[len(self.started) % len(self._ms)] * MS)
        self.started.append((self.now - 5_000) // MS)
        self.now += took
        self.busy += took

    def go(self, for_ms: int, every_ms: int | None = None) -> dict[str, Any]:
        every = None if every_ms is None else every_ms * MS
        return self.loop.go(self.run, for_ms * MS, every)


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_seconds_follow_one_another_and_hold_every_run_once() -> None:
    work = Clockwork([300])
    whole = work.go(2_000)
    assert [x["runs"] for x in work.seconds] == [4, 3]
    assert [x["at_ns"] for x in work.seconds] == [0, 1_200 * MS]
    assert [x["wall_ns"] for x in work.seconds] == [1_200 * MS, 900 * MS]
    assert (whole["runs"], whole["wall_ns"], whole["cpu_ns"]) == (7, 2_100 * MS, 2_100 * MS)
    assert work.seconds[0]["khz"] is None


def test_a_second_tells_what_its_runs_come_to() -> None:
    work = Clockwork([30, 10, 20, 40, 900])
    work.go(1_000)
    (second,) = work.seconds
    assert second["runs"] == 5
    told = [second[f"{name}_ns"] / MS for name in ("mean", "median", "p90", "p99", "min", "max")]
    assert told == [200, 30, 900, 900, 10, 900]
    assert second["ns"] == [30 * MS, 10 * MS, 20 * MS, 40 * MS, 900 * MS]


def test_of_many_runs_each_is_not_told_alone() -> None:
    work = Clockwork([1])
    work.go(1_000)
    assert len(work.seconds[0]["ns"]) == 1_000
    work = Clockwork([0.5])
    work.go(1_000)
    assert work.seconds[0]["runs"] == 2_000
    assert work.seconds[0]["ns"] is None
    assert work.seconds[0]["median_ns"] == MS // 2


def test_runs_are_kept_in_memory_that_is_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_second, "MOST_KEPT", 8)
    work = Clockwork([10])
    whole = work.go(200)
    assert [x["runs"] for x in work.seconds] == [8, 8, 4]
    assert whole["runs"] == 20


def test_one_run_at_least() -> None:
    work = Clockwork([30])
    assert work.go(1)["runs"] == 1
    assert len(work.seconds) == 1


@pytest.mark.parametrize(
    ("runs_ms", "for_ms", "started", "late", "skipped"),
    [
        ([10], 100, [0, 33, 66, 99], 0, 0),  # each frame is waited for
        ([40], 160, [0, 40, 80, 120], 4, 0),  # one that came meanwhile starts at once
        ([100, 10], 230, [0, 100, 132], 6, 4),  # of several, the newest
    ],
)
def test_frames_come_whatever_the_model_does(
    runs_ms: list[float], for_ms: int, started: list[int], late: int, skipped: int
) -> None:
    work = Clockwork(runs_ms)
    whole = work.go(for_ms, 33)
    assert work.started == started
    assert (whole["late"], whole["skipped"]) == (late, skipped)
    assert whole["cpu_ns"] == work.busy


def test_a_run_that_was_woken_late_may_make_the_next_frame_late_and_is_told_apart() -> None:
    work = Clockwork([32])
    work.wakes_late = 2 * MS
    whole = work.go(33 * 40, 33)
    assert work.started[:5] == [0, 35, 67, 99, 134]  # frame 2 came at 66, and 3 was there at 99
    assert whole["late"] == whole["late_by_waking"] == 13
    assert sum(x["late_by_waking"] for x in work.seconds) == 13


def test_what_a_run_itself_makes_late_is_not_told_of_waking() -> None:
    work = Clockwork([40, 10, 10])
    work.wakes_late = 2 * MS
    whole = work.go(990, 33)
    assert (whole["late"], whole["late_by_waking"]) == (10, 0)
    # Of one that takes too long, and begins late: the first frame that came was its own fault.
    work = Clockwork([10, 65])
    work.wakes_late = 5 * MS
    assert work.go(99, 33)["late"] == 2
    assert work.seconds[-1]["late_by_waking"] == 1


def test_what_writing_a_second_down_makes_late_is_told_apart() -> None:
    work = Clockwork([30])
    work.sending = 30 * MS
    whole = work.go(1_980, 33)  # a run ends at 1020, the next begins at 1050 in place of 1023
    assert (whole["late"], whole["late_by_waking"]) == (8, 8)


def test_the_example_of_the_documentation() -> None:
    work = Clockwork([40])
    whole = work.go(232, 33)
    assert work.started == [0, 40, 80, 120, 160, 200]
    assert (whole["late"], whole["skipped"]) == (7, 1)


def test_a_core_without_a_clock_to_read_has_none() -> None:
    assert Clockwork([1], cpus=[65_000]).loop.khz() is None
