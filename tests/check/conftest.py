"""A device that times nothing, and exports and versions of models that are no models."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.plan import Plan
from asymm_deploy.check.folders import Pair
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.manifest import Manifest, Stages
from asymm_deploy.export.proof.parity import ParityReport
from tests.bench.fake_device import FakeDevice, Launch, Told, fake_artifact

SAME = ParityReport(0.0, 0.0, 1.0, 1.0, 10)


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


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Write what export leaves of a model; its model files hold what is said.

    Without a recorded input, it is what an older version left.
    """

    def write(
        model: str, mnn: bytes = b"weights", into: str = "artifacts", *, recorded: bool = False
    ) -> Path:
        folder = tmp_path / into / model
        folder.mkdir(parents=True)
        outputs = io.BytesIO()
        np.savez(outputs, output_0=np.zeros((1, 10), np.float32))
        files = {"model.onnx": b"", "model.mnn": mnn, "reference.npz": outputs.getvalue()}
        if recorded:
            files["inputs.bin"] = b"values"
        for name, content in files.items():
            (folder / name).write_bytes(content)
        manifest = Manifest(
            schema_version=2 if recorded else 1,
            model=model,
            source=model,
            input_shape=(1, 3, 8, 8),
            inputs=(TensorSpec("input", (1, 3, 8, 8)),),
            outputs=(TensorSpec("output", (1, 10)),),
            opset=17,
            madds=100,
            madds_m=0.0001,
            floor_madds=50,
            params=10,
            params_m=0.00001,
            uncounted=(),
            weights="seed",
            seed=0,
            weights_path=None,
            weights_sha256=None,
            statistics_set=True,
            reference="module",
            spread=1.0,
            stages=Stages(SAME, SAME, SAME),
            files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            tools={},
            fingerprint="0" * 64,
            sources={},
        )
        (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        return tmp_path / into

    return write
