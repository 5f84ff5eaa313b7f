"""Several devices are made and timed in processes of their own, and none is left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.artifact import Missing
from asymm_deploy.bench.device import Runner
from asymm_deploy.bench.fleet import Fleet, WorkOutcome, named_failures, started_fleet
from asymm_deploy.bench.judge.rows import latest_rows
from asymm_deploy.bench.paired.pair_row import PAIRED_LAUNCHES, PairedSubjects
from asymm_deploy.bench.phone.server import LostError
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import DeviceFacts
from asymm_deploy.errors import ExitCode, HarnessError
from tests.bench.fake_device import NS, FakeDevice, Told, fake_artifact

PLAN = Plan(launches=2, runs=2)
SUBJECTS = [Missing(model="net", reason="it was not exported", exit_code=ExitCode.CONVERSION)]


def test_of_several_devices_a_failure_says_which_it_was() -> None:
    lost, named = LostError("it ended"), HarnessError("P2 is locked", "unlock it")
    found = [WorkOutcome("P1", (), lost), WorkOutcome("P2", (), named), WorkOutcome("P3", ())]
    assert [each.what for each in named_failures(found)] == ["P1: it ended", "P2 is locked"]
    assert named_failures(found[:1]) == [lost]


class Idle:
    """A device that has nothing to time: what is missing needs none."""

    def __init__(self, name: str, tell: Callable[[str], None]) -> None:
        self.name = name
        tell(f"{name} is made by {os.getpid()}")

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        return DeviceFacts(
            device=self.name, soc=None, cpu_max_khz=None, cores=1, abi="none", os="none"
        )

    def runner(self, engine: str) -> Runner:
        return Runner(("runner",), f"{engine} of {self.name}")

    def choose_cpus(self, wanted: object, threads: int, earlier: object) -> tuple[int, ...]:
        return (0,)

    @contextmanager
    def held(self, cpus: object, files: object) -> Any:
        yield


class Refusing(Idle):
    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        raise HarnessError(f"{self.name} is locked", "unlock it")


class Dying(Idle):
    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        os._exit(7)


class DyingLater(Idle):
    def runner(self, engine: str) -> Runner:
        os._exit(9)


class InTurns(FakeDevice):
    """Times nothing; launches differ, and ``b`` takes twice as long as ``a``."""

    def __init__(self, name: str, tell: object) -> None:
        super().__init__(lambda x: Told(ns=NS * (1 + (x.model == "b")) * (1 + 1e-3 * x.count)))
        self.name = name

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        return Idle.facts(self, cpus)  # type: ignore[arg-type]


class Maker:
    """Makes a device by its name; survives the way to another process."""

    def __init__(self, kind: Any, name: str) -> None:
        self.kind = kind
        self.name = name

    def __call__(self, tell: Callable[[str], None]) -> Any:
        return self.kind(self.name, tell)


def makers(**kinds: Any) -> dict[str, Any]:
    return {name: Maker(kind, name) for name, kind in kinds.items()}


def processes(fleet: Fleet) -> list[Any]:
    return [child.process for child in fleet._children.values()]


def test_each_device_is_made_once_in_a_process_of_its_own_and_timed_there(tmp_path: Path) -> None:
    told: list[str] = []
    heard: list[tuple[str, str]] = []
    with (
        started_fleet(makers(a=Idle, b=Idle), told.append) as fleet,
        store.opened(tmp_path, pytest.fail, "bench") as runs,
    ):
        pids = {child.name: child.process.pid for child in fleet._children.values()}
        outcomes = fleet.time(
            SUBJECTS, PLAN, runs, lambda name, event: heard.append((name, type(event).__name__))
        )
        records = runs.records
    assert sorted(told) == [f"{name} is made by {pids[name]}" for name in ("a", "b")]
    assert [(each.name, each.failure) for each in outcomes] == [("a", None), ("b", None)]
    assert [row.device for each in outcomes for row in each.rows] == ["a", "b"]
    assert sorted(record.device for record in records) == ["a", "b"]
    assert store.load(tmp_path) == list(records)
    assert {name for name, kind in heard if kind == "LaunchFinished"} == {"a", "b"}


def test_every_device_times_the_pairs_whose_records_join_in_any_order(tmp_path: Path) -> None:
    one, other = fake_artifact(tmp_path, "a", "A"), fake_artifact(tmp_path, "b", "A")
    with (
        started_fleet(makers(x=InTurns, y=InTurns), lambda _: None) as fleet,
        store.opened(tmp_path / "out", pytest.fail, "bench") as runs,
    ):
        plan = Plan(launches=2, runs=40, warmup=0)
        outcomes = fleet.time([one], plan, runs, lambda *_: None, [PairedSubjects(one, other)])
        rows = latest_rows(runs.records)
    assert [row.device for row in rows] in (["x", "y"], ["y", "x"])
    ratios = [row.paired[0] for each in outcomes for row in each.rows]
    assert [found.ratio for found in ratios] == pytest.approx([0.5, 0.5], rel=1e-2)
    assert [found.launches for found in ratios] == [PAIRED_LAUNCHES] * 2
    assert sorted(row.paired[0].ratio or 0 for row in rows) == [found.ratio for found in ratios]


@pytest.mark.parametrize(
    ("kind", "said"), [(Refusing, "b is locked"), (Dying, "the process for b ended with code 7")]
)
def test_one_that_cant_be_used_is_refused_before_anything_else(kind: Any, said: str) -> None:
    started = time.monotonic()
    with (
        pytest.raises(HarnessError, match=said),
        started_fleet(makers(a=Idle, b=kind), lambda _: None),
    ):
        pytest.fail("it was ready")
    assert time.monotonic() - started < 30  # nothing waits for a process that has no work


def test_one_that_dies_stops_no_other(tmp_path: Path) -> None:
    with (
        started_fleet(makers(a=Idle, b=DyingLater), lambda _: None) as fleet,
        store.opened(tmp_path, pytest.fail, "bench") as runs,
    ):
        good, bad = fleet.time(SUBJECTS, PLAN, runs, lambda *_: None)
    assert [row.model for row in good.rows] == ["net"]
    assert bad.rows == ()
    assert isinstance(bad.failure, HarnessError)
    assert bad.failure.what == "the process for b ended with code 9"
    assert "repeat the command" in bad.failure.hint


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_no_process_is_left_when_something_else_fails_meanwhile(
    error: type[BaseException],
) -> None:
    started: list[Any] = []

    def export() -> None:
        with started_fleet(makers(a=Idle, b=Idle), lambda _: None) as fleet:
            started.extend(processes(fleet))
            raise error

    with pytest.raises(error):
        export()
    assert len(started) == 2
    assert not any(process.is_alive() for process in started)
