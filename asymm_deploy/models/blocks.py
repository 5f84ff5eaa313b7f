"""The blocks that the networks are stacked from: Figure 2 of the paper, and MobileNetV1's.

Those of Figure 1 that the paper only refers to are in ``drop_ins.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, cat, nn

from asymm_deploy.models.families.asymmnet import expands
from asymm_deploy.models.spec import Act, Row

LEAKY_SLOPE = 0.1
"""Of LeakyReLU in Darknet, the framework of YOLOv3."""

# Each takes the number of channels. They are torch's own modules because the ONNX exporter writes
# each of those as a single operator.
_ACTIVATIONS: dict[Act, Callable[[int], nn.Module]] = {
    "RE": lambda _: nn.ReLU(),
    "HS": lambda _: nn.Hardswish(),
    "R6": lambda _: nn.ReLU6(),
    "PR": nn.PReLU,
    "LR": lambda _: nn.LeakyReLU(LEAKY_SLOPE),
}


def activation(act: Act, channels: int) -> nn.Module:
    """Return the module of an activation: (N, channels, H, W) -> the same shape."""
    return _ACTIVATIONS[act](channels)


class ConvBNAct(nn.Sequential):
    """Convolution, BatchNorm and, unless ``act`` is None, an activation.

    (N, channels, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)), for odd ``kernel``.
    Without padding, H and W first shrink by ``kernel`` - 1.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        padded: bool = True,
        act: Act | None,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if padded else 0
        self.conv = nn.Conv2d(
            channels, out, kernel, stride, padding=padding, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out)
        if act is not None:
            self.act = activation(act, out)


class ConvAct(nn.Sequential):
    """Pointwise convolution without bias, and an activation.

    (N, channels, H, W) -> (N, out, H, W).
    """

    def __init__(self, channels: int, out: int, *, act: Act) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1, bias=False)
        self.act = activation(act, out)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate in [0, 1] computed from all channels' means; keeps the shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = -(-(channels // 4) // 8) * 8
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.act = nn.ReLU()
        self.expand = nn.Conv2d(reduced, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        gate: Tensor = self.gate(self.expand(self.act(self.reduce(self.pool(x)))))
        return x * gate


class Block(nn.Module, ABC):
    """A block of a network, which may have a residual connection."""

    @abstractmethod
    def last_norms(self) -> tuple[nn.BatchNorm2d, ...]:
        """Return the BatchNorms whose output is added to the input; they scale what is added."""


class Bottleneck(Block):
    """What the three bottlenecks of Figure 2 have in common: Y = X + PW(DW(widened X)).

    (N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride)). X is added where
    the shapes agree. A subclass defines how X is widened.
    """

    def __init__(self, channels: int, row: Row, *, made: int, widened: int) -> None:
        """Make ``made`` channels with a pointwise convolution (none if 0), ``widened`` in total."""
        super().__init__()
        self.expand = ConvBNAct(channels, made, act=row.act) if made else None
        self.depthwise = ConvBNAct(
            widened, widened, kernel=row.kernel, stride=row.stride, groups=widened, act=row.act
        )
        self.se = SqueezeExcite(widened) if row.se else None
        self.project = ConvBNAct(widened, row.out, act=None)
        self.residual = row.stride == 1 and channels == row.out

    def last_norms(self) -> tuple[nn.BatchNorm2d, ...]:
        """Return the BatchNorm of the projection."""
        return (self.project.bn,)

    @abstractmethod
    def widen(self, x: Tensor, made: Tensor) -> Tensor:
        """Join the input and the first pointwise convolution's output."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = x if self.expand is None else self.widen(x, self.expand(x))
        y = self.depthwise(y)
        if self.se is not None:
            y = self.se(y)
        y = self.project(y)
        return x + y if self.residual else y


class InvertedResidual(Bottleneck):
    """Figure 2(a): the depthwise convolution sees the expanded channels only."""

    def __init__(self, channels: int, row: Row, *, expand: bool) -> None:
        widened = row.expanded if expand else channels
        super().__init__(channels, row, made=row.expanded if expand else 0, widened=widened)

    def widen(self, x: Tensor, made: Tensor) -> Tensor:  # noqa: ARG002  the input is dropped
        """Drop the input."""
        return made


class PrunedBottleneck(Bottleneck):
    """Figure 2(b), Eq. 1 and 2: the input itself is ``channels`` of the expanded channels."""

    def __init__(self, channels: int, row: Row) -> None:
        expand = expands(row.expanded, channels, rate=1)
        made, widened = (row.expanded - channels, row.expanded) if expand else (0, channels)
        super().__init__(channels, row, made=made, widened=widened)

    def widen(self, x: Tensor, made: Tensor) -> Tensor:
        """Concat(X, Y), as in Eq. 1."""
        return cat((x, made), 1)


class AsymmetricalBottleneck(Bottleneck):
    """Figure 2(c), Eq. 3: ``2 * rate`` copies of the input, half before and half after Y.

    The first pointwise convolution makes ``rate * channels`` channels fewer than in the inverted
    residual; the depthwise and the second pointwise see that many more. Where no channels would be
    left to make, there is no first convolution and the other two work on the input alone.
    """

    def __init__(self, channels: int, row: Row, rate: int) -> None:
        expand = expands(row.expanded, channels, rate)
        reused = rate * channels
        super().__init__(
            channels,
            row,
            made=row.expanded - reused if expand else 0,
            widened=row.expanded + reused if expand else channels,
        )
        self.rate = rate

    def widen(self, x: Tensor, made: Tensor) -> Tensor:
        """Concat(r X, Y, r X); at rate 0 this is the inverted residual."""
        copies = (x,) * self.rate
        return cat((*copies, made, *copies), 1) if self.rate else made


class DepthwiseSeparable(nn.Sequential):
    """MobileNetV1's block: a depthwise and a pointwise convolution, each with BN and activation.

    (N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, channels: int, row: Row) -> None:
        super().__init__()
        self.depthwise = ConvBNAct(
            channels, channels, kernel=row.kernel, stride=row.stride, groups=channels, act=row.act
        )
        self.pointwise = ConvBNAct(channels, row.out, act=row.act)
