"""The files of the paper's authors go into our networks, and the outputs are the same bits."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from asymm_deploy.errors import UsageError
from asymm_deploy.export import untrained
from asymm_deploy.export.weights import load_into
from asymm_deploy.models.build import build

NAMES = (
    "asymmnet_small_035",
    "asymmnet_large_050",
    "asymmnet_small_035_r0",
    "asymmnet_small_050_r2",
)


def network(name: str) -> nn.Module:
    module = build(name).eval()
    untrained.initialise(module, 3)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point() and tensor.dim() == 1:
                tensor.add_(torch.rand_like(tensor))
    return module


def in_pytorch(module: nn.Module) -> dict[str, torch.Tensor]:
    """Our weights under the authors' names."""
    replaced = (
        (r"^stem\.conv", "first_block.0"), (r"^stem\.bn", "first_block.1"),
        (r"^blocks", "asymm_block"), (r"\.depthwise\.", ".dw_conv."),
        (r"\.project\.", ".pw_conv_linear."), (r"\.se\.reduce", ".se.out.0"),
        (r"\.se\.expand", ".se.out.2"), (r"^last\.conv", "last_block.0"),
        (r"^last\.bn", "last_block.1"), (r"^head\.conv", "last_block.4"),
        (r"^classifier", "output"),
    )  # fmt: skip
    found = {}
    for name, tensor in module.state_dict().items():
        for ours, theirs in replaced:
            name = re.sub(ours, theirs, name)  # noqa: PLW2901
        found[name] = tensor
    return found


def in_mxnet(module: nn.Module, style: str) -> dict[str, np.ndarray]:
    """Our weights under Gluon's names, by structure or by prefix."""
    roles = {"running_mean": "running_mean", "running_var": "running_var"}
    found: dict[str, np.ndarray] = {}
    layers = [
        (name, layer)
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.Linear)
    ]
    for number, (name, layer) in enumerate(layers):
        is_norm = isinstance(layer, nn.BatchNorm2d)
        for role, tensor in layer.state_dict().items():
            if role == "num_batches_tracked":
                continue
            theirs = {"weight": "gamma", "bias": "beta", **roles}[role] if is_norm else role
            array = tensor.numpy()
            if isinstance(layer, nn.Linear) and role == "weight":
                array = array[:, :, None, None]
            key = {
                "structure": f"features.{number}.conv.{theirs}",
                "prefix": f"seq-{number}-{name.rpartition('.')[2]}_{theirs}",
                "none": f"{len(found)}",
            }[style]
            found[key] = array
    return found


def params(arrays: dict[str, np.ndarray]) -> bytes:
    def parts() -> Iterator[bytes]:
        yield struct.pack("<QQQ", 0x112, 0, len(arrays))
        for array in arrays.values():
            yield struct.pack("<IiI", 0xF993FAC9, 0, array.ndim)
            yield struct.pack(f"<{array.ndim}q", *array.shape) + struct.pack("<iii", 1, 0, 0)
            yield array.tobytes()
        yield struct.pack("<Q", len(arrays))
        for name in arrays:
            yield struct.pack("<Q", len(name)) + name.encode()

    return b"".join(parts())


def assert_same_outputs(one: nn.Module, other: nn.Module) -> None:
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(one.eval()(image), other.eval()(image))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", ["", "module.", "net.module."])
def test_their_pytorch_file_gives_the_same_outputs(tmp_path: Path, name: str, prefix: str) -> None:
    source, target = network(name), build(name)
    weights = {prefix + key: value for key, value in in_pytorch(source).items()}
    torch.save({"state_dict": weights, "epoch": 90}, tmp_path / "w.pth.tar")
    notes = load_into(target, tmp_path / "w.pth.tar")
    assert notes[-1] == "weights: taken with the names of the paper's authors"
    assert_same_outputs(source, target)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("style", ["structure", "prefix", "none"])
def test_their_mxnet_file_gives_the_same_outputs(tmp_path: Path, name: str, style: str) -> None:
    source, target = network(name), build(name)
    (tmp_path / "w.params").write_bytes(params(in_mxnet(source, style)))
    (note,) = load_into(target, tmp_path / "w.params")
    assert "in the order of MXNet's layers" in note
    assert_same_outputs(source, target)


def test_a_file_of_the_module_api_has_its_statistics_at_the_end(tmp_path: Path) -> None:
    source, target = network(NAMES[0]), build(NAMES[0])
    arrays = in_mxnet(source, "prefix")
    ordered = {
        f"{kind}:{key}": array
        for kind in ("arg", "aux")
        for key, array in arrays.items()
        if ("running" in key) == (kind == "aux")
    }
    (tmp_path / "w.params").write_bytes(params(ordered))
    load_into(target, tmp_path / "w.params")
    assert_same_outputs(source, target)


def test_their_files_at_another_width_are_refused(tmp_path: Path) -> None:
    source = network("asymmnet_small_035")
    (tmp_path / "w.params").write_bytes(params(in_mxnet(source, "structure")))
    torch.save(in_pytorch(source), tmp_path / "w.pth")
    with pytest.raises(UsageError, match="does not fit"):
        load_into(build("asymmnet_small_050"), tmp_path / "w.params")
    with pytest.raises(UsageError, match="shapes differ") as caught:
        load_into(build("asymmnet_small_050"), tmp_path / "w.pth")
    assert "width" in caught.value.hint
    with pytest.raises(UsageError, match="missing"):
        load_into(build("asymmnet_large_035"), tmp_path / "w.pth")
