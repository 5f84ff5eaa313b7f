"""A network as data: a table of rows, a stem and a head. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from asymm_deploy.errors import UsageError
from asymm_deploy.models.tasks import DetectionHead, EmbeddingHead, Head, require_classes

OnSkeleton = Literal["asymmnet", "pruned", "mbv3", "bottleneck", "sandglass", "shuffle", "ghost"]
"""Families on MobileNetV3's skeleton: the paper's own three, and the other blocks of Figure 1."""
Family = OnSkeleton | Literal["mobilenetv1", "mobilenetv2", "mobilefacenet", "resnet50_v1b"]
Scale = Literal["large", "small"]
Act = Literal["RE", "HS", "R6", "PR", "LR"]
"""ReLU, hard-swish (both abbreviated as in the MobileNetV3 paper), ReLU6, PReLU with one slope per
channel, and LeakyReLU with slope 0.1.
"""

IMAGE_CHANNELS = 3
IMAGENET_CLASSES = 1000


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
    """A whole network. Channel counts are final: the width multiplier is already applied."""

    name: str
    """The canonical name; also that of its artifacts folder."""
    family: Family
    scale: Scale | None
    width: float
    """The multiplier in the name; 0.35 for ``_035``."""
    rate: int | None
    """Asymmetry rate r of Eq. 3; None for every family but asymmnet."""
    stem: int
    """Channels of the stem, a stride-2 convolution of side ``stem_kernel``."""
    rows: tuple[Row, ...]
    last: int | None
    """Channels of the 1x1 convolution before pooling, if there is one."""
    head: int | None
    """Channels of the 1x1 convolution between pooling and classifier, if there is one."""
    act: Act
    """Activation of stem, last and head; the rows have their own."""
    input_shape: tuple[int, ...] = (1, IMAGE_CHANNELS, 224, 224)
    """(batch, 3, height, width)"""
    classes: int = IMAGENET_CLASSES
    stem_kernel: int = 3
    after_stem: Literal["depthwise", "maxpool"] | None = None
    """A 3x3 depthwise convolution (MobileFaceNet), or 3x3 stride-2 max pooling (ResNet)."""
    task: Head | None = None
    """The head that replaces pooling, head and classifier, if any."""
    taps: tuple[int, ...] = ()
    """Numbers of blocks after which the task's head takes a map, besides the last map."""

    def __post_init__(self) -> None:
        """Raise UsageError for a classifier without classes."""
        require_classes(self.classes)

    @property
    def told_apart(self) -> int | None:
        """How many classes its outputs tell apart; None where they are no classes."""
        if self.task is None:
            return self.classes
        return self.task.classes if isinstance(self.task, DetectionHead) else None

    @property
    def stem_stride(self) -> int:
        """How many times smaller than the image the first block's input is, per side."""
        return 4 if self.after_stem == "maxpool" else 2


def at_resolution(spec: NetSpec, shape: tuple[int, ...]) -> NetSpec:
    """Return ``spec`` with the input shape (batch, 3, height, width), each at least 1.

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


def with_classes(spec: NetSpec, classes: int) -> NetSpec:
    """Return ``spec`` with as many ``classes``, at least 1; the name stays.

    Raises UsageError for fewer, and for a task whose outputs are no classes.
    """
    if spec.task is None:
        return replace(spec, classes=classes)
    if isinstance(spec.task, DetectionHead):
        return replace(spec, task=replace(spec.task, classes=classes))
    makes = (
        f"an embedding of {spec.task.size} values"
        if isinstance(spec.task, EmbeddingHead)
        else f"heat maps of {spec.task.keypoints} keypoints"
    )
    raise UsageError(
        f"{spec.name} has no classes: it makes {makes}",
        "leave out --classes, or name a classifier or a _yolo3 network",
    )
