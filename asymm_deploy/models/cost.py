"""What a network costs, layer by layer: records that every way of counting shares. No torch.

One multiply-add (MAdd) is one multiply-accumulate. Convolutions and matrix products are counted;
normalisation, activations, pooling, element-wise arithmetic, concatenation and biases are not.
By that rule the paper's Table 5 comes out at its printed precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

LayerKind = Literal["depthwise", "pointwise", "vanilla", "classifier"]
"""Table 1's kinds of convolution, and matrix products, which the paper counts as pointwise."""

KINDS: tuple[LayerKind, ...] = get_args(LayerKind)


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One execution of one convolution or matrix product."""

    name: str
    """The module's path in a network, or the node's name in a graph."""
    operator: str
    """``conv2d``, ``conv_transpose1d``, ``linear`` (by a weight), ``matmul``, ``lstm``, ..."""
    kind: LayerKind
    output_shape: tuple[int, ...]
    madds: int
    params: int
    """Weights and biases that no earlier layer has used, so that shared ones count once."""
    kernel: tuple[int, ...] = ()
    """Kernel size by spatial axis; like stride and dilation, empty for matrix products."""
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Complexity:
    """A network's cost for inputs of given shapes."""

    layers: tuple[LayerCost, ...]
    """In order of execution."""
    params: int
    """Each parameter once, without running statistics. More than the layers' sum if the network has
    parameters elsewhere, such as BatchNorm's scale and shift.
    """
    uncounted: tuple[str, ...] = ()
    """Operators with weights whose MAdds we can't count; with any of them ``madds`` is too low."""

    @property
    def madds(self) -> int:
        """Multiply-adds of all layers."""
        return sum(layer.madds for layer in self.layers)

    def madds_by_kind(self) -> dict[LayerKind, int]:
        """Return the multiply-adds of each kind, zeros included, in the order of ``KINDS``."""
        return {
            kind: sum(layer.madds for layer in self.layers if layer.kind == kind) for kind in KINDS
        }

    def table1_percent(self) -> tuple[float, float, float]:
        """Return the shares of depthwise, pointwise and vanilla MAdds in percent, as in Table 1.

        The table has no column for the classifier, which counts as a pointwise convolution. All
        three are 0 for a network without MAdds.
        """
        split = self.madds_by_kind()
        whole = max(1, self.madds)
        return (
            100 * split["depthwise"] / whole,
            100 * (split["pointwise"] + split["classifier"]) / whole,
            100 * split["vanilla"] / whole,
        )


def convolution_kind(kernel: Sequence[int], groups: int, in_channels: int) -> LayerKind:
    """Return the kind of a convolution. In a depthwise one each filter sees a single channel."""
    if groups == in_channels > 1:
        return "depthwise"
    return "pointwise" if all(size == 1 for size in kernel) else "vanilla"


# Winograd's F(m, k) makes m outputs of a k-tap filter with m + k - 1 multiplications. Mobile
# engines (MNN among them) go up to tiles of 8 a side: with larger ones fp32 loses too many digits.
WINOGRAD_TILE = 8
# Strassen's algorithm multiplies matrices split in halves with 7 multiplications instead of 8. MNN
# nests it for pointwise convolutions, at most 5 deep, and never below vectors of 4 numbers.
STRASSEN_DEPTH = 5
STRASSEN_SMALLEST = 4


def least_multiplications(complexity: Complexity) -> int:
    """Return the multiplications that remain if every layer uses its fastest known algorithm.

    The arithmetic floor of a latency follows from it, so it is low on purpose: 3x3 convolutions
    count 5.06 times less (F(6, 3): 8 x 8 for 6 x 6 x 9), matrix products up to 1.95 times less.
    """
    return sum(_least(layer) for layer in complexity.layers)


def may_use_winograd(layer: LayerCost) -> bool:
    """Whether engines may compute the layer with Winograd's tiles, which cost some precision."""
    return (
        layer.operator == "conv2d"
        and layer.kind == "vanilla"
        and max(layer.kernel) > 1
        and set(layer.stride) | set(layer.dilation) == {1}
    )


def _least(layer: LayerCost) -> int:
    least = layer.madds
    if layer.kind in ("vanilla", "depthwise") and not layer.operator.startswith("conv_transpose"):
        for size, stride, dilation in zip(layer.kernel, layer.stride, layer.dilation, strict=True):
            outputs = WINOGRAD_TILE + 1 - size  # of one tile
            if stride == dilation == 1 and outputs * size > WINOGRAD_TILE:
                least = least * WINOGRAD_TILE // (outputs * size)
    if layer.kind != "depthwise":
        levels = _strassen_levels(layer)
        least = least * 7**levels // 8**levels
    return least


def _strassen_levels(layer: LayerCost) -> int:
    """Return how often the shortest side of the layer's matrix product can be halved."""
    outputs = prod(layer.output_shape)
    if not outputs:
        return 0
    channel_axis = 1 if layer.kernel else -1
    channels = layer.output_shape[channel_axis] // layer.groups if layer.output_shape else 1
    positions = outputs // max(1, channels * layer.groups)
    shortest = min(channels, positions, layer.madds // outputs)
    levels = 0
    while levels < STRASSEN_DEPTH and shortest >= 2 * STRASSEN_SMALLEST:
        shortest //= 2
        levels += 1
    return levels
