"""From a NetSpec, or a name, to an nn.Module."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from asymm_deploy.errors import UsageError
from asymm_deploy.models import heads
from asymm_deploy.models.blocks import (
    AsymmetricalBottleneck,
    ConvAct,
    ConvBNAct,
    DepthwiseSeparable,
    InvertedResidual,
    PrunedBottleneck,
)
from asymm_deploy.models.drop_ins import (
    GhostBottleneck,
    ResidualBottleneck,
    Sandglass,
    ShuffleUnit,
)
from asymm_deploy.models.names import parse
from asymm_deploy.models.spec import IMAGE_CHANNELS, Family, NetSpec, Row
from asymm_deploy.models.tasks import DetectionHead, EmbeddingHead, Head, KeypointHead

# MobileNetV3's; dropout has no effect in a network that is exported or timed.
DROPOUT = 0.2

# Protocol Buffers hold at most 2 GiB, so an ONNX file with more fp32 weights can't be written.
_MOST_PARAMS = 2**29


def build(network: str | NetSpec) -> nn.Module:
    """Return the network with that name or spec, with torch's default initialisation.

    A classifier maps (N, 3, H, W) to (N, classes) logits for any H and W. ``heads.py`` says what a
    task's head returns, ``tasks.py`` which sizes it takes. The only randomness is torch's global
    generator. Raises UsageError for a name that ``names.parse`` refuses, for a size that the head
    can't take, and for a width whose weights no ONNX file could hold.
    """
    spec = parse(network) if isinstance(network, str) else network
    if spec.task is not None:
        spec.task.require_size(spec.name, *spec.input_shape[2:])
    params = sum(parameter.numel() for parameter in build_meta(spec).parameters())
    if params > _MOST_PARAMS:
        raise UsageError(
            f"{spec.name} has {params / 1e6:.0f} M parameters, more than an ONNX file can hold",
            f"choose a smaller width: {_MOST_PARAMS / 1e6:.0f} M parameters is the limit",
        )
    return _network(spec)


def build_meta(spec: NetSpec) -> nn.Module:
    """Return the network on the meta device, without memory for its weights: enough to count it."""
    with torch.device("meta"):
        return _network(spec)


def _network(spec: NetSpec) -> nn.Module:
    return Classifier(spec) if spec.task is None else TaskNetwork(spec, spec.task)


class Backbone(nn.Module):
    """Stem, blocks and, in some networks, a last convolution: what comes before a head.

    A classifier and the task networks made from it use the same names, so that weights of one fit
    the other.
    """

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.stem = ConvBNAct(
            IMAGE_CHANNELS, spec.stem, kernel=spec.stem_kernel, stride=2, act=spec.act
        )
        self.after_stem: nn.Module | None = None
        if spec.after_stem == "maxpool":
            self.after_stem = nn.MaxPool2d(3, stride=2, padding=1)
        elif spec.after_stem == "depthwise":
            self.after_stem = ConvBNAct(
                spec.stem, spec.stem, kernel=3, groups=spec.stem, act=spec.act
            )
        inputs = (spec.stem, *(row.out for row in spec.rows[:-1]))
        self.blocks = nn.Sequential(
            *(_block(spec, channels, row) for channels, row in zip(inputs, spec.rows, strict=True))
        )
        self.last = None
        if spec.last is not None:
            self.last = ConvBNAct(spec.rows[-1].out, spec.last, act=spec.act)
        self.taps = spec.taps
        self.channels = (
            *(spec.rows[tap - 1].out for tap in spec.taps),
            spec.last or spec.rows[-1].out,
        )
        """Channels of each map of ``features``."""

    def features(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> the map after each tap and the last map, each (N, channels, h, w)."""
        x = self.stem(x)
        if self.after_stem is not None:
            x = self.after_stem(x)
        found = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in self.taps:
                found.append(x)
        return [*found, x if self.last is None else self.last(x)]


class Classifier(Backbone):
    """Backbone, pooling, [head], classifier: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, spec: NetSpec) -> None:
        super().__init__(spec)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = None
        width = self.channels[-1]
        if spec.head is not None:
            # Table 3, row 19: unlike the other convolutions without BatchNorm, and without bias.
            self.head = ConvAct(width, spec.head, act=spec.act)
            width = spec.head
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier: nn.Module = nn.Linear(width, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        x = self.pool(self.features(x)[-1])
        if self.head is not None:
            x = self.head(x)
        logits: Tensor = self.classifier(self.dropout(x.flatten(1)))
        return logits


class TaskNetwork(Backbone):
    """Backbone and a task's head: (N, 3, H, W) of the spec's size -> the head's outputs."""

    def __init__(self, spec: NetSpec, head: Head) -> None:
        super().__init__(spec)
        self.task = _head(spec, head, self.channels)
        self.output_names = ("boxes", "scores") if isinstance(head, DetectionHead) else ("output",)
        """Their names in the exported graph."""

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(N, 3, H, W) -> the head's outputs."""
        outputs: Tensor | tuple[Tensor, ...] = self.task(self.features(x))
        return outputs


def _head(spec: NetSpec, head: Head, channels: tuple[int, ...]) -> nn.Module:
    match head:
        case EmbeddingHead():
            return heads.Embedding(channels, head)
        case KeypointHead():
            return heads.HeatMaps(channels, head)
        case DetectionHead():
            return heads.Detection(channels, head, *spec.input_shape[2:])


def _block(spec: NetSpec, channels: int, row: Row) -> nn.Module:
    if spec.rate is not None:
        return AsymmetricalBottleneck(channels, row, spec.rate)
    return _BLOCKS[spec.family](channels, row)


_BLOCKS: dict[Family, Callable[[int, Row], nn.Module]] = {
    "pruned": PrunedBottleneck,
    "mbv3": lambda channels, row: InvertedResidual(channels, row, expand=row.expanded != row.out),
    # Its first stage has expansion factor 1.
    "mobilenetv2": lambda channels, row: InvertedResidual(
        channels, row, expand=row.expanded != channels
    ),
    "mobilefacenet": lambda channels, row: InvertedResidual(channels, row, expand=True),
    "mobilenetv1": DepthwiseSeparable,
    "resnet50_v1b": lambda channels, row: ResidualBottleneck(channels, row, mid=row.expanded),
    "bottleneck": ResidualBottleneck,
    "sandglass": Sandglass,
    "shuffle": ShuffleUnit,
    "ghost": GhostBottleneck,
}
"""By family, what makes a block of (channels, row). AsymmNet's block also takes a rate."""
