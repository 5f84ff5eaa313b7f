"""MobileFaceNet: Table 1 of arXiv:1804.07573, for Table 7 of the AsymmNet paper."""

from __future__ import annotations

from asymm_deploy.models.families.mobilenetv2 import Stage
from asymm_deploy.models.spec import IMAGE_CHANNELS, NetSpec, Row
from asymm_deploy.models.tasks import SIDES, EmbeddingHead

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
_STEM_CHANNELS = 64


def mobilefacenet_spec() -> NetSpec:
    """Return MobileFaceNet as published, for 112x112; PReLU throughout."""
    channels = _STEM_CHANNELS
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
        stem=_STEM_CHANNELS,
        rows=tuple(rows),
        last=None,
        head=None,
        act="PR",
        input_shape=(1, IMAGE_CHANNELS, SIDES["face"], SIDES["face"]),
        after_stem="depthwise",
        task=EmbeddingHead(),
    )
