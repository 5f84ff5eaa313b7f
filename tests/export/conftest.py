"""A small network of each kind, with weights and reference outputs, made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from asymm_deploy import build
from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.export import onnx_graph, untrained
from asymm_deploy.export.inputs import Probe, parity_probes
from asymm_deploy.export.simplify import simplify
from asymm_deploy.export.torch_to_onnx import to_onnx

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
            graph = simplify(onnx_graph.load_onnx(raw), INPUTS)
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
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
