"""AsymmNet and its relatives on the same skeleton: Tables 3 and 4 of the AsymmNet paper.

Pruned (Figure 2b), MBV3 (Figure 2a) and the other blocks of Figure 1 differ from AsymmNet
(Figure 2c) in their block only.
"""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.errors import UsageError
from asymm_deploy.models.spec import NetSpec, OnSkeleton, Row, Scale

# The paper's columns are k, p, c and s. It omits squeeze-and-excitation and the activation and
# says that they are MobileNetV3's (arXiv:1905.02244, Tables 1 and 2); they are filled in here.
# The comment at the right is the side of the block's input in pixels.
# fmt: off
ASYMMNET_LARGE = (  # Table 3, rows 2-16
    #   k  exp  out  se     act   s
    Row(3,  16,  16, False, "RE", 1),  # 112
    Row(3,  64,  24, False, "RE", 2),  # 112
    Row(3,  72,  24, False, "RE", 1),  # 56
    Row(5,  72,  40, True,  "RE", 2),  # 56
    Row(5, 120,  40, True,  "RE", 1),  # 28
    Row(5, 120,  40, True,  "RE", 1),  # 28
    Row(3, 240,  80, False, "HS", 2),  # 28
    Row(3, 200,  80, False, "HS", 1),  # 14
    Row(3, 184,  80, False, "HS", 1),  # 14
    Row(3, 184,  80, False, "HS", 1),  # 14
    Row(3, 480, 112, True,  "HS", 1),  # 14
    Row(3, 672, 112, True,  "HS", 1),  # 14
    Row(5, 672, 160, True,  "HS", 2),  # 14
    Row(5, 960, 160, True,  "HS", 1),  # 7
    Row(5, 960, 160, True,  "HS", 1),  # 7
)
ASYMMNET_SMALL = (  # Table 4, rows 2-12
    #   k  exp  out  se     act   s
    Row(3,  16,  16, True,  "RE", 2),  # 112
    Row(3,  72,  24, False, "RE", 2),  # 56
    Row(3,  88,  24, False, "RE", 1),  # 28
    Row(5,  96,  40, True,  "HS", 2),  # 28
    Row(5, 240,  40, True,  "HS", 1),  # 14
    Row(5, 240,  40, True,  "HS", 1),  # 14
    Row(5, 120,  48, True,  "HS", 1),  # 14
    Row(5, 144,  48, True,  "HS", 1),  # 14
    Row(5, 288,  96, True,  "HS", 2),  # 14
    Row(5, 576,  96, True,  "HS", 1),  # 7
    Row(5, 576,  96, True,  "HS", 1),  # 7
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What the width multiplier applies to, at width 1.0."""

    stem: int
    rows: tuple[Row, ...]
    last: int


SKELETONS: dict[Scale, Skeleton] = {
    "large": Skeleton(16, ASYMMNET_LARGE, 960),  # Table 3, rows 1 and 17
    "small": Skeleton(16, ASYMMNET_SMALL, 576),  # Table 4, rows 1 and 13
}

# The convolution after pooling, at every width. Table 4 prints 1024 for Small, but the MAdds and
# the parameters that the paper publishes for Small only come out with 1280.
HEAD_CHANNELS = 1280

DEFAULT_RATE = 1  # "we set r to 1 in all experiments", section 3.3


def scaled(channels: int, percent: int) -> int:
    """Return ``channels`` x ``percent`` / 100, rounded up to a multiple of 8.

    The paper's MAdds only come out when rounding up, not with MobileNetV3's rule (to the nearest
    multiple, but never down by more than 10 %). In integers, because 200 x 0.28 is
    56.00000000000001 in floats and would become 64.
    """
    return -(-channels * percent // 800) * 8


def expands(expanded: int, channels: int, rate: int) -> bool:
    """Whether a block has a first pointwise convolution.

    ``rate`` x ``channels`` of the ``expanded`` channels are copies of the input, so there must be
    more than that for the convolution to make any.
    """
    return expanded > max(channels, rate * channels)


def asymmnet_spec(scale: Scale, percent: int, rate: int = DEFAULT_RATE) -> NetSpec:
    """Return AsymmNet at a width of ``percent`` / 100 and asymmetry rate ``rate`` (Eq. 3).

    Raises UsageError if no block expands at that rate, although some do at a smaller one.
    """
    suffix = "" if rate == DEFAULT_RATE else f"_r{rate}"
    spec = skeleton_spec("asymmnet", scale, percent, rate, suffix)
    largest = _largest_rate(spec)
    if rate > largest:
        raise UsageError(
            f"asymmetry rate {rate} leaves no block of {spec.name} expanding",
            f"the largest rate that works for asymmnet_{scale}_{percent:03} is {largest}",
        )
    return spec


def skeleton_spec(
    family: OnSkeleton, scale: Scale, percent: int, rate: int | None = None, suffix: str = ""
) -> NetSpec:
    """Return the skeleton with that family's blocks, at a width of ``percent`` / 100.

    ``mbv3`` is the paper's baseline: AsymmNet's skeleton and rounding with the inverted residual,
    not MobileNetV3 as published. AsymmNet itself also has a rate, see ``asymmnet_spec``.
    """
    skeleton = SKELETONS[scale]
    return NetSpec(
        name=f"{family}_{scale}_{percent:03}{suffix}",
        family=family,
        scale=scale,
        width=percent / 100,
        rate=rate,
        stem=scaled(skeleton.stem, percent),
        rows=tuple(
            Row(
                kernel=row.kernel,
                expanded=scaled(row.expanded, percent),
                out=scaled(row.out, percent),
                se=row.se,
                act=row.act,
                stride=row.stride,
            )
            for row in skeleton.rows
        ),
        last=scaled(skeleton.last, percent),
        head=HEAD_CHANNELS,
        act="HS",
    )


def _largest_rate(spec: NetSpec) -> int:
    """Return the largest rate at which a block expands.

    At least 1: rates 0 and 1 expand the same blocks. Where that is none (Small below width 0.014,
    where every layer has 8 channels) the width is the cause, and the network still builds.
    """
    inputs = (spec.stem, *(row.out for row in spec.rows))
    return max(
        1,
        *((row.expanded - 1) // channels for channels, row in zip(inputs, spec.rows, strict=False)),
    )
