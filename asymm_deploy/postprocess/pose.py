"""From heat maps to keypoints, as in SimplePose (Xiao et al., ECCV 2018, arXiv:1804.06208)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.postprocess.arrays import Floats, Indices, finite

SHIFT = 0.25
"""Share of a heat map's pixel to go towards the higher neighbour, where the true maximum lies.

As in the authors' code and in HRNet's (``get_final_preds``).
"""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The K keypoints of N people."""

    xy: Floats
    """(N, K, 2): x to the right and y down, in pixels of the network's input; NaN if not found."""
    scores: Floats
    """(N, K): the heat map's maximum. A keypoint with 0 or less was not found."""


def keypoints(heat_maps: npt.ArrayLike, image_size: tuple[int, int]) -> Keypoints:
    """Return where each heat map has its maximum, in an image of ``image_size`` (height, width).

    Heat maps are (N, K, h, w); N or K may be 0. Of equal maxima the first in the first row counts.
    From there the keypoint is shifted by a quarter of a pixel towards the higher neighbour, along x
    and along y, wherever there are two neighbours.

    Pixel m of a heat map is at m * image size / heat map size, without the half pixel that goes
    with areas, because that is what networks learn: SimplePose's targets have their maximum at
    floor(joint / stride + 1/2), so m stands for joints around m * stride. The authors' code,
    HRNet's and GluonCV's map back in the same way.

    Those differ in three ways: the first two shift only where x and y both have two neighbours
    and neither is 1, GluonCV's ``heatmap_to_coord`` doesn't shift, and all put a keypoint whose
    maximum is 0 or less at pixel (0, 0). Here it is NaN, since (0, 0) looks like a place.

    Raises ValueError if the heat maps have no pixels or hold NaN or infinity, or if the image has
    no pixels.
    """
    maps = finite(heat_maps, "heat maps", ("N", "K", "height", "width"))
    height, width = maps.shape[2:]
    if not (height and width):
        raise ValueError(
            f"heat maps of {height}x{width} pixels have no maximum; "
            "give (N, K, height, width), with at least one pixel"
        )
    image_height, image_width = image_size
    if not (image_height >= 1 and image_width >= 1):  # NaN is neither
        raise ValueError(
            f"an image of {image_height}x{image_width} pixels has no keypoints; "
            "give the (height, width) of the network's input"
        )
    y, x = np.divmod(maps.reshape(*maps.shape[:2], height * width).argmax(axis=-1), width)
    row = np.take_along_axis(maps, y[..., None, None], axis=2)[:, :, 0]
    column = np.take_along_axis(maps, x[..., None, None], axis=3)[..., 0]
    scores = _at(row, x)
    xy = np.stack(
        [
            (x + _shift(row, x)) * (image_width / width),
            (y + _shift(column, y)) * (image_height / height),
        ],
        axis=-1,
    )
    return Keypoints(xy=np.where(scores[..., None] > 0, xy, np.nan), scores=scores)


def _shift(line: Floats, at: Indices) -> Floats:
    """Return how far along ``line`` (N, K, length) to go from its maximum ``at`` (N, K)."""
    last = line.shape[-1] - 1
    slope = _at(line, np.minimum(at + 1, last)) - _at(line, np.maximum(at - 1, 0))
    return np.where((at > 0) & (at < last), SHIFT * np.sign(slope), 0.0)


def _at(line: Floats, index: Indices) -> Floats:
    return np.take_along_axis(line, index[..., None], axis=-1)[..., 0]
