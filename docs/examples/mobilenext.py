"""MobileNeXt 1.0 from the sandglass of Figure 1, to time beside the paper's networks.

In this folder: ``asymm-deploy bench mobilenext:mobilenext --input-shape 1,3,224,224``
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain

from torch import nn

from asymm_deploy.models.blocks import ConvBNAct
from asymm_deploy.models.drop_ins import Sandglass
from asymm_deploy.models.spec import Row

# fmt: off
MOBILENEXT = (  # the table of arXiv:2007.02269
    # t   out  n  s
    (2,   96, 1, 2),
    (6,  144, 1, 1),
    (6,  192, 3, 2),
    (6,  288, 3, 2),
    (6,  384, 4, 1),
    (6,  576, 4, 2),
    (6,  960, 2, 1),
    (6, 1280, 1, 1),
)
# fmt: on


def released_reduction(channels: int, ratio: int, out: int) -> int:
    """Return what a block narrows to in the authors' code, for the paper's ``channels / ratio``.

    A sixth of the output where that is wider (yitu-opensource/MobileNeXt, models/mnext.py), and
    only so do the paper's 300 M MAdds come out.
    """
    sixth = math.ceil(out / 6)
    return channels // ratio if channels // ratio >= out / 6 else (sixth + 8) // 16 * 16


def mobilenext(reduction: Callable[[int, int, int], int] = released_reduction) -> nn.Module:
    """Return MobileNeXt at width 1.0: (N, 3, H, W) -> (N, 1000)."""
    layers: list[nn.Module] = [ConvBNAct(3, 32, kernel=3, stride=2, act="R6")]
    channels = 32
    for ratio, out, repeats, first in MOBILENEXT:
        for stride in chain([first], [1] * (repeats - 1)):
            row = Row(3, 0, out, False, "R6", stride)
            layers.append(Sandglass(channels, row, reduced=reduction(channels, ratio, out)))
            channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))
