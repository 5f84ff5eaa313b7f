"""Each block computes its equation, written out here again with slices and matrix products.

Nothing is shared with the blocks but their weights: no convolution, no normalisation and no
activation of torch.nn is used below. Maps have odd sides, batches two images.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from asymm_deploy.models.blocks import (
    AsymmetricalBottleneck,
    Bottleneck,
    ConvBNAct,
    DepthwiseSeparable,
    InvertedResidual,
    PrunedBottleneck,
    SqueezeExcite,
)
from asymm_deploy.models.spec import Act, Row

Randomised = Callable[[nn.Module], None]

CHANNELS, EXPANDED = 8, 40


def row(kernel: int = 3, stride: int = 1, out: int = CHANNELS, **other: object) -> Row:
    se, act = bool(other.get("se", False)), other.get("act", "RE")
    expanded = other.get("expanded", EXPANDED)
    assert isinstance(expanded, int)
    assert act in ("RE", "HS", "R6")
    return Row(kernel, expanded, out, se=se, act=act, stride=stride)


def features(height: int = 7, width: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(2, CHANNELS, height, width, generator=generator, dtype=torch.float64)


def activated(x: Tensor, act: Act | None) -> Tensor:
    match act:
        case "RE":
            return torch.where(x > 0, x, 0.0)
        case "R6":
            return torch.where(x > 6, 6.0, torch.where(x > 0, x, 0.0))
        case "HS":
            return x * torch.where(x > 3, 1.0, torch.where(x < -3, 0.0, (x + 3) / 6))
        case "LR":
            return torch.where(x > 0, x, 0.1 * x)
        case "PR":  # as it is initialised
            return torch.where(x > 0, x, 0.25 * x)
        case None:
            return x


def normalised(x: Tensor, layer: ConvBNAct) -> Tensor:
    state: dict[str, Tensor] = {
        name: t.reshape(1, -1, 1, 1) for name, t in layer.bn.state_dict().items()
    }
    deviation = (state["running_var"] + 1e-5) ** 0.5
    return (x - state["running_mean"]) / deviation * state["weight"] + state["bias"]


def pointwise(x: Tensor, layer: ConvBNAct, act: Act | None) -> Tensor:
    weight = layer.conv.weight.reshape(layer.conv.weight.shape[0], -1)
    flat = x.reshape(x.shape[0], x.shape[1], -1)
    product = (weight @ flat).reshape(x.shape[0], -1, *x.shape[2:])
    return activated(normalised(product, layer), act)


def depthwise(x: Tensor, layer: ConvBNAct, kernel: int, stride: int, act: Act) -> Tensor:
    batch, channels, height, width = x.shape
    half = kernel // 2
    framed = x.new_zeros(batch, channels, height + 2 * half, width + 2 * half)
    framed[:, :, half : half + height, half : half + width] = x
    total = torch.zeros(())
    for i in range(kernel):
        for j in range(kernel):
            shifted = framed[:, :, i : i + height, j : j + width][:, :, ::stride, ::stride]
            total = total + shifted * layer.conv.weight[:, 0, i, j].reshape(1, -1, 1, 1)
    return activated(normalised(total, layer), act)


def gated(x: Tensor, se: SqueezeExcite) -> Tensor:
    means = x.sum((2, 3)) / (x.shape[2] * x.shape[3])
    assert se.reduce.bias is not None
    assert se.expand.bias is not None
    reduced = activated(means @ se.reduce.weight[:, :, 0, 0].T + se.reduce.bias, "RE")
    raised = reduced @ se.expand.weight[:, :, 0, 0].T + se.expand.bias
    gate = torch.where(raised > 3, 1.0, torch.where(raised < -3, 0.0, (raised + 3) / 6))
    return x * gate[:, :, None, None]


def by_equation(block: Bottleneck, r: Row, x: Tensor, widened: Tensor) -> Tensor:
    """X + PW(DW(widened)); X only where the shapes allow."""
    y = depthwise(widened, block.depthwise, r.kernel, r.stride, r.act)
    if r.se:
        assert block.se is not None
        y = gated(y, block.se)
    y = pointwise(y, block.project, None)
    return x + y if r.stride == 1 and r.out == x.shape[1] else y


def assert_same(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rate", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("se", [False, True], ids=["plain", "se"])
@pytest.mark.parametrize("act", ["RE", "HS"])
@torch.no_grad()
def test_the_asymmetrical_bottleneck_is_eq_3(
    randomised: Randomised, rate: int, stride: int, kernel: int, se: bool, act: Act
) -> None:
    r = row(kernel, stride, se=se, act=act)
    block = AsymmetricalBottleneck(CHANNELS, r, rate)
    randomised(block)
    x = features()

    assert block.expand is not None
    made = pointwise(x, block.expand, act)
    assert made.shape[1] == EXPANDED - rate * CHANNELS
    expected = by_equation(block, r, x, torch.cat([x] * rate + [made] + [x] * rate, 1))

    assert_same(block(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("se", [False, True], ids=["plain", "se"])
@pytest.mark.parametrize("act", ["RE", "HS"])
@torch.no_grad()
def test_the_pruned_bottleneck_is_eq_1_and_2(
    randomised: Randomised, stride: int, se: bool, act: Act
) -> None:
    r = row(5, stride, se=se, act=act)
    block = PrunedBottleneck(CHANNELS, r)
    randomised(block)
    x = features()

    assert block.expand is not None
    made = pointwise(x, block.expand, act)
    assert made.shape[1] == EXPANDED - CHANNELS
    expected = by_equation(block, r, x, torch.cat([x, made], 1))

    assert_same(block(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("act", ["RE", "HS", "R6"])
@torch.no_grad()
def test_the_inverted_residual_sees_the_expanded_channels_only(
    randomised: Randomised, stride: int, act: Act
) -> None:
    r = row(3, stride, se=True, act=act)
    block = InvertedResidual(CHANNELS, r, expand=True)
    randomised(block)
    x = features()

    assert block.expand is not None
    expected = by_equation(block, r, x, pointwise(x, block.expand, act))

    assert_same(block(x), expected)


@pytest.mark.parametrize(
    ("block", "expanded"),
    [
        (AsymmetricalBottleneck(CHANNELS, row(expanded=CHANNELS, se=True), 0), CHANNELS),
        (AsymmetricalBottleneck(CHANNELS, row(expanded=CHANNELS, se=True), 1), CHANNELS),
        (AsymmetricalBottleneck(CHANNELS, row(expanded=16, se=True), 2), 16),
        (PrunedBottleneck(CHANNELS, row(expanded=CHANNELS, se=True)), CHANNELS),
        (InvertedResidual(CHANNELS, row(expanded=CHANNELS, se=True), expand=False), CHANNELS),
    ],
    ids=["rate-0", "rate-1", "rate-2", "pruned", "inverted"],
)
@torch.no_grad()
def test_without_room_to_expand_a_block_works_on_its_input_alone(
    randomised: Randomised, block: Bottleneck, expanded: int
) -> None:
    randomised(block)
    x = features()

    assert block.expand is None
    assert_same(block(x), by_equation(block, row(expanded=expanded, se=True), x, x))


@pytest.mark.parametrize(("stride", "out"), [(1, 16), (2, 16), (2, CHANNELS)])
@torch.no_grad()
def test_the_input_is_added_only_where_shapes_agree(
    randomised: Randomised, stride: int, out: int
) -> None:
    r = row(3, stride, out)
    block = AsymmetricalBottleneck(CHANNELS, r, 1)
    randomised(block)
    x = features(9, 9)

    assert block.expand is not None
    made = pointwise(x, block.expand, "RE")
    y = depthwise(torch.cat([x, made, x], 1), block.depthwise, 3, stride, "RE")

    assert_same(block(x), pointwise(y, block.project, None))


@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_mobilenetv1s_block_activates_after_both_convolutions(
    randomised: Randomised, stride: int
) -> None:
    block = DepthwiseSeparable(CHANNELS, row(3, stride, 16))
    randomised(block)
    x = features()
    separable, mixing = block.depthwise, block.pointwise
    assert isinstance(separable, ConvBNAct)
    assert isinstance(mixing, ConvBNAct)

    y = depthwise(x, separable, 3, stride, "RE")

    assert block(x).shape[2:] == (math.ceil(7 / stride), math.ceil(5 / stride))
    assert_same(block(x), pointwise(y, mixing, "RE"))


def test_squeeze_and_excitation_reduces_to_a_quarter_rounded_up_to_8() -> None:
    assert SqueezeExcite(72).reduce.out_channels == 24
    assert SqueezeExcite(16).reduce.out_channels == 8
