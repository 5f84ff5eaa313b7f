"""A network of the paper, and the same with layers added that cost about 5 % and 10 % of it.

A layer is a 1x1 convolution on the 224x224 image. What it costs on the machine at hand is measured
with all else; ``judge.py`` prints it.
"""

from __future__ import annotations

import torch
from torch import nn

from asymm_deploy.models.build import build
from asymm_deploy.models.names import parse

NETWORK = "asymmnet_large_080"
INPUT_SHAPE = "1,3,224,224"


def base() -> nn.Module:
    """Return the network as it is."""
    return build(parse(NETWORK))


def plus5() -> nn.Module:
    """Return it with four layers more."""
    return nn.Sequential(*_layers(4), base())


def plus10() -> nn.Module:
    """Return it with five layers more."""
    return nn.Sequential(*_layers(5), base())


def _layers(count: int) -> list[nn.Module]:
    return [layer for _ in range(count) for layer in (_convolution(), nn.ReLU())]


def _convolution() -> nn.Conv2d:
    """Return one that mixes colours a little: random ones soon leave nothing of an image."""
    layer = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        layer.weight.copy_((torch.eye(3) + 0.1).reshape(3, 3, 1, 1))
        assert layer.bias is not None
        layer.bias.fill_(0.5)
    return layer
