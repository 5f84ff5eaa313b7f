"""A device that starts nothing, and tells of the stages that it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench.cold.cold_records import ColdRecord
from asymm_deploy.bench.cold.cold_store import opened_cold
from asymm_deploy.bench.cold.time_cold import ColdEvent, cold_runs, time_cold
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.plan import Plan
from tests.bench.fake_device import FakeDevice, Launch, Told, fake_artifact

READING = {"rss_mb": 10.0, "pss_mb": 9.0, "peak_mb": 11.0}
STAGES = {
    "type": "stages",
    "engine_ns": 2_000_000,
    "read_ns": 3_000_000,
    "create_ns": 20_000_000,
    "first_ns": 15_000_000,
    "second_ns": 11_000_000,
    "read_cpu_ns": 1_000_000,
    "create_cpu_ns": 19_000_000,
    "first_cpu_ns": 14_000_000,
    "second_cpu_ns": 10_000_000,
    "wall_ns": 60_000_000,
    "cpu_ns": 55_000_000,
    "waited_ns": 0,
    "steal_ns": 0,
    "core": 1,
    "pages": 100,
    "resident": 0,
    "major_faults": 0,
}
MEMORY = {
    stage: {**READING, "rss_mb": 10.0 + number}
    for number, stage in enumerate(("engine", "read", "created", "first", "second"))
}


@dataclass
class ColdDevice(FakeDevice):
    """See ``FakeDevice``; ``changes`` says what is otherwise in the stages of each launch."""

    changes: Callable[[int], dict[str, Any]] = field(default=lambda _: {})
    """Given how many launches there were before."""

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        completed = super().run(argv, timeout_s=timeout_s)
        lines = completed.stdout.splitlines(keepends=True)
        if len(lines) > 2:
            memory = {"memory": MEMORY} if "--stage-memory" in argv else {}
            stages = {**STAGES, **memory, **self.changes(len(self.asked) - 1)}
            lines.insert(2, json.dumps(stages).encode() + b"\n")
        return replace(completed, stdout=b"".join(lines))


Started = Callable[..., list[Any]]


@dataclass
class Cold:
    """Starts models cold, into a results folder of its own."""

    folder: Path
    arm: str = "A"
    """Which of two files of the same name."""
    events: list[ColdEvent] = field(default_factory=list)

    def start(
        self,
        device: FakeDevice,
        *models: str,
        launches: int = 4,
        allow: tuple[str, ...] = (),
        fresh: bool = False,
    ) -> list[Any]:
        """Return the rows."""
        plan = Plan(runs=cold_runs(launches), launches=launches, warmup=3, allow=allow, fresh=fresh)
        subjects = [fake_artifact(self.folder, model, self.arm) for model in models or ("net",)]
        with opened_cold(self.folder / "results", lambda _: None) as runs:
            try:
                return list(
                    time_cold(device, runs, self.events.append, subjects=subjects, plan=plan)
                )
            finally:
                self.records = list(runs.records)

    records: list[ColdRecord] = field(default_factory=list)


@pytest.fixture
def cold(tmp_path: Path) -> Cold:
    """Starts models on a device that starts nothing."""
    return Cold(tmp_path)


@pytest.fixture
def cold_device() -> Callable[..., ColdDevice]:
    """Make a device whose launches go as ``script`` says, and their stages as ``changes`` does."""

    def make(
        changes: Callable[[int], dict[str, Any]] = lambda _: {},
        script: Callable[[Launch], Told] = lambda _: Told(),
    ) -> ColdDevice:
        return ColdDevice(script, changes=changes)

    return make
