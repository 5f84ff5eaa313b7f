"""Where a network looks for a person: a box made larger, in the shape of the network's input.

As SimplePose's authors do (Xiao et al., arXiv:1804.06208; their get_affine_transform and cv2's
warpAffine), and GluonCV: the box grows to the input's aspect ratio and then by a quarter, and pixel
i of the input is pixel ``left + i * step`` of the image. What is outside the image is black.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asymm_deploy.images.preprocessing import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from asymm_deploy.evaluate.tasks.coco_people import Box
    from asymm_deploy.postprocess.arrays import Floats

GROWTH = 1.25


@dataclass(frozen=True, slots=True)
class PersonCrop:
    """A part of an image, by pixels' numbers."""

    left: float
    top: float
    step_x: float
    """Pixels of the image for each of the input."""
    step_y: float

    def pixels(self, image: Image, height: int, width: int) -> Pixels:
        """Return the input's pixels (height, width, channels), between four of the image's."""
        from PIL import Image as Images

        # Pillow's pixel i reaches from i to i + 1, and cv2's from i - 1/2 to i + 1/2.
        left, top = (
            start + 0.5 - step / 2
            for start, step in ((self.left, self.step_x), (self.top, self.step_y))
        )
        box = (left, top, left + width * self.step_x, top + height * self.step_y)
        found = image.transform(
            (width, height), Images.Transform.EXTENT, box, Images.Resampling.BILINEAR
        )
        return np.asarray(found, np.uint8).reshape(height, width, -1)

    def in_image(self, xy: Floats) -> Floats:
        """Return points (..., 2) of the input as points of the image."""
        return xy * (self.step_x, self.step_y) + (self.left, self.top)


def person_crop(box: Box, height: int, width: int) -> PersonCrop:
    """Return the crop for a box with an area, for an input of ``height`` x ``width`` pixels."""
    x, y, box_width, box_height = box
    wide = GROWTH * max(box_width, box_height * width / height)
    high = wide * height / width
    return PersonCrop(
        x + box_width / 2 - wide / 2, y + box_height / 2 - high / 2, wide / width, high / height
    )
