"""What YOLOv3's boxes are measured against: arXiv:1804.02767, section 2.3, without torch."""

from __future__ import annotations

STRIDES = (8, 16, 32)
"""Pixels of the image to a cell, of the three maps."""

# Width and height in pixels of an image of 416x416: clusters of COCO's boxes, small ones first.
ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
"""By stride, three each."""

LARGEST_GROWTH = 62.5
"""Of an anchor's width or height; larger boxes are cut down to it.

exp overflows at 710 (in fp16 at 11), and infinite boxes have no overlap. The bound is that of
torchvision, 1000 / 16: even the smallest anchor becomes 625 pixels, more than YOLOv3's images have.
"""

BOX_NUMBERS = 5
"""What an anchor predicts besides classes: x, y, width, height and whether anything is there."""
