"""The blocks of other papers in Figure 1, as drop-in replacements for the paper's own.

Each follows its own paper, with the kernel, channels, stride and activation of the row:
(N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride)), for odd kernels. Where
a row asks for squeeze-and-excite and the block's paper has none, it follows the spatial
convolution, as in MobileNetV3, unless the block's docstring says otherwise. A Ghost module uses the
row's kernel only where it strides or projects.
"""

from __future__ import annotations

from torch import Tensor, cat, nn, split

from asymm_deploy.models.blocks import Block, ConvBNAct, SqueezeExcite, activation
from asymm_deploy.models.spec import Act, Row

_BOTTLENECK_RATIO = 4  # Table 1 of arXiv:1512.03385: 256 to 64, and so on
_SANDGLASS_RATIO = 6  # t in every row of MobileNeXt (arXiv:2007.02269) except the first
_GHOST_KERNEL = 3  # d of arXiv:1911.11907; its s is 2, one cheap channel for each primary one


class ResidualBottleneck(Block):
    """Figure 1(a): He et al., arXiv:1512.03385, Figure 5 (right): PW to ``mid``, vanilla, PW.

    The input, or its projection where shapes differ (option B), is added before the last
    activation. The spatial convolution has the stride, as in v1b and torchvision, not the first
    pointwise one. ``mid`` defaults to a quarter of ``row.out``, rounded up to a multiple of 8;
    ``row.expanded`` is not used.
    """

    def __init__(self, channels: int, row: Row, *, mid: int | None = None) -> None:
        super().__init__()
        mid = _part(row.out, _BOTTLENECK_RATIO) if mid is None else mid
        self.reduce = ConvBNAct(channels, mid, act=row.act)
        self.spatial = ConvBNAct(mid, mid, kernel=row.kernel, stride=row.stride, act=row.act)
        self.se = SqueezeExcite(mid) if row.se else None
        self.restore = ConvBNAct(mid, row.out, act=None)
        self.shortcut = None
        if row.stride != 1 or channels != row.out:
            self.shortcut = ConvBNAct(channels, row.out, stride=row.stride, act=None)
        self.act = activation(row.act, row.out)

    def last_norms(self) -> tuple[nn.BatchNorm2d, ...]:
        """Return the BatchNorm after the second pointwise convolution."""
        return (self.restore.bn,)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.spatial(self.reduce(x))
        if self.se is not None:
            y = self.se(y)
        y = self.restore(y)
        shortcut: Tensor = x if self.shortcut is None else self.shortcut(x)
        total: Tensor = self.act(shortcut + y)
        return total


class Sandglass(Block):
    """Figure 1(c): Zhou et al., arXiv:2007.02269, Eq. 2 to 4: X + DW(PW(PW(DW(X)))).

    The first depthwise and the second pointwise convolution have activations; the last depthwise
    has the stride. Where shapes agree all of the input is added (an identity tensor multiplier of
    1), after squeeze-and-excite, as in the authors' code. ``reduced`` defaults to a sixth of
    ``channels``, rounded up to a multiple of 8; ``row.expanded`` is not used.
    """

    def __init__(self, channels: int, row: Row, *, reduced: int | None = None) -> None:
        super().__init__()
        reduced = _part(channels, _SANDGLASS_RATIO) if reduced is None else reduced
        self.first = ConvBNAct(channels, channels, kernel=row.kernel, groups=channels, act=row.act)
        self.reduce = ConvBNAct(channels, reduced, act=None)
        self.expand = ConvBNAct(reduced, row.out, act=row.act)
        self.last = _depthwise(row.out, row)
        self.se = SqueezeExcite(row.out) if row.se else None
        self.residual = row.stride == 1 and channels == row.out

    def last_norms(self) -> tuple[nn.BatchNorm2d, ...]:
        """Return the BatchNorm after the second depthwise convolution, if the input is added."""
        return (self.last.bn,) if self.residual else ()

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.last(self.expand(self.reduce(self.first(x))))
        if self.se is not None:
            y = self.se(y)
        return x + y if self.residual else y


class ShuffleUnit(Block):
    """Figure 1(d): Ma et al., arXiv:1807.11164, Figure 3(c) and, where shapes differ, 3(d).

    3(c) leaves half of the channels as they are and sends the other half through PW, DW, PW; 3(d)
    sends all of them through that and, in a second branch, through DW, PW. Depthwise convolutions
    have no activation. Each branch makes half of ``row.out``, and the shuffle alternates their
    channels. Squeeze-and-excite ends the longer branch, as in the authors' ShuffleNetV2+.
    ``row.expanded`` is not used.
    """

    def __init__(self, channels: int, row: Row) -> None:
        super().__init__()
        if row.out % 2:
            raise ValueError(f"a shuffle unit makes an even number of channels, not {row.out}")
        half = row.out // 2
        splits = row.stride == 1 and channels == row.out
        self.left = None
        if not splits:
            self.left = _Separable(channels, half, row, act=row.act)
        self.first = ConvBNAct(half if splits else channels, half, act=row.act)
        self.rest = _Separable(half, half, row, act=row.act)
        self.se = SqueezeExcite(half) if row.se else None
        self.branch = half

    def last_norms(self) -> tuple[nn.BatchNorm2d, ...]:
        """Return none: the halves are concatenated, not added."""
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride))."""
        left, right = split(x, self.branch, 1) if self.left is None else (self.left(x), x)
        right = self.rest(self.first(right))
        if self.se is not None:
            right = self.se(right)
        return shuffled(left, right)


def shuffled(left: Tensor, right: Tensor) -> Tensor:
    """Return Concat(left, right) with the channels shuffled: left's and right's alternate.

    2 x (N, C, H, W) -> (N, 2 C, H, W). Concatenated along H, the two maps of a channel already lie
    in memory like two channels, so a reshape is enough and no transposition is needed.
    """
    batch, channels, height, width = left.shape
    return cat((left, right), 2).reshape(batch, 2 * channels, height, width)


class GhostModule(nn.Module):
    """Figure 1(e): Han et al., arXiv:1911.11907, Eq. 2 and 3, with s = 2 and d = 3.

    (N, channels, H, W) -> (N, out, H, W). A pointwise convolution makes the first half of the
    channels, and a depthwise one makes the second half from the first. If ``out`` is odd, one
    channel too many is made and the last is cut off, as in the authors' code.
    """

    def __init__(self, channels: int, out: int, *, act: Act | None) -> None:
        super().__init__()
        half = -(-out // 2)
        self.primary = ConvBNAct(channels, half, act=act)
        self.cheap = ConvBNAct(half, half, kernel=_GHOST_KERNEL, groups=half, act=act)
        self.odd = out % 2 == 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H, W)."""
        made: Tensor = self.primary(x)
        y = cat((made, self.cheap(made)), 1)
        return y[:, :-1] if self.odd else y


class GhostBottleneck(Block):
    """Figure 3 of arXiv:1911.11907: a ghost module expands, another one projects.

    Between them are a depthwise convolution, if there is a stride, and squeeze-and-excite. Neither
    the depthwise convolution nor the projection has an activation. The input is added as it is or,
    where shapes differ, after a depthwise and a pointwise convolution.
    """

    def __init__(self, channels: int, row: Row) -> None:
        super().__init__()
        self.expand = GhostModule(channels, row.expanded, act=row.act)
        self.depthwise = None
        if row.stride != 1:
            self.depthwise = _depthwise(row.expanded, row)
        self.se = SqueezeExcite(row.expanded) if row.se else None
        self.project = GhostModule(row.expanded, row.out, act=None)
        self.shortcut = None
        if row.stride != 1 or channels != row.out:
            self.shortcut = _Separable(channels, row.out, row, act=None)

    def last_norms(self) -> tuple[nn.BatchNorm2d, ...]:
        """Return both BatchNorms of the second ghost module: each makes half of the channels."""
        return (self.project.primary.bn, self.project.cheap.bn)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, row.out, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.expand(x)
        if self.depthwise is not None:
            y = self.depthwise(y)
        if self.se is not None:
            y = self.se(y)
        y = self.project(y)
        shortcut: Tensor = x if self.shortcut is None else self.shortcut(x)
        return shortcut + y


class _Separable(nn.Sequential):
    """The row's depthwise convolution and a pointwise one; only the latter has an activation.

    (N, channels, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, channels: int, out: int, row: Row, *, act: Act | None) -> None:
        super().__init__()
        self.depthwise = _depthwise(channels, row)
        self.pointwise = ConvBNAct(channels, out, act=act)


def _depthwise(channels: int, row: Row) -> ConvBNAct:
    """Return the row's depthwise convolution, without an activation."""
    return ConvBNAct(
        channels, channels, kernel=row.kernel, stride=row.stride, groups=channels, act=None
    )


def _part(channels: int, ratio: int) -> int:
    """Return ``channels`` // ``ratio``, rounded up to a multiple of 8 and at least 8."""
    return max(8, -(-(channels // ratio) // 8) * 8)
