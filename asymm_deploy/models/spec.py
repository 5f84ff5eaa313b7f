"""A network as a table of rows and what it ends in: what is to be built, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from asymm_deploy.errors import UsageError
from asymm_deploy.models.tasks import Head, require_classes

OnSkeleton = Literal["asymmnet", "pruned", "mbv3", "bottleneck", "sandglass", "shuffle", "ghost"]
"""Blocks that stand on MobileNetV3's skeleton: the paper's own three, and the rest of Figure 1."""
Family = OnSkeleton | Literal["mobilenetv1", "mobilenetv2", "mobilefacenet", "resnet50_v1b"]
Scale = Literal["large", "small"]
Act = Literal["RE", "HS", "R6", "PR", "LR"]
"""ReLU, hard-swish and ReLU6, as the MobileNetV3 paper abbreviates the first two; PReLU with a
slope a channel, and LeakyReLU with slope 0.1.
"""

IMAGE_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One block of a network, in the columns of the paper's Tables 3 and 4."""

    kernel: int
    """Side of the depthwise kernel."""
    expanded: int
    """Channels before the depthwise convolution in the inverted residual: the paper's p."""
    out: int
    se: bool
    act: Act
    stride: int


@dataclass(frozen=True, slots=True)
class NetSpec:
    """A network, whole. Channel counts are final: the width multiplier is already in them."""

    name: str
    """The canonical name; also the name of the folder of its artifacts."""
    family: Family
    scale: Scale | None
    width: float
    """The multiplier in the name; 0.35 for ``_035``."""
    rate: int | None
    """Asymmetry rate r of Eq. 3; None for every family but asymmnet."""
    stem: int
    """Channels of the 3x3 stride-2 convolution in front."""
    rows: tuple[Row, ...]
    last: int | None
    """Channels of the 1x1 convolution before pooling, if there is one."""
    head: int | None
    """Channels of the 1x1 convolution between pooling and classifier, if there is one."""
    act: Act
    """Activation of stem, last and head; the rows have their own."""
    input_shape: tuple[int, ...] = (1, IMAGE_CHANNELS, 224, 224)
    """(batch, 3, height, width)"""
    classes: int = 1000
    stem_kernel: int = 3
    after_stem: Literal["depthwise", "maxpool"] | None = None
    """A 3x3 depthwise convolution (MobileFaceNet), or 3x3 stride-2 max pooling (ResNet)."""
    task: Head | None = None
    """What stands in the place of pooling, head and classifier, if anything."""
    taps: tuple[int, ...] = ()
    """After how many blocks the task's head takes a map; it takes the last one besides."""

    def __post_init__(self) -> None:
        """Refuse a classifier of nothing."""
        require_classes(self.classes)

    @property
    def stem_stride(self) -> int:
        """By how much the maps that the first block sees are smaller than the image."""
        return 4 if self.after_stem == "maxpool" else 2


def at_resolution(spec: NetSpec, shape: tuple[int, ...]) -> NetSpec:
    """Return ``spec`` for an input of ``shape``: (batch, 3, height, width), each at least 1.

    Raises UsageError for any other shape, and for a size that the task's head can't take.
    """
    if len(shape) != 4 or shape[1] != IMAGE_CHANNELS or min(shape) < 1:
        raise UsageError(
            f"{spec.name} takes images of shape N,3,H,W, not {','.join(map(str, shape))}",
            f"give --input-shape {','.join(map(str, spec.input_shape))}, or other sides",
        )
    if spec.task is not None:
        spec.task.require_size(spec.name, shape[2], shape[3])
    return replace(spec, input_shape=shape)
