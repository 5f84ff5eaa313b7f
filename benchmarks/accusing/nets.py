"""Ten nets as other people have them, in plain torch; statistics of BatchNorm are not trivial ones.

Each callable returns a module with random weights of a fixed seed; `SHAPES` has its input. Widths
are smaller than published ones, blocks are as published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.zoo_nets.plain_nets import SsdHead, UNet, WaveNet

SHAPES = {
    "resnet18": "1,3,64,64",
    "mobilenet_v2": "1,3,64,64",
    "shufflenet_v2": "1,3,64,64",
    "densenet": "1,3,64,64",
    "efficientnet": "1,3,64,64",
    "vit_tiny": "1,3,64,64",
    "unet": "1,3,64,64",
    "super_resolution": "1,1,32,32",
    "ssd_head": "1,3,64,64",
    "wavenet": "1,1,128",
}
"""``--input-shape`` by the name of the callable."""


def conv(
    a: int, b: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: nn.Module | None = None
) -> nn.Sequential:
    """Return a convolution, its BatchNorm, and an activation if there is one."""
    layers: list[nn.Module] = [
        nn.Conv2d(a, b, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(b),
    ]
    return nn.Sequential(*layers, *([] if act is None else [act]))


class Residual(nn.Module):
    """He et al. 2015, figure 5 left: two 3x3, and a 1x1 beside them where the shape changes."""

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(a, b, 3, stride, act=nn.ReLU()), conv(b, b))
        self.beside = nn.Identity() if (a, stride) == (b, 1) else conv(a, b, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, a, H, W) -> (N, b, H / stride, W / stride)."""
        return functional.relu(self.body(x) + self.beside(x))


class Inverted(nn.Module):
    """Sandler et al. 2018, and with ``squeeze`` Tan and Le 2019: expand, depthwise, project."""

    def __init__(
        self, a: int, b: int, stride: int, act: Callable[[], nn.Module], *, squeeze: bool = False
    ) -> None:
        super().__init__()
        wide = 4 * a
        self.expand = conv(a, wide, 1, act=act())
        self.depthwise = conv(wide, wide, 3, stride, wide, act())
        self.se: nn.Sequential | None = None
        if squeeze:
            self.se = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(wide, a, 1),
                nn.SiLU(),
                nn.Conv2d(a, wide, 1),
                nn.Sigmoid(),
            )
        self.project = conv(wide, b, 1)
        self.adds = (a, stride) == (b, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, a, H, W) -> (N, b, H / stride, W / stride)."""
        y = self.depthwise(self.expand(x))
        if self.se is not None:
            y = y * self.se(y)
        y = self.project(y)
        return cast(Tensor, x + y if self.adds else y)


class Shuffled(nn.Module):
    """Ma et al. 2018, figure 3c: half of the channels pass, the other half is convolved."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(
            conv(half, half, 1, act=nn.ReLU()),
            conv(half, half, 3, groups=half),
            conv(half, half, 1, act=nn.ReLU()),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W), the same."""
        a, b = x.chunk(2, 1)
        both = torch.cat((a, self.branch(b)), 1)
        n, c, h, w = both.shape
        return both.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Dense(nn.Module):
    """Huang et al. 2016: norm, activation and convolution of all that came before."""

    def __init__(self, a: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(a), nn.Conv2d(a, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, a, H, W) -> (N, a + growth, H, W)."""
        return torch.cat((x, self.conv(functional.relu(self.norm(x)))), 1)


class Encoder(nn.Module):
    """Dosovitskiy et al. 2020: attention and a GELU net, each after its LayerNorm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width), the same."""
        n, t, c = x.shape
        qkv = self.qkv(self.before(x)).reshape(n, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(n, t, c))
        return cast(Tensor, x + self.mlp(self.after(x)))


class Vit(nn.Module):
    """Patches of 16, a class token, three encoders."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 17, width) * 0.3)
        self.encoders = nn.Sequential(*(Encoder(width, 4) for _ in range(3)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 64, 64) -> (N, 10)."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.token.expand(len(x), -1, -1), tokens), 1)
        return cast(Tensor, self.head(self.norm(self.encoders(tokens + self.places))[:, 0]))


class SuperResolution(nn.Module):
    """Shi et al. 2016: sub-pixels; added to the image enlarged bilinearly."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.PReLU(32), nn.Conv2d(32, 16, 3, padding=1), nn.Tanh()
        )
        self.last, self.shuffle = nn.Conv2d(16, 9, 3, padding=1), nn.PixelShuffle(3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 1, 3 H, 3 W)."""
        large = functional.interpolate(x, scale_factor=3, mode="bilinear", align_corners=False)
        return cast(Tensor, large + self.shuffle(self.last(self.body(x))))


def resnet18() -> nn.Module:
    """(N, 3, H, W) -> (N, 10); a quarter of the channels."""
    return _made(
        lambda: nn.Sequential(
            conv(3, 16, 7, 2, act=nn.ReLU()),
            nn.MaxPool2d(3, 2, 1),
            *(
                Residual(a, b, stride)
                for a, b, stride in (
                    *((16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1)),
                    *((32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1)),
                )
            ),
            *_classifier(128),
        )
    )


def mobilenet_v2() -> nn.Module:
    """(N, 3, H, W) -> (N, 10)."""
    return _made(
        lambda: nn.Sequential(
            conv(3, 16, 3, 2, act=nn.ReLU6()),
            *(Inverted(a, b, s, nn.ReLU6) for a, b, s in _STAGES),
            conv(64, 128, 1, act=nn.ReLU6()),
            *_classifier(128),
        )
    )


def efficientnet() -> nn.Module:
    """(N, 3, H, W) -> (N, 10)."""
    return _made(
        lambda: nn.Sequential(
            conv(3, 16, 3, 2, act=nn.SiLU()),
            *(Inverted(a, b, s, nn.SiLU, squeeze=True) for a, b, s in _STAGES),
            conv(64, 128, 1, act=nn.SiLU()),
            *_classifier(128),
        )
    )


def shufflenet_v2() -> nn.Module:
    """(N, 3, H, W) -> (N, 10)."""
    return _made(
        lambda: nn.Sequential(
            conv(3, 24, 3, 2, act=nn.ReLU()),
            nn.MaxPool2d(3, 2, 1),
            *(Shuffled(24) for _ in range(2)),
            conv(24, 48, 3, 2, act=nn.ReLU()),
            *(Shuffled(48) for _ in range(3)),
            *_classifier(48),
        )
    )


def densenet() -> nn.Module:
    """(N, 3, H, W) -> (N, 10)."""
    return _made(
        lambda: nn.Sequential(
            conv(3, 16, 3, 2, act=nn.ReLU()),
            *(Dense(16 + 8 * i, 8) for i in range(4)),
            conv(48, 24, 1, act=nn.ReLU()),
            nn.AvgPool2d(2),
            *(Dense(24 + 8 * i, 8) for i in range(4)),
            *_classifier(56),
        )
    )


def vit_tiny() -> nn.Module:
    """(N, 3, 64, 64) -> (N, 10)."""
    return _made(Vit)


def unet() -> nn.Module:
    """(N, 3, H, W) -> a mask of that size."""
    return _made(lambda: UNet(transposed=False))


def super_resolution() -> nn.Module:
    """(N, 1, H, W) -> (N, 1, 3 H, 3 W)."""
    return _made(SuperResolution)


def ssd_head() -> nn.Module:
    """(N, 3, 64, 64) -> boxes and scores."""
    return _made(SsdHead)


def wavenet() -> nn.Module:
    """(N, 1, T) -> (N, 64, T)."""
    return _made(WaveNet)


_STAGES = (
    (16, 16, 1),
    (16, 24, 2),
    (24, 24, 1),
    (24, 40, 2),
    (40, 40, 1),
    (40, 64, 2),
    (64, 64, 1),
)


def _classifier(width: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)


def _made(build: Callable[[], nn.Module]) -> nn.Module:
    """Return the module with He et al.'s weights, or a signal would die on its way to the end.

    Statistics are as of a trained net: no two channels are alike.
    """
    torch.manual_seed(0)
    module = build()
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.normal_(0.0, (2.0 / layer.weight[0].numel()) ** 0.5)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.normal_(0.0, 0.2)
                layer.get_buffer("running_mean").normal_(0.0, 0.2)
                layer.get_buffer("running_var").uniform_(0.5, 1.5)
    return module.eval()
