"""A small network of the paper, and the same with layers added that cost about 3, 5 and 10 % of it.

A layer is a 1x1 convolution between two blocks. What it costs on the machine at hand is measured
with all else; ``judge_pairs.py`` prints it.
"""

from __future__ import annotations

import torch
from torch import nn

from asymm_deploy.models.build import build
from asymm_deploy.models.names import parse

NETWORK = "asymmnet_small_100"
INPUT_SHAPE = "1,3,224,224"
MODULE = "benchmarks.gate.paired.small_variants"
_BEHIND = 4
"""The block that the layers follow; its output is 40 x 14 x 14."""
_CHANNELS = 40


def base() -> nn.Module:
    """Return the network as it is."""
    return build(parse(NETWORK))


def plus3() -> nn.Module:
    """Return it with layers that cost about 3 %."""
    return _with_layers(10)


def plus5() -> nn.Module:
    """Return it with layers that cost about 5 %."""
    return _with_layers(17)


def plus10() -> nn.Module:
    """Return it with layers that cost about 10 %."""
    return _with_layers(34)


def _with_layers(count: int) -> nn.Module:
    net = base()
    assert isinstance(net.blocks, nn.Sequential)
    layers = [layer for _ in range(count) for layer in (_convolution(), nn.ReLU())]
    net.blocks[_BEHIND] = nn.Sequential(net.blocks[_BEHIND], *layers)
    return net


def _convolution() -> nn.Conv2d:
    """Return one that mixes channels a little: random ones soon leave nothing of a signal."""
    layer = nn.Conv2d(_CHANNELS, _CHANNELS, 1)
    with torch.no_grad():
        layer.weight.copy_((torch.eye(_CHANNELS) + 0.001).reshape(_CHANNELS, _CHANNELS, 1, 1))
        assert layer.bias is not None
        layer.bias.fill_(0.1)
    return layer
