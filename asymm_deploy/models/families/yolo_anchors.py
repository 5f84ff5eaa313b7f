"""YOLOv3's anchors and strides: arXiv:1804.02767, section 2.3. No torch."""

from __future__ import annotations

STRIDES = (8, 16, 32)
"""Pixels of the image per cell, for each of the three maps."""

# Width and height in pixels at 416x416: clusters of COCO's boxes, the small ones first.
ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
"""Three anchors for each stride."""

LARGEST_GROWTH = 62.5
"""The most that a box may exceed its anchor's width or height; larger boxes are cut down.

exp overflows at 710 (in fp16 at 11), and infinite boxes have no overlap. The bound is 1000 / 16, as
in torchvision: even the smallest anchor may grow to 625 pixels, more than YOLOv3's images have.
"""

BOX_NUMBERS = 5
"""An anchor's predictions besides classes: x, y, width, height and objectness."""
