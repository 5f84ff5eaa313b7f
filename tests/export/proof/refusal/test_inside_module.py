"""A layer whose graph computes something else is found by its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.export.onnx_graph import load_onnx
from asymm_deploy.export.proof.refusal.inside_module import culprit_in_module
from asymm_deploy.export.torch_to_onnx import to_onnx

SAMPLE: Arrays = {"x": np.random.default_rng(0).standard_normal((1, 8)).astype(np.float32)}


class Shifting(nn.Module):
    """Takes another branch for large inputs, which tracing freezes."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if float(x.abs().max()) > 10 else x - 1


def exported(module: nn.Module, folder: Path) -> onnx.ModelProto:
    file = folder / "net.onnx"
    specs = TensorSpec("x", (1, 8)), TensorSpec("y", (1, 4))
    to_onnx(module, specs[:1], specs[1:], SAMPLE, file)
    return load_onnx(file)


def net(*middle: Any) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), *middle, nn.Linear(6, 4)).eval()


def test_a_branch_that_tracing_froze_is_found(tmp_path: Path) -> None:
    module = net(nn.Sequential(nn.ReLU(), Shifting()))
    graph = exported(module, tmp_path)
    assert culprit_in_module(module, graph, SAMPLE) is None
    large: Arrays = {"x": 100 * SAMPLE["x"]}
    found = culprit_in_module(module, graph, large)
    assert found is not None
    assert found.operator == "Sub"
    assert "of module 1.1" in found.told


def test_a_graph_of_other_weights_is_found_at_its_first_layer(tmp_path: Path) -> None:
    module = net(nn.ReLU())
    graph = exported(module, tmp_path)
    with torch.no_grad():
        module.get_parameter("2.weight").mul_(2)
    found = culprit_in_module(module, graph, SAMPLE)
    assert found is not None
    assert found.node.startswith("/2/")
