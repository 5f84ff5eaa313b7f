"""ResNet-50 as GluonCV's resnet50_v1b, for Table 8 of the AsymmNet paper.

Table 1 of arXiv:1512.03385, column "50-layer"; v1b has the stride in the 3x3 convolution.
"""

from __future__ import annotations

from typing import NamedTuple

from asymm_deploy.models.spec import NetSpec, Row


class ResNetStage(NamedTuple):
    """A line of the table: ``repeats`` bottlenecks, of which the first has the stride."""

    mid: int
    out: int
    repeats: int
    stride: int


# fmt: off
RESNET50 = (
    #           mid   out  n  s
    ResNetStage( 64,  256, 3, 1),  # 56
    ResNetStage(128,  512, 4, 2),  # 56
    ResNetStage(256, 1024, 6, 2),  # 28
    ResNetStage(512, 2048, 3, 2),  # 14
)
# fmt: on
_STEM_CHANNELS = 64
_STEM_KERNEL = 7


def resnet50_v1b_spec() -> NetSpec:
    """Return ResNet-50: 7x7 stem, max pooling, 16 bottlenecks."""
    return NetSpec(
        name="resnet50_v1b",
        family="resnet50_v1b",
        scale=None,
        width=1.0,
        rate=None,
        stem=_STEM_CHANNELS,
        rows=tuple(
            Row(3, stage.mid, stage.out, False, "RE", stage.stride if repeat == 0 else 1)
            for stage in RESNET50
            for repeat in range(stage.repeats)
        ),
        last=None,
        head=None,
        act="RE",
        stem_kernel=_STEM_KERNEL,
        after_stem="maxpool",
    )
