"""What a network costs, layer by layer: records shared by every way of counting, without torch.

One multiply-add (MAdd) is one multiply-accumulate. Convolutions and matrix products are counted;
normalisation, activations, pooling, element-wise arithmetic, concatenation and biases are not.
With that rule the paper's Table 5 comes out at its printed precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

LayerKind = Literal["depthwise", "pointwise", "vanilla", "classifier"]
"""Table 1's operators, and matrix products (the paper counts those as pointwise)."""

KINDS: tuple[LayerKind, ...] = get_args(LayerKind)


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One execution of one convolution or matrix product."""

    name: str
    """Its place: the module's path in a network, the node's name in a graph."""
    operator: str
    """``conv2d``, ``conv_transpose1d``, ``linear`` (by a weight), ``matmul``, ``lstm``, ..."""
    kind: LayerKind
    output_shape: tuple[int, ...]
    madds: int
    params: int
    """Weights and biases that no earlier layer has used."""
    kernel: tuple[int, ...] = ()
    """Kernel size by spatial axis; like stride and dilation empty where it means nothing."""
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Complexity:
    """A network's cost for one input of a given shape."""

    layers: tuple[LayerCost, ...]
    """In order of execution."""
    params: int
    """Each parameter once, running statistics excluded; more than the layers' sum if the network
    has parameters elsewhere, such as BatchNorm's scale and shift.
    """
    uncounted: tuple[str, ...] = ()
    """Operators with weights whose MAdds we don't know how to count; ``madds`` is then too low."""

    @property
    def madds(self) -> int:
        """Multiply-adds of all layers."""
        return sum(layer.madds for layer in self.layers)

    def madds_by_kind(self) -> dict[LayerKind, int]:
        """Return the multiply-adds of each kind, zero included, in the order of ``KINDS``."""
        return {
            kind: sum(layer.madds for layer in self.layers if layer.kind == kind) for kind in KINDS
        }

    def table1_percent(self) -> tuple[float, float, float]:
        """Return the shares of depthwise, pointwise and vanilla MAdds in percent, as in Table 1.

        The table has no column for the classifier: it counts as the pointwise convolution that it
        is. All three are 0 for a network without MAdds.
        """
        split = self.madds_by_kind()
        whole = max(1, self.madds)
        return (
            100 * split["depthwise"] / whole,
            100 * (split["pointwise"] + split["classifier"]) / whole,
            100 * split["vanilla"] / whole,
        )


def convolution_kind(kernel: Sequence[int], groups: int, in_channels: int) -> LayerKind:
    """Tell the kinds of convolution apart; a depthwise one sees a single channel a filter."""
    if groups == in_channels > 1:
        return "depthwise"
    return "pointwise" if all(size == 1 for size in kernel) else "vanilla"


# Winograd's F(m, k) makes m outputs of a k-tap filter with m + k - 1 multiplications. Mobile
# engines (MNN among them) go up to tiles of 8 a side: beyond that fp32 loses too many digits.
WINOGRAD_TILE = 8
# Strassen's product of matrices split in halves has 7 multiplications for 8. MNN nests it for
# pointwise convolutions, at most 5 deep, and never below vector registers of 4 numbers.
STRASSEN_DEPTH = 5
STRASSEN_SMALLEST = 4


def least_multiplications(complexity: Complexity) -> int:
    """Return the multiplications that remain when every layer uses its fastest known algorithm.

    A lower bound for the arithmetic floor of a latency, generous on purpose: 3x3 convolutions
    count 5.06 times less (F(6, 3): 8 x 8 for 6 x 6 x 9), matrix products up to 1.95 times.
    """
    return sum(_least(layer) for layer in complexity.layers)


def may_use_winograd(layer: LayerCost) -> bool:
    """Whether engines compute the layer in tiles, with fewer multiplications and fewer digits."""
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
