"""A device that times nothing, and the two versions of a model that are no models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.bench.plan import Plan
from asymm_deploy.check.folders import Pair
from tests.bench.fake_device import FakeDevice, Launch, Told, fake_artifact


@pytest.fixture
def fake() -> Callable[[Callable[[Launch], Told]], FakeDevice]:
    """Make a device that does what a script says."""
    return FakeDevice


@pytest.fixture
def told() -> type[Told]:
    """What a script returns."""
    return Told


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str], Pair]:
    """Make the two versions of a model, different files without a reference output."""

    def make(model: str = "net") -> Pair:
        return Pair(model, fake_artifact(tmp_path, model, "A"), fake_artifact(tmp_path, model, "B"))

    return make


@pytest.fixture
def plan() -> Plan:
    """Three runs a launch."""
    return Plan(runs=3, launches=1, warmup=0)
