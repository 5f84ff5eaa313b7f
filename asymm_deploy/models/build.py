"""From a NetSpec, or a name, to an nn.Module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asymm_deploy.errors import UsageError
from asymm_deploy.models.blocks import (
    AsymmetricalBottleneck,
    ConvAct,
    ConvBNAct,
    DepthwiseSeparable,
    InvertedResidual,
    PrunedBottleneck,
)
from asymm_deploy.models.names import parse
from asymm_deploy.models.spec import IMAGE_CHANNELS, NetSpec, Row

# MobileNetV3's; it has no effect on a network that is exported or timed.
_DROPOUT = 0.2

# Protocol Buffers hold at most 2 GiB, so an ONNX file with more fp32 weights can't be written.
_MOST_PARAMS = 2**29


def build(network: str | NetSpec) -> nn.Module:
    """Return the network of that name or spec, with torch's default initialisation.

    (N, 3, H, W) -> (N, classes) logits; H and W are free. The only randomness is torch's global
    generator. Raises UsageError for a name that ``names.parse`` refuses, and for a width whose
    weights no ONNX file could hold.
    """
    spec = parse(network) if isinstance(network, str) else network
    params = sum(parameter.numel() for parameter in build_meta(spec).parameters())
    if params > _MOST_PARAMS:
        raise UsageError(
            f"{spec.name} has {params / 1e6:.0f} M parameters, more than an ONNX file can hold",
            f"choose a smaller width: {_MOST_PARAMS / 1e6:.0f} M parameters is the limit",
        )
    return Network(spec)


def build_meta(spec: NetSpec) -> nn.Module:
    """Return the network without memory for its weights: enough to count it, quickly."""
    with torch.device("meta"):
        return Network(spec)


class Network(nn.Module):
    """Stem, blocks, [last], pooling, [head], classifier: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.stem = ConvBNAct(IMAGE_CHANNELS, spec.stem, kernel=3, stride=2, act=spec.act)
        inputs = (spec.stem, *(row.out for row in spec.rows[:-1]))
        self.blocks = nn.Sequential(
            *(_block(spec, channels, row) for channels, row in zip(inputs, spec.rows, strict=True))
        )
        features = spec.rows[-1].out
        self.last = None
        if spec.last is not None:
            self.last = ConvBNAct(features, spec.last, act=spec.act)
            features = spec.last
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = None
        if spec.head is not None:
            # Table 3, row 19: unlike the other convolutions without BatchNorm, and without bias.
            self.head = ConvAct(features, spec.head, act=spec.act)
            features = spec.head
        self.dropout = nn.Dropout(_DROPOUT)
        self.classifier = nn.Linear(features, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        x = self.blocks(self.stem(x))
        if self.last is not None:
            x = self.last(x)
        x = self.pool(x)
        if self.head is not None:
            x = self.head(x)
        logits: Tensor = self.classifier(self.dropout(x.flatten(1)))
        return logits


def _block(spec: NetSpec, channels: int, row: Row) -> nn.Module:
    match spec.family:
        case "asymmnet":
            assert spec.rate is not None
            return AsymmetricalBottleneck(channels, row, spec.rate)
        case "pruned":
            return PrunedBottleneck(channels, row)
        case "mbv3":
            return InvertedResidual(channels, row, expand=row.expanded != row.out)
        case "mobilenetv2":  # the first stage has expansion factor 1
            return InvertedResidual(channels, row, expand=row.expanded != channels)
        case "mobilenetv1":
            return DepthwiseSeparable(channels, row)
