"""MobileNetV2: Table 2 of arXiv:1801.04381, for Table 1 of the AsymmNet paper."""

from __future__ import annotations

from typing import NamedTuple

from asymm_deploy.models.spec import NetSpec, Row


class Stage(NamedTuple):
    """A line of the table: ``repeats`` bottlenecks, of which the first has the stride."""

    factor: int
    out: int
    repeats: int
    stride: int


# fmt: off
MOBILENETV2 = (
    #     t    c  n  s
    Stage(1,  16, 1, 1),  # 112
    Stage(6,  24, 2, 2),  # 112
    Stage(6,  32, 3, 2),  # 56
    Stage(6,  64, 4, 2),  # 28
    Stage(6,  96, 3, 1),  # 14
    Stage(6, 160, 3, 2),  # 14
    Stage(6, 320, 1, 1),  # 7
)
# fmt: on
_STEM_CHANNELS = 32
_LAST_CHANNELS = 1280


def mobilenetv2_spec(percent: int) -> NetSpec:
    """Return MobileNetV2 at a width of ``percent`` / 100."""
    stem = channels = _scaled(_STEM_CHANNELS, percent)
    rows = []
    for stage in MOBILENETV2:
        out = _scaled(stage.out, percent)
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            rows.append(Row(3, channels * stage.factor, out, se=False, act="R6", stride=stride))
            channels = out
    return NetSpec(
        name=f"mobilenetv2_{percent:03}",
        family="mobilenetv2",
        scale=None,
        width=percent / 100,
        rate=None,
        stem=stem,
        rows=tuple(rows),
        # Section 6.1: widths below one do not apply to the very last convolution.
        last=_scaled(_LAST_CHANNELS, max(percent, 100)),
        head=None,
        act="R6",
    )


def _scaled(channels: int, percent: int) -> int:
    """Round to the nearest multiple of 8, at least 8, and never down by more than 10 %."""
    nearest = max(8, (channels * percent + 400) // 800 * 8)
    return nearest + 8 if 10 * 100 * nearest < 9 * channels * percent else nearest
