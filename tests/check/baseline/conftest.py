"""An export, results and a saved baseline, for all tests of baselines."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.manifest import Manifest, Stages
from asymm_deploy.export.proof.parity import ParityReport

Export = Callable[..., Path]


SAME = ParityReport(0.0, 0.0, 1.0, 1.0, 10)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def export(tmp_path: Path) -> Export:
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
            files={name: sha256(content) for name, content in files.items()},
            tools={},
            fingerprint="0" * 64,
            sources={},
        )
        (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        return tmp_path / into

    return write


@pytest.fixture
def results(tmp_path: Path, good: LaunchRecord) -> Callable[..., Path]:
    """Write two launches of each (model, content of its file)."""

    def write(*models: tuple[str, bytes], **more: object) -> Path:
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        with (folder / "runs.jsonl").open("ab") as file:
            for model, mnn in models:
                for launch in range(2):
                    record = msgspec.structs.replace(
                        good, model=model, launch=launch, artifact_sha256=sha256(mnn)
                    )
                    file.write(msgspec.json.encode(msgspec.structs.replace(record, **more)) + b"\n")
        return folder

    return write


@pytest.fixture
def saved(export: Export, results: Callable[..., Path], tmp_path: Path) -> Path:
    """A baseline of two models with launches of one."""
    export("small", b"small weights")
    artifacts = export("large", b"large weights")
    folder = tmp_path / "baseline"
    save_baseline(artifacts, folder, results=results(("small", b"small weights")))
    return folder


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """What a folder holds: every file's content by its path."""

    def contents(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return contents
