"""Each block of Figure 1 computes what its own paper writes, and makes the networks of that paper.

The equations are written out here again with torch's functions; nothing is shared with the blocks
but their weights. The networks are typed from their papers' tables and counted: what those papers
publish comes out, or the test says by how much it does not, and why.
"""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  its usual name

from asymm_deploy.models.blocks import Block, ConvBNAct, SqueezeExcite
from asymm_deploy.models.complexity import count
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.drop_ins import (
    GhostBottleneck,
    GhostModule,
    ResidualBottleneck,
    Sandglass,
    ShuffleUnit,
)
from asymm_deploy.models.families.asymmnet import SKELETONS, scaled
from asymm_deploy.models.spec import Act, Row, Scale

Make = Callable[[int, Row], Block]
Randomised = Callable[[nn.Module], None]

BLOCKS = (ResidualBottleneck, Sandglass, ShuffleUnit, GhostBottleneck)
CHANNELS, WIDER, EXPANDED = 16, 24, 40
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

of_each_block = pytest.mark.parametrize("make", BLOCKS)
of_each_shape = pytest.mark.parametrize(
    ("out", "stride"), [(CHANNELS, 1), (WIDER, 1), (CHANNELS, 2), (WIDER, 2)]
)
with_and_without_se = pytest.mark.parametrize("se", [False, True], ids=["plain", "se"])
of_each_act = pytest.mark.parametrize(("kernel", "act"), [(3, "RE"), (5, "HS"), (3, "R6")])


def features(channels: int = CHANNELS) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(2, channels, 7, 5, generator=generator, dtype=torch.float64) * 2


def activated(x: Tensor, act: Act | None) -> Tensor:
    match act:
        case "RE":
            return x.clamp(min=0)
        case "R6":
            return x.clamp(0, 6)
        case "HS":
            return x * (x + 3).clamp(0, 6) / 6
        case _:
            assert act is None
            return x


def convolved(
    x: Tensor,
    layer: ConvBNAct,
    act: Act | None,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution, normalisation, activation, with the layer's weights and nothing else of it."""
    weight, bn = layer.conv.weight, layer.bn
    assert weight.shape[1:] == (x.shape[1] // groups, kernel, kernel)
    y = F.conv2d(x, weight, None, stride, (kernel - 1) // 2, 1, groups)
    return activated(F.batch_norm(y, bn.running_mean, bn.running_var, bn.weight, bn.bias), act)


def pw(x: Tensor, layer: ConvBNAct, act: Act | None, stride: int = 1) -> Tensor:
    return convolved(x, layer, act, stride=stride)


def dw(x: Tensor, layer: ConvBNAct, act: Act | None, kernel: int, stride: int = 1) -> Tensor:
    assert layer.conv.out_channels == x.shape[1]
    return convolved(x, layer, act, kernel=kernel, stride=stride, groups=x.shape[1])


def gated(x: Tensor, se: SqueezeExcite | None) -> Tensor:
    """x times a gate a channel, or x itself."""
    if se is None:
        return x
    assert se.reduce.in_channels == x.shape[1]
    reduced = F.conv2d(x.mean((2, 3), keepdim=True), se.reduce.weight, se.reduce.bias)
    raised = F.conv2d(reduced.clamp(min=0), se.expand.weight, se.expand.bias)
    return x * (raised + 3).clamp(0, 6) / 6


def assert_same(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@of_each_shape
@with_and_without_se
@of_each_act
@torch.no_grad()
def test_the_residual_bottleneck_adds_before_its_last_activation(
    randomised: Randomised, out: int, stride: int, se: bool, kernel: int, act: Act
) -> None:
    block = ResidualBottleneck(CHANNELS, Row(kernel, 0, out, se, act, stride), mid=12)
    randomised(block)
    x = features()

    # Eq. 1 and 2 of arXiv:1512.03385: y = F(x) + x, or F(x) + W_s x where dimensions differ, and
    # "the second nonlinearity after the addition". F is Figure 5, right.
    y = pw(x, block.reduce, act)
    assert y.shape[1] == 12
    y = convolved(y, block.spatial, act, kernel=kernel, stride=stride)
    assert (block.se is not None) == se
    y = pw(gated(y, block.se), block.restore, None)
    if out == CHANNELS and stride == 1:
        assert block.shortcut is None
    else:
        assert block.shortcut is not None
        x = pw(x, block.shortcut, None, stride)

    assert_same(block(features()), activated(x + y, act))


@of_each_shape
@with_and_without_se
@of_each_act
@torch.no_grad()
def test_the_sandglass_keeps_space_at_its_wide_ends(
    randomised: Randomised, out: int, stride: int, se: bool, kernel: int, act: Act
) -> None:
    block = Sandglass(CHANNELS, Row(kernel, 0, out, se, act, stride), reduced=6)
    randomised(block)
    x = features()

    # Eq. 2 and 3 of arXiv:2007.02269: G' = PW1(DW1(F)); G = DW2(PW2(G')) + F. Its table of the
    # block's operators: DW1 ReLU6, PW1 linear, PW2 ReLU6, DW2 linear and with the stride.
    y = dw(x, block.first, act, kernel)
    y = pw(y, block.reduce, None)
    assert y.shape[1] == 6
    y = pw(y, block.expand, act)
    y = dw(y, block.last, None, kernel, stride)
    assert (block.se is not None) == se
    y = gated(y, block.se)

    assert_same(block(x), x + y if out == CHANNELS and stride == 1 else y)


@of_each_shape
@with_and_without_se
@of_each_act
@torch.no_grad()
def test_the_shuffle_unit_deals_its_branches_out_alternately(
    randomised: Randomised, out: int, stride: int, se: bool, kernel: int, act: Act
) -> None:
    block = ShuffleUnit(CHANNELS, Row(kernel, 0, out, se, act, stride))
    randomised(block)
    x = features()

    if out == CHANNELS and stride == 1:  # Figure 3(c) of arXiv:1807.11164
        assert block.left is None
        left, right = x[:, : CHANNELS // 2], x[:, CHANNELS // 2 :]
    else:  # Figure 3(d)
        assert block.left is not None
        left = dw(x, block.left.depthwise, None, kernel, stride)
        left, right = pw(left, block.left.pointwise, act), x
    right = pw(right, block.first, act)
    right = dw(right, block.rest.depthwise, None, kernel, stride)
    right = pw(right, block.rest.pointwise, act)
    assert (block.se is not None) == se
    right = gated(right, block.se)
    assert left.shape[1] == right.shape[1] == out // 2
    # ShuffleNet (arXiv:1707.01083), section 3.1: of g x n channels "reshaping the output channel
    # dimension into (g, n), transposing and then flattening it back".
    order = torch.arange(out).reshape(2, out // 2).T.flatten()

    assert_same(block(x), torch.cat([left, right], 1)[:, order])


def ghost(x: Tensor, module: GhostModule, out: int, act: Act | None) -> Tensor:
    """Eq. 2 and 3 of arXiv:1911.11907 with s = 2 and d = 3; nonlinear as its section 3.2 says."""
    primary = pw(x, module.primary, act)
    assert primary.shape[1] == math.ceil(out / 2)
    return torch.cat([primary, dw(primary, module.cheap, act, 3)], 1)[:, :out]


@pytest.mark.parametrize("out", [24, 25, 1])
@pytest.mark.parametrize("act", ["RE", None])
@torch.no_grad()
def test_the_ghost_modules_second_half_is_made_of_its_first(
    randomised: Randomised, out: int, act: Act | None
) -> None:
    module = GhostModule(CHANNELS, out, act=act)
    randomised(module)
    x = features()

    assert_same(module(x), ghost(x, module, out, act))


@pytest.mark.parametrize(
    ("channels", "expanded", "out"),
    [(CHANNELS, EXPANDED, CHANNELS), (CHANNELS, EXPANDED, WIDER), (9, 27, 9), (9, 27, 13)],
)
@pytest.mark.parametrize("stride", [1, 2])
@with_and_without_se
@of_each_act
@torch.no_grad()
def test_the_ghost_bottleneck_convolves_in_depth_only_to_stride(
    randomised: Randomised,
    channels: int,
    expanded: int,
    out: int,
    stride: int,
    se: bool,
    kernel: int,
    act: Act,
) -> None:
    block = GhostBottleneck(channels, Row(kernel, expanded, out, se, act, stride))
    randomised(block)
    x = features(channels)

    y = ghost(x, block.expand, expanded, act)  # Figure 3 of arXiv:1911.11907
    if stride == 1:
        assert block.depthwise is None
    else:
        assert block.depthwise is not None
        y = dw(y, block.depthwise, None, kernel, stride)
    assert (block.se is not None) == se
    y = ghost(gated(y, block.se), block.project, out, None)
    if out == channels and stride == 1:
        assert block.shortcut is None
    else:
        assert block.shortcut is not None
        x = dw(x, block.shortcut.depthwise, None, kernel, stride)
        x = pw(x, block.shortcut.pointwise, None)

    assert_same(block(features(channels)), x + y)


@of_each_block
@of_each_shape
@with_and_without_se
@torch.no_grad()
def test_without_its_last_norms_a_block_is_its_shortcut(
    randomised: Randomised, make: Make, out: int, stride: int, se: bool
) -> None:
    block = make(CHANNELS, Row(3, EXPANDED, out, se, "RE", stride))
    randomised(block)
    same = out == CHANNELS and stride == 1
    x = features()
    for norm in block.last_norms():
        norm.weight.zero_()
        norm.bias.zero_()

    match block:
        case ResidualBottleneck():
            expected = activated(x if block.shortcut is None else block.shortcut(x), "RE")
        case GhostBottleneck():
            expected = x if block.shortcut is None else block.shortcut(x)
        case Sandglass() if same:
            expected = x
        case _:  # nothing is added, so that there is nothing to scale
            assert block.last_norms() == ()
            return
    assert_same(block(x), expected)


@pytest.mark.parametrize(("out", "mid"), [(16, 8), (24, 8), (40, 16), (112, 32), (160, 40)])
def test_the_residual_bottleneck_narrows_to_a_quarter_of_its_output_rounded_up_to_8(
    out: int, mid: int
) -> None:
    assert ResidualBottleneck(64, Row(3, 0, out, False, "RE", 1)).reduce.conv.out_channels == mid


@pytest.mark.parametrize(("channels", "reduced"), [(8, 8), (48, 8), (80, 16), (112, 24), (160, 32)])
def test_the_sandglass_narrows_to_a_sixth_of_its_input_rounded_up_to_8(
    channels: int, reduced: int
) -> None:
    block = Sandglass(channels, Row(3, 0, 64, False, "RE", 1))

    assert block.reduce.conv.out_channels == reduced


def test_a_shuffle_unit_refuses_an_odd_number_of_channels() -> None:
    with pytest.raises(ValueError, match="even number"):
        ShuffleUnit(16, Row(3, 0, 25, False, "RE", 1))


@of_each_block
@pytest.mark.parametrize("scale", ["large", "small"])
@pytest.mark.parametrize("percent", [35, 50, 100])
def test_every_row_of_our_skeletons_builds_and_halves_odd_sides_upwards(
    make: Make, scale: Scale, percent: int
) -> None:
    skeleton = SKELETONS[scale]
    channels = scaled(skeleton.stem, percent)
    for row in skeleton.rows:
        expanded, out = scaled(row.expanded, percent), scaled(row.out, percent)
        with torch.device("meta"):
            block = make(channels, Row(row.kernel, expanded, out, row.se, row.act, row.stride))
            block.eval()
            for height, width in ((113, 57), (7, 1)):
                y = block(torch.empty(1, channels, height, width))
                sides = (math.ceil(height / row.stride), math.ceil(width / row.stride))
                assert y.shape == (1, out, *sides)
        channels = out


# The published networks.


def counted(make: Callable[[], nn.Module]) -> Complexity:
    with torch.device("meta"):
        return count(make(), torch.empty(1, 3, 224, 224))


def strides(first: int, repeats: int) -> Iterator[int]:
    """Of a stage's blocks: the first one's, and 1."""
    return (first if number == 0 else 1 for number in range(repeats))


def classifier(layers: Iterable[nn.Module], *head: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), *head)


def resnet50() -> nn.Module:
    """Table 1 of arXiv:1512.03385, column 50-layer; strides of its conv3_1, conv4_1 and conv5_1."""
    layers: list[nn.Module] = [
        ConvBNAct(3, 64, kernel=7, stride=2, act="RE"),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    channels = 64
    for mid, out, repeats, first in (
        (64, 256, 3, 1),
        (128, 512, 4, 2),
        (256, 1024, 6, 2),
        (512, 2048, 3, 2),
    ):
        for stride in strides(first, repeats):
            row = Row(3, 0, out, se=False, act="RE", stride=stride)
            layers.append(ResidualBottleneck(channels, row, mid=mid))
            channels = out
    return classifier(layers, nn.Flatten(), nn.Linear(channels, 1000))


def test_resnet_50_counts_to_what_torchvision_publishes() -> None:
    cost = counted(resnet50)

    # https://pytorch.org/vision/stable/models/generated/torchvision.models.resnet50.html, whose
    # stride is the 3x3 convolution's too: num_params 25557032, GFLOPS 4.09.
    assert cost.params == 25_557_032
    assert f"{cost.madds / 1e9:.2f}" == "4.09"


def test_resnet_50_with_its_papers_strides_would_count_to_3_86_g_where_that_prints_3_8() -> None:
    cost = counted(resnet50)

    # Table 1 of arXiv:1512.03385: 3.8e9 FLOPs, "multiply-adds", with the stride in the first
    # pointwise convolution; that then has a quarter of the places, and nothing else changes.
    saved = sum(
        before.madds * 3 // 4
        for before, layer in pairwise(cost.layers)
        if layer.name.endswith("spatial.conv") and layer.stride == (2, 2)
    )

    assert f"{(cost.madds - saved) / 1e9:.2f}" == "3.86"  # cut off, not rounded


def shufflenet_v2(stages: tuple[int, int, int], last: int) -> nn.Module:
    """Table 5 of arXiv:1807.11164."""
    layers: list[nn.Module] = [
        ConvBNAct(3, 24, kernel=3, stride=2, act="RE"),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    channels = 24
    for out, repeats in zip(stages, (4, 8, 4), strict=True):
        for stride in strides(2, repeats):
            layers.append(ShuffleUnit(channels, Row(3, 0, out, False, "RE", stride)))
            channels = out
    layers.append(ConvBNAct(channels, last, act="RE"))
    return classifier(layers, nn.Flatten(), nn.Linear(last, 1000))


@pytest.mark.parametrize(
    ("stages", "last", "params", "gmadds", "params_m", "madds_m"),
    [
        # num_params and GFLOPS of torchvision's shufflenet_v2_x0_5 to _x2_0; then Table 5.
        ((48, 96, 192), 1024, 1_366_792, 0.040, 1.4, 41),
        ((116, 232, 464), 1024, 2_278_604, 0.145, 2.3, 146),
        ((176, 352, 704), 1024, 3_503_624, 0.296, 3.5, 299),
        ((244, 488, 976), 2048, 7_393_996, 0.583, 7.4, 591),
    ],
    ids=["0.5", "1.0", "1.5", "2.0"],
)
def test_shufflenet_v2_counts_to_what_torchvision_and_its_paper_publish(
    stages: tuple[int, int, int],
    last: int,
    params: int,
    gmadds: float,
    params_m: float,
    madds_m: int,
) -> None:
    cost = counted(lambda: shufflenet_v2(stages, last))

    assert cost.params == params
    assert round(cost.madds / 1e9, 3) == gmadds
    assert round(cost.params / 1e6, 1) == params_m
    # The authors' first unit (megvii-model/ShuffleNet-Series) does not halve its output: of its two
    # last pointwise convolutions, at 28x28, the left one makes 24 channels again and the right one
    # the rest. With that, and rounded up, Table 5's FLOPs come out at all four widths.
    half, rest = stages[0] // 2, stages[0] - 24
    more = 28 * 28 * ((24 * 24 + half * rest) - (24 * half + half * half))
    assert math.ceil((cost.madds + more) / 1e6) == madds_m


# k, exp, out, SE, stride: exp to stride are Table 1 of arXiv:1911.11907, k is the authors' code's
# (https://github.com/huawei-noah/ghostnet; the table leaves it out).
# fmt: off
GHOSTNET = (
    (3,  16,  16, 0, 1),
    (3,  48,  24, 0, 2),
    (3,  72,  24, 0, 1),
    (5,  72,  40, 1, 2),
    (5, 120,  40, 1, 1),
    (3, 240,  80, 0, 2),
    (3, 200,  80, 0, 1),
    (3, 184,  80, 0, 1),
    (3, 184,  80, 0, 1),
    (3, 480, 112, 1, 1),
    (3, 672, 112, 1, 1),
    (5, 672, 160, 1, 2),
    (5, 960, 160, 0, 1),
    (5, 960, 160, 1, 1),
    (5, 960, 160, 0, 1),
    (5, 960, 160, 1, 1),
)
# fmt: on


def ghostnet() -> nn.Module:
    layers: list[nn.Module] = [ConvBNAct(3, 16, kernel=3, stride=2, act="RE")]
    channels = 16
    for kernel, expanded, out, se, stride in GHOSTNET:
        row = Row(kernel, expanded, out, bool(se), "RE", stride)
        layers.append(GhostBottleneck(channels, row))
        channels = out
    layers.append(ConvBNAct(channels, 960, act="RE"))
    head = (nn.Conv2d(960, 1280, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1280, 1000))
    return classifier(layers, *head)


def test_ghostnet_counts_to_its_papers_figures() -> None:
    cost = counted(ghostnet)

    # Table 7 of arXiv:1911.11907, GhostNet 1.0x: 5.2 M weights, 141 M FLOPs.
    assert round(cost.params / 1e6, 1) == 5.2
    assert round(cost.madds / 1e6) == 141


example = runpy.run_path(str(EXAMPLES / "mobilenext.py"))
MOBILENEXT = example["MOBILENEXT"]
mobilenext: Callable[..., nn.Module] = example["mobilenext"]
released_reduction: Callable[[int, int, int], int] = example["released_reduction"]


def test_mobilenext_counts_to_its_papers_300_m_but_not_to_its_3_4_m_parameters() -> None:
    cost = counted(mobilenext)
    by_t_alone = counted(lambda: mobilenext(lambda channels, ratio, _: channels // ratio))

    # arXiv:2007.02269, MobileNeXt-1.0: 3.4 M parameters, 300 M MAdds (its MAdds are all in tens).
    # The table says that a block narrows to channels / t; where the output is wider, the authors'
    # code narrows to a sixth of that instead, and without this it would be far from 300 M.
    assert f"{cost.madds / 1e6:.1f}" == "303.4"
    assert f"{by_t_alone.madds / 1e6:.1f}" == "258.7"
    assert f"{cost.params / 1e6:.2f}" == "3.24"  # see below


def released_mobilenext(percent: int) -> nn.Module:
    """What the authors released is not the table: 960 channels three times, and fewer depthwise.

    A block that widens has no first depthwise convolution, and with stride 1 no second one either,
    but for those of the rows with a single block or t = 2.
    """

    def to_eights(channels: int) -> int:
        return (channels * percent + 400) // 800 * 8

    channels = to_eights(32)
    layers: list[nn.Module] = [ConvBNAct(3, channels, kernel=3, stride=2, act="R6")]
    for ratio, full_out, full_repeats, first in MOBILENEXT:
        repeats, out = 3 if full_out == 960 else full_repeats, to_eights(full_out)
        for stride in strides(first, repeats):
            reduced = released_reduction(channels, ratio, out)
            if channels == out or ratio == 2 or (repeats == 1 and stride == 1):
                row = Row(3, 0, out, False, "R6", stride)
                layers.append(Sandglass(channels, row, reduced=reduced))
            else:
                layers += (
                    ConvBNAct(channels, reduced, act=None),
                    ConvBNAct(reduced, out, act="R6"),
                )
                if stride == 2:
                    layers.append(ConvBNAct(out, out, kernel=3, stride=2, groups=out, act=None))
            channels = out
    return classifier(layers, nn.Flatten(), nn.Linear(channels, 1000))


@pytest.mark.parametrize(
    ("percent", "params_m", "madds_m"),
    # The README of zhoudaquan/rethinking_bottleneck_design prints 3.5 M and 300 M MAdds at 1.0, and
    # 6.1 M and 590 M at 1.4.
    [(100, 3.5, 310), (140, 6.1, 590)],
)
def test_mobilenext_as_released_counts_to_its_readmes_parameters(
    percent: int, params_m: float, madds_m: int
) -> None:
    cost = counted(lambda: released_mobilenext(percent))

    assert round(cost.params / 1e6, 1) == params_m
    assert round(cost.madds / 1e6, -1) == madds_m
