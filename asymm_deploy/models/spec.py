"""A network as a table of rows: what is to be built, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from asymm_deploy.errors import UsageError

Family = Literal["asymmnet", "pruned", "mbv3", "mobilenetv1", "mobilenetv2"]
Scale = Literal["large", "small"]
Act = Literal["RE", "HS", "R6"]
"""ReLU, hard-swish and ReLU6, as the MobileNetV3 paper abbreviates the first two."""

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


def at_resolution(spec: NetSpec, shape: tuple[int, ...]) -> NetSpec:
    """Return ``spec`` for an input of ``shape``: (batch, 3, height, width), each at least 1.

    Raises UsageError for any other shape.
    """
    if len(shape) != 4 or shape[1] != IMAGE_CHANNELS or min(shape) < 1:
        raise UsageError(
            f"{spec.name} takes images of shape N,3,H,W, not {','.join(map(str, shape))}",
            "give --input-shape 1,3,224,224 or another height and width",
        )
    return replace(spec, input_shape=shape)
