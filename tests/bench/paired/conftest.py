"""Benches of files that are no models, by a device that says what a script tells it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench import measure, store
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.measure import BenchEvent
from asymm_deploy.bench.paired.pair_row import PairedSubjects
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from tests.bench.fake_device import NS, FakeDevice, Launch, Told, fake_artifact

ASYMM, PRUNED, MBV3 = "asymmnet_small_100", "pruned_small_100", "mbv3_small_100"


def usual(launch: Launch) -> Told:
    """MBV3 takes 10 ms, all others a tenth longer; no two launches are alike."""
    slower = 1.0 if launch.model.startswith("mbv3") else 1.1
    return Told(ns=NS * slower * (1 + 0.001 * launch.count))


@dataclass
class InTurns:
    """A bench of three networks; it may be repeated."""

    folder: Path
    device: FakeDevice = field(default_factory=lambda: FakeDevice(usual))
    events: list[BenchEvent] = field(default_factory=list)
    plan: dict[str, Any] = field(
        default_factory=lambda: {"runs": 60, "launches": 3, "warmup": 0, "allow": ("unverified",)}
    )

    def artifact(self, model: str) -> Artifact:
        return fake_artifact(self.folder, model, "A")

    def bench(
        self,
        *models: str,
        pairs: Sequence[tuple[str, str]] = ((ASYMM, MBV3),),
        missing: Sequence[str] = (),
        **changes: Any,
    ) -> dict[str, RowSummary]:
        """Time the models, and the pairs in turns."""
        self.events.clear()
        self.device.asked.clear()
        subjects: dict[str, Artifact | Missing] = {
            model: self.artifact(model)
            for model in (*(models or (ASYMM, MBV3)), *(name for pair in pairs for name in pair))
        }
        for name in missing:
            subjects[name] = Missing(name, "it can't be exported", 6)  # type: ignore[arg-type]
        timed = [subjects[model] for model in models or (ASYMM, MBV3)]
        in_turns = [PairedSubjects(subjects[one], subjects[other]) for one, other in pairs]
        with store.opened(self.results, print, "bench") as runs:
            rows = measure.time_models(
                self.device, timed, Plan(**self.plan | changes), runs, self.events.append, in_turns
            )
        return {row.model: row for row in rows}

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def records(self) -> list[LaunchRecord]:
        return store.load(self.results)

    @property
    def paired(self) -> list[LaunchRecord]:
        return [record for record in self.records if record.paired is not None]

    def launched(self) -> list[str]:
        """What was launched last, in order: a model, or two with a + between them."""
        found = []
        for argv in self.device.asked:
            models = [
                Path(path).stem
                for name, path in itertools.pairwise(argv)
                if name in {"--model", "--second-model"}
            ]
            found.append("+".join(sorted(models)))
        return found


@pytest.fixture
def in_turns(tmp_path: Path) -> InTurns:
    """Networks to bench, with a folder for the results."""
    return InTurns(tmp_path)


@pytest.fixture
def say() -> Callable[..., Told]:
    """What a script returns."""
    return Told
