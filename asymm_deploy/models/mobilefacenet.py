"""MobileFaceNet: Table 1 of arXiv:1804.07573, for Table 7 of the AsymmNet paper."""

from __future__ import annotations

from typing import NamedTuple

from asymm_deploy.models.spec import IMAGE_CHANNELS, NetSpec, Row
from asymm_deploy.models.tasks import SIDES, EmbeddingHead


class Stage(NamedTuple):
    """A line of the table: ``repeats`` bottlenecks, of which the first has the stride."""

    factor: int
    out: int
    repeats: int
    stride: int


# fmt: off
MOBILEFACENET = (
    #     t    c  n  s
    Stage(2,  64, 5, 2),  # 56
    Stage(4, 128, 1, 2),  # 28
    Stage(2, 128, 6, 1),  # 14
    Stage(4, 128, 1, 2),  # 14
    Stage(2, 128, 2, 1),  # 7
)
# fmt: on
STEM_CHANNELS = 64


def mobilefacenet_spec() -> NetSpec:
    """Return MobileFaceNet as published, for 112x112; PReLU throughout."""
    channels = STEM_CHANNELS
    rows = []
    for stage in MOBILEFACENET:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            rows.append(Row(3, channels * stage.factor, stage.out, False, "PR", stride))
            channels = stage.out
    return NetSpec(
        name="mobilefacenet",
        family="mobilefacenet",
        scale=None,
        width=1.0,
        rate=None,
        stem=STEM_CHANNELS,
        rows=tuple(rows),
        last=None,
        head=None,
        act="PR",
        input_shape=(1, IMAGE_CHANNELS, SIDES["face"], SIDES["face"]),
        after_stem="depthwise",
        task=EmbeddingHead(),
    )
