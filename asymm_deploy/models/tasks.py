"""The heads of Tables 7, 9 and 10 as numbers, and the image sizes that they take. No torch.

What the paper's text leaves open was settled by the counts that it publishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from asymm_deploy.errors import UsageError
from asymm_deploy.models.families.yolo_anchors import ANCHORS, BOX_NUMBERS, STRIDES

Task = Literal["face", "action", "pose", "yolo3"]

FACE_STRIDE = 16
"""112 pixels become a map of 7x7, as in MobileFaceNet."""
LAST_STRIDE = 32
"""Stride of a whole backbone's last map."""


@dataclass(frozen=True, slots=True)
class EmbeddingHead:
    """Table 7: a face's embedding, from MobileFaceNet's global depthwise convolution.

    Table 1 of arXiv:1804.07573, its last three lines.
    """

    channels: int = 512
    map_size: int = 7
    """Side of the last map, which the global depthwise convolution covers."""
    size: int = 128
    """Length of the embedding."""

    def require_size(self, name: str, height: int, width: int) -> None:
        """Raise UsageError for an image whose last map is not ``map_size`` a side."""
        most = self.map_size * FACE_STRIDE
        least = most - FACE_STRIDE + 1
        if not (least <= height <= most and least <= width <= most):
            raise UsageError(
                f"{name} can't take images of {height}x{width}: its global depthwise convolution "
                f"needs a last map of {self.map_size}x{self.map_size}",
                f"give {most}x{most}; {least} to {most} pixels a side work",
            )


@dataclass(frozen=True, slots=True)
class KeypointHead:
    """Table 9: heat maps of a person's keypoints, at a quarter of the image's size.

    SimplePose (arXiv:1804.06208) with pixel shuffling instead of transposed convolutions.
    """

    channels: int = 256
    steps: tuple[int, ...] = (512, 256, 128)
    """Channels of each 3x3 convolution; pixel shuffling makes a quarter of them."""
    keypoints: int = 17
    """COCO's."""

    def require_size(self, name: str, height: int, width: int) -> None:
        """Raise UsageError for an image whose sides are no multiples of 32."""
        _require_multiple(name, height, width, "its heat maps are a quarter of the image", 256, 256)


@dataclass(frozen=True, slots=True)
class DetectionHead:
    """Table 10: YOLOv3's boxes (arXiv:1804.02767), with half of YOLOv3's channels."""

    classes: int = 20
    """Pascal VOC's."""
    channels: tuple[int, ...] = (128, 256, 512)
    """For strides 8, 16 and 32."""

    def __post_init__(self) -> None:
        """Raise UsageError for a detector without classes."""
        require_classes(self.classes)

    @property
    def outputs(self) -> int:
        """Channels of each map of predictions."""
        return len(ANCHORS[0]) * (BOX_NUMBERS + self.classes)

    def require_size(self, name: str, height: int, width: int) -> None:
        """Raise UsageError for an image whose sides are no multiples of 32: maps must fit."""
        _require_multiple(name, height, width, f"its maps have strides {STRIDES}", 416, 416)


def require_classes(classes: int) -> None:
    """Raise UsageError for fewer than one class."""
    if classes < 1:
        raise UsageError(
            f"a network of {classes} classes can tell nothing apart", "give 1 class or more"
        )


Head: TypeAlias = EmbeddingHead | KeypointHead | DetectionHead

SIDES: dict[Task, int] = {"face": 112, "action": 224, "pose": 256, "yolo3": 416}
"""Sides of the image in pixels. Table 9's counts are at 256x256, though the text says 256x192."""
ACTIONS = 51
"""Classes of HMDB51, for Table 8."""


def _require_multiple(
    name: str, height: int, width: int, why: str, usual_height: int, usual_width: int
) -> None:
    if height % LAST_STRIDE or width % LAST_STRIDE:
        near = tuple(
            max(LAST_STRIDE, round(side / LAST_STRIDE) * LAST_STRIDE) for side in (height, width)
        )
        raise UsageError(
            f"{name} can't take images of {height}x{width}: {why}",
            f"multiples of {LAST_STRIDE} work: {near[0]}x{near[1]} is the nearest, "
            f"{usual_height}x{usual_width} the usual",
        )
