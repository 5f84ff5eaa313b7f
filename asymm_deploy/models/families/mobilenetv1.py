"""MobileNetV1: Table 1 of arXiv:1704.04861, for Table 1 of the AsymmNet paper."""

from __future__ import annotations

from typing import NamedTuple

from asymm_deploy.models.spec import NetSpec, Row


class Separable(NamedTuple):
    """Two lines of the table: a 3x3 depthwise and a pointwise convolution."""

    out: int
    stride: int


# fmt: off
MOBILENETV1 = (
    #         out  s
    Separable(  64, 1),  # 112
    Separable( 128, 2),  # 112
    Separable( 128, 1),  # 56
    Separable( 256, 2),  # 56
    Separable( 256, 1),  # 28
    Separable( 512, 2),  # 28
    Separable( 512, 1),  # 14
    Separable( 512, 1),  # 14
    Separable( 512, 1),  # 14
    Separable( 512, 1),  # 14
    Separable( 512, 1),  # 14
    Separable(1024, 2),  # 14
    Separable(1024, 1),  # 7; the table prints stride 2, but its next input is 7x7 too
)
# fmt: on
_STEM_CHANNELS = 32
_MIN_CHANNELS = 8  # as in the authors' code; only matters below width 0.25


def mobilenetv1_spec(percent: int) -> NetSpec:
    """Return MobileNetV1 at a width (the paper's alpha) of ``percent`` / 100."""
    stem = _scaled(_STEM_CHANNELS, percent)
    outs = [_scaled(line.out, percent) for line in MOBILENETV1]
    inputs = [stem, *outs[:-1]]
    return NetSpec(
        name=f"mobilenetv1_{percent:03}",
        family="mobilenetv1",
        scale=None,
        width=percent / 100,
        rate=None,
        stem=stem,
        rows=tuple(
            Row(kernel=3, expanded=channels, out=out, se=False, act="RE", stride=line.stride)
            for channels, out, line in zip(inputs, outs, MOBILENETV1, strict=True)
        ),
        last=None,
        head=None,
        act="RE",
    )


def _scaled(channels: int, percent: int) -> int:
    return max(_MIN_CHANNELS, channels * percent // 100)
