"""A device that starts nothing, and tells of the stages that it is told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench.cold.cold_records import ColdRecord
from asymm_deploy.bench.cold.cold_store import opened_cold
from asymm_deploy.bench.cold.time_cold import ColdEvent, cold_runs, time_cold
from asymm_deploy.bench.plan import Plan
from tests.bench.fake_device import FakeDevice, Launch, Told, fake_artifact


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
def cold_device() -> Callable[..., FakeDevice]:
    """Make a device whose launches go as ``script`` says, and their stages as ``changes`` does."""

    def make(
        changes: Callable[[int], dict[str, Any]] = lambda _: {},
        script: Callable[[Launch], Told] = lambda _: Told(),
    ) -> FakeDevice:
        return FakeDevice(script, stages=changes)

    return make
