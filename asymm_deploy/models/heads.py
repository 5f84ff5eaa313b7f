"""The heads that replace the classifier on a backbone, for Tables 7, 9 and 10."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, cat, nn

from asymm_deploy.models import tasks
from asymm_deploy.models.blocks import ConvBNAct
from asymm_deploy.models.families.yolo_anchors import ANCHORS, BOX_NUMBERS, LARGEST_GROWTH, STRIDES

Features = Sequence[Tensor]
"""A backbone's maps from the largest to the smallest, each (N, channels, H, W)."""


class Embedding(nn.Module):
    """MobileFaceNet's last layers: global depthwise convolution and embedding, both linear."""

    def __init__(self, channels: Sequence[int], head: tasks.EmbeddingHead) -> None:
        super().__init__()
        wide = head.channels
        self.widen = ConvBNAct(channels[-1], wide, act="PR")
        self.pool = ConvBNAct(wide, wide, kernel=head.map_size, groups=wide, padded=False, act=None)
        self.embed = ConvBNAct(wide, head.size, act=None)

    def forward(self, features: Features) -> Tensor:
        """[(N, channels, 7, 7)] -> (N, 128), not normalised."""
        embedding: Tensor = self.embed(self.pool(self.widen(features[-1])))
        return embedding.flatten(1)


class Enlarge(nn.Sequential):
    """3x3 convolution, BatchNorm, ReLU and pixel shuffling.

    (N, channels, H, W) -> (N, out / 4, 2 H, 2 W).
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = ConvBNAct(channels, out, kernel=3, act="RE")
        self.shuffle = nn.PixelShuffle(2)


class HeatMaps(nn.Module):
    """SimplePose's heat maps: the last map enlarged step by step into one map per keypoint."""

    def __init__(self, channels: Sequence[int], head: tasks.KeypointHead) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels[-1], head.channels, 1, bias=False)
        inputs = (head.channels, *(step // 4 for step in head.steps))
        self.enlarge = nn.Sequential(
            *(Enlarge(given, step) for given, step in zip(inputs, head.steps, strict=False))
        )
        self.heat_maps = nn.Conv2d(inputs[-1], head.keypoints, 1, bias=False)

    def forward(self, features: Features) -> Tensor:
        """[(N, channels, H / 32, W / 32)] -> (N, 17, H / 4, W / 4)."""
        maps: Tensor = self.heat_maps(self.enlarge(self.reduce(features[-1])))
        return maps


class Predictions(nn.Module):
    """One scale of YOLOv3: five convolutions that the next scale reuses, and two that predict."""

    def __init__(self, channels: int, width: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvBNAct(channels, width, act="LR"),
            ConvBNAct(width, 2 * width, kernel=3, act="LR"),
            ConvBNAct(2 * width, width, act="LR"),
            ConvBNAct(width, 2 * width, kernel=3, act="LR"),
            ConvBNAct(2 * width, width, act="LR"),
        )
        self.tip = ConvBNAct(width, 2 * width, kernel=3, act="LR")
        self.predict = nn.Conv2d(2 * width, outputs, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, channels, H, W) -> (N, width, H, W) for the next scale, and (N, outputs, H, W)."""
        shared = self.body(x)
        return shared, self.predict(self.tip(shared))


class Boxes(nn.Module):
    """Maps of predictions -> boxes and scores, for one image size (YOLOv3, section 2.1).

    The constants have one row per box, so that no arithmetic with anchors is left at run time.
    """

    corners: Tensor
    """(boxes, 2): x and y of each box's cell in pixels."""
    cells: Tensor
    """(boxes, 1): side of the cell in pixels."""
    halves: Tensor
    """(boxes, 2): half of the anchor's width and height in pixels."""

    def __init__(self, height: int, width: int, classes: int) -> None:
        super().__init__()
        self.numbers = BOX_NUMBERS + classes
        corners, cells, halves = [], [], []
        for stride, anchors in zip(STRIDES, ANCHORS, strict=True):
            down, across = torch.meshgrid(
                torch.arange(height // stride), torch.arange(width // stride), indexing="ij"
            )
            corner = torch.stack((across, down), -1).reshape(-1, 1, 2) * float(stride)
            corners.append(corner.expand(-1, len(anchors), 2).reshape(-1, 2))
            cells.append(torch.full((len(corners[-1]), 1), float(stride)))
            half = torch.tensor(anchors, dtype=torch.float32) / 2
            halves.append(half.expand(len(corner), len(anchors), 2).reshape(-1, 2))
        self.register_buffer("corners", cat(corners), persistent=False)
        self.register_buffer("cells", cat(cells), persistent=False)
        self.register_buffer("halves", cat(halves), persistent=False)

    def forward(self, maps: Features) -> tuple[Tensor, Tensor]:
        """[(N, 3 (5 + classes), H / stride, W / stride)] -> (N, boxes, 4), (N, boxes, classes).

        A box is x1, y1, x2, y2 in pixels of the image. Boxes come scale by scale from stride 8 to
        32, within a scale row by row and anchor by anchor. A score is P(object) P(class | object).
        No box is larger than ``LARGEST_GROWTH`` times its anchor, so that nothing overflows, not
        even in fp16.
        """
        rows = cat(
            [m.flatten(2).transpose(1, 2).reshape(m.shape[0], -1, self.numbers) for m in maps], 1
        )
        centre = rows[..., 0:2].sigmoid() * self.cells + self.corners
        half = rows[..., 2:4].clamp(max=math.log(LARGEST_GROWTH)).exp() * self.halves
        scores = rows[..., 4:5].sigmoid() * rows[..., BOX_NUMBERS:].sigmoid()
        return cat((centre - half, centre + half), -1), scores


class Detection(nn.Module):
    """YOLOv3: predictions at three scales, each enlarged and joined to the next finer one."""

    def __init__(
        self, channels: Sequence[int], head: tasks.DetectionHead, height: int, width: int
    ) -> None:
        super().__init__()
        own = head.channels
        joined = [tap + enlarged for tap, enlarged in zip(channels[:-1], own[:-1], strict=True)]
        self.scales = nn.ModuleList(
            Predictions(given, made, head.outputs)
            for given, made in zip((*joined, channels[-1]), own, strict=True)
        )
        self.narrow = nn.ModuleList(
            ConvBNAct(coarse, fine, act="LR") for fine, coarse in pairwise(own)
        )
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.boxes = Boxes(height, width, head.classes)

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """[(N, channels, H / stride, W / stride)] -> (N, boxes, 4), (N, boxes, classes)."""
        boxes, scores = self.boxes(self.maps(features))
        return boxes, scores

    def maps(self, features: Features) -> list[Tensor]:
        """Return the raw predictions of strides 8, 16 and 32.

        [(N, channels, H / stride, W / stride)] -> [(N, 3 (5 + classes), H / stride, W / stride)].
        """
        found: list[Tensor] = []
        x = features[-1]
        for level in reversed(range(len(self.scales))):
            shared, predicted = self.scales[level](x)
            found.insert(0, predicted)
            if level:
                x = cat((self.enlarge(self.narrow[level - 1](shared)), features[level - 1]), 1)
        return found
