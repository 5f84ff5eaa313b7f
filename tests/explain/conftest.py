"""A network with something of everything, exported and converted once, and judged by its graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.host_errors import (
    JudgedRun,
    WatchRequest,
    explained_operators,
    load_arrays,
    save_arrays,
)
from asymm_deploy.explain.watching.judging import judge_run
from asymm_deploy.export import onnx_graph
from asymm_deploy.export.mnn import to_mnn
from asymm_deploy.export.simplify import simplifications
from asymm_deploy.export.torch_to_onnx import to_onnx
from tests.made_explanations import counted_net, explained_net, faulty_net

Judge = Callable[[onnx.ModelProto, onnx.ModelProto, Arrays, Path], "Judged"]
INPUTS = (TensorSpec("input", (1, 3, 16, 16)),)
OUTPUTS = (TensorSpec("logits", (1, 16, 5)), TensorSpec("map", (1, 4, 16, 16)))


class Asymmetric(nn.Module):
    """A concat of what goes in and what is computed, as in an asymmetric bottleneck."""

    def __init__(self, channels: int, more: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, more, 1)
        whole = 2 * channels + more
        self.depthwise = nn.Conv2d(whole, whole, 3, padding=1, groups=whole)
        self.project = nn.Conv2d(whole, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.cat([x, functional.relu(self.expand(x)), x], 1)
        made: Tensor = self.project(functional.relu6(self.depthwise(wide)))
        return x + made


class Recalibration(nn.Module):
    """A squeeze-excite that isn't called so."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.down = nn.Conv2d(channels, 4, 1)
        self.up = nn.Conv2d(4, channels, 1)
        self.bound = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.bound(self.up(functional.relu(self.down(self.mean(x)))))
        return x * weights


class Block(nn.Module):
    """A transformer's block with two heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.wide = nn.Linear(width, 2 * width)
        self.act = nn.GELU()
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        _, length, width = x.shape
        both = self.qkv(self.before(x)).reshape(1, length, 3, 2, width // 2)
        q, k, v = both.permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) * 0.5
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(1, length, width)
        x = x + self.out(mixed)
        changed: Tensor = self.narrow(self.act(self.wide(x)))
        return x + changed


class Everything(nn.Module):
    """Blocks of each kind, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())
        self.bottleneck = Asymmetric(8, 8)
        self.attend = Recalibration(8)
        self.grouped = nn.Conv2d(8, 16, 3, padding=1, groups=4)
        self.slopes = nn.PReLU(16)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.head = nn.Conv2d(16, 4, 1)
        self.pool = nn.AvgPool2d(4)
        self.block = Block(8)
        self.classifier = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.attend(self.bottleneck(self.stem(x)))
        deep = self.up(self.slopes(self.grouped(x)))
        grown = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        tokens = self.block(self.pool(deep).flatten(2).transpose(1, 2))
        return self.classifier(tokens), self.head(torch.cat([deep, grown], 1))


@dataclass(frozen=True)
class Judged:
    """A judged run, and the files it is of."""

    graph: onnx.ModelProto
    mnn: Path
    sample: Arrays
    run: JudgedRun
    values: Arrays

    @property
    def operators(self) -> tuple[ExplainedOperator, ...]:
        return explained_operators(self.run, "fp32")

    def named(self, name: str) -> ExplainedOperator:
        (found,) = [each for each in self.operators if each.name == name]
        return found

    def within(self, module: str) -> list[ExplainedOperator]:
        return [x for x in self.operators if x.module and x.module.startswith(module)]


def judged(graph: onnx.ModelProto, mnn: Path, sample: Arrays) -> Judged:
    """Judge ``mnn`` by the tensors of ``graph``, in this process."""
    reference, given, kept = (mnn.with_suffix(end) for end in (".reference", ".npz", ".values"))
    reference.write_bytes(graph.SerializeToString())
    save_arrays(given, sample)
    run = judge_run(WatchRequest(str(mnn), str(reference), (str(given),), "fp32", str(kept)))
    return Judged(graph, mnn, sample, run, load_arrays(kept))


def converted(graph: onnx.ModelProto, folder: Path) -> Path:
    """Convert ``graph``; return MNN's file."""
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    to_mnn(folder / "m.onnx", folder / "m.mnn")
    return folder / "m.mnn"


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    torch.manual_seed(0)
    module = Everything().eval()
    folder = tmp_path_factory.mktemp("everything")
    x: Array = np.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(np.float32)
    to_onnx(module, INPUTS, OUTPUTS, {"input": x}, folder / "raw.onnx")
    graph = next(simplifications(onnx_graph.load_onnx(folder / "raw.onnx"), INPUTS)).model
    return judged(graph, converted(graph, folder), {"input": x})


@pytest.fixture(scope="session")
def judge() -> Judge:
    """``(reference, graph, sample, folder)``: convert the graph, and judge it by the reference."""
    return lambda reference, graph, sample, folder: judged(
        reference, converted(graph, folder), sample
    )


@pytest.fixture(scope="session")
def convert() -> Callable[[onnx.ModelProto, Path], Path]:
    """``(graph, folder)``: MNN's file of it."""
    return converted


@pytest.fixture(scope="session")
def explained() -> Explanation:
    """Six operators of 4 ms: half of it pointwise, nothing accused."""
    return explained_net()


@pytest.fixture(scope="session")
def faulty(explained: Explanation) -> Explanation:
    """The same, where number 3 computes something else."""
    return faulty_net(explained)


@pytest.fixture(scope="session")
def counted(explained: Explanation) -> Explanation:
    """The same on the emulated processor: instructions, no times, no errors."""
    return counted_net(explained)
