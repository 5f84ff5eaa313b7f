"""A small network of each kind, with weights and reference outputs, made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch

from asymm_deploy import build
from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.export import onnx_graph, untrained
from asymm_deploy.export.inputs import Probe, parity_probes
from asymm_deploy.export.manifest import EXPORT_FILES, Manifest, Stages, save_manifest
from asymm_deploy.export.proof.parity import ParityReport
from asymm_deploy.export.simplify import simplifications
from asymm_deploy.export.torch_to_onnx import to_onnx
from asymm_deploy.files import sha256_of

INPUTS = (TensorSpec("input", (1, 3, 96, 96)),)
OUTPUTS = (TensorSpec("output", (1, 1000)),)


@dataclass(frozen=True)
class Exported:
    """A module, what it gives for the probes, and its simplified graph."""

    module: torch.nn.Module
    probes: tuple[Probe, ...]
    reference: list[list[Array]]
    graph: onnx.ModelProto

    def run(self, graph: onnx.ModelProto) -> list[list[Array]]:
        samples = [probe.arrays for probe in self.probes]
        return onnx_graph.run_onnx(graph.SerializeToString(), samples)


def outputs_of(module: torch.nn.Module, probes: Sequence[Probe]) -> list[list[Array]]:
    with torch.no_grad():
        return [[module(torch.from_numpy(p.arrays["input"])).numpy()] for p in probes]


@pytest.fixture(scope="session")
def make_exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    made: dict[str, Exported] = {}

    def make(name: str) -> Exported:
        if name not in made:
            module = build(name).eval()
            untrained.initialise(module, 0)
            untrained.set_statistics(module, INPUTS, 0)
            probes = parity_probes(INPUTS)
            raw = tmp_path_factory.mktemp("onnx") / "raw.onnx"
            to_onnx(module, INPUTS, OUTPUTS, probes[0].arrays, raw)
            graph = next(simplifications(onnx_graph.load_onnx(raw), INPUTS)).model
            made[name] = Exported(module, probes, outputs_of(module, probes), graph)
        return made[name]

    return make


@pytest.fixture
def state_dict_file(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    module = build("asymmnet_small_035")
    untrained.initialise(module, 3)
    untrained.set_statistics(module, INPUTS, 3)
    path = tmp_path / "weights.pt"
    torch.save(module.state_dict(), path)
    return path


@pytest.fixture
def save_export(tmp_path: Path) -> Callable[..., Manifest]:
    """Write the files and the manifest of an export that never took place."""

    def save(folder: Path | None = None, **fields: object) -> Manifest:
        folder = folder or tmp_path / "net"
        folder.mkdir(parents=True, exist_ok=True)
        for name in EXPORT_FILES:
            (folder / name).write_text(f"content of {name}")
        report = ParityReport(0.0, 0.0, 1.0, 1.0, 10)
        made = Manifest(
            schema_version=2,
            model=folder.name,
            source=folder.name,
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
            stages=Stages(report, report, report),
            files={name: sha256_of(folder / name) for name in EXPORT_FILES},
            tools={},
            fingerprint="0" * 64,
            sources={},
        )
        made = msgspec.structs.replace(made, **fields)
        save_manifest(made, folder)
        return made

    return save


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
