"""A phone of a lab behaves as a device, and is found again where its worker was lost."""

from __future__ import annotations

from pathlib import Path

from asymm_deploy.bench.measure import time_models
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.store import opened
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.lab_device import LabDevice
from tests.bench.fake_device import fake_artifact
from tests.lab.client.conftest import FakeLab


def test_it_times_models_like_any_device(lab: FakeLab, tmp_path: Path) -> None:
    device = LabDevice(lab.calls, lab.phone("P1"), PhoneOptions(), "me")
    models = [fake_artifact(tmp_path, name, "A") for name in ("one", "two")]
    with opened(tmp_path / "out", lab.told.append, "bench") as runs:
        rows = time_models(device, models, Plan(launches=2, runs=4, allow=()), runs, lambda _: None)
    assert [(row.model, row.device) for row in rows] == [("one", "P1"), ("two", "P1")]
    assert [record.model for record in runs.records] == ["one", "two", "one", "two"]
    (made,) = lab.devices["P1"]
    assert not made.is_held
    assert phone_calls.DESK.occupant("P1") is None
