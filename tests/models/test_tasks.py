"""Task networks: the classifiers' own backbones with other ends, which count to Tables 7 to 10."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from asymm_deploy.errors import UsageError
from asymm_deploy.models.blocks import LEAKY_SLOPE
from asymm_deploy.models.build import TaskNetwork, build, build_meta
from asymm_deploy.models.complexity import count_spec
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.heads import Boxes, Detection, Embedding, Enlarge, HeatMaps
from asymm_deploy.models.names import parse, table_models
from asymm_deploy.models.spec import at_resolution
from asymm_deploy.models.tapping import deepest, for_task
from asymm_deploy.models.tasks import DetectionHead
from asymm_deploy.models.yolo_anchors import ANCHORS, LARGEST_GROWTH, STRIDES
from asymm_deploy.postprocess.detection import decoded

PaperTable = Callable[[int], list[dict[str, str]]]


@cache
def counted(name: str) -> Complexity:
    return count_spec(parse(name))


def rows(number: int) -> list[int]:
    return list(range(len(table_models(number))))


# MAdds


# The paper's own networks; what Tables 7 and 8 compare with is from other papers.
@pytest.mark.parametrize(("number", "index"), [(n, i) for n in (7, 8, 9) for i in range(4)])
def test_tables_7_8_and_9_count_to_the_printed_digit(
    number: int, index: int, paper_table: PaperTable
) -> None:
    printed = paper_table(number)[index]["madds_m"]
    two_digits = Decimal(f"{counted(table_models(number)[index]).madds / 1e6:.2f}")

    # Rounded twice, as the paper did: 10.146 M is printed as 10.2, and 41.546 M as 41.6.
    assert str(two_digits.quantize(Decimal("0.1"), ROUND_HALF_UP)) == printed


@pytest.mark.parametrize(
    ("name", "madds_m"),
    # To one digit more than the paper prints, so that a small layer can't go missing.
    [
        ("asymmnet_small_100_face", "10.31"),
        ("mbv3_small_100_face", "10.15"),
        ("asymmnet_large_100_face", "41.55"),
        ("mbv3_large_100_face", "41.20"),
        ("asymmnet_small_100_action", "56.46"),
        ("mbv3_small_100_action", "55.70"),
        ("asymmnet_large_100_action", "215.70"),
        ("mbv3_large_100_action", "215.38"),
        ("asymmnet_small_100_pose", "310.66"),
        ("mbv3_small_100_pose", "309.72"),
        ("asymmnet_large_100_pose", "523.86"),
        ("mbv3_large_100_pose", "523.60"),
    ],
)
def test_the_second_digit_is_right_too(name: str, madds_m: str) -> None:
    assert f"{counted(name).madds / 1e6:.2f}" == madds_m


@pytest.mark.parametrize(
    ("number", "index"), [(7, 4), (8, 4)], ids=["mobilefacenet", "resnet50_v1b_action"]
)
def test_the_networks_of_others_are_within_a_percent(
    number: int, index: int, paper_table: PaperTable
) -> None:
    printed = float(paper_table(number)[index]["madds_m"])

    assert counted(table_models(number)[index]).madds / 1e6 == pytest.approx(printed, rel=0.01)


@pytest.mark.parametrize("index", rows(10), ids=table_models(10))
def test_table_10_counts_a_constant_above_the_papers(index: int, paper_table: PaperTable) -> None:
    ours = counted(table_models(10)[index]).madds / 1e9
    printed = float(paper_table(10)[index]["madds_g"])

    # Of the head; what the paper left out we could not attribute.
    assert ours - printed == pytest.approx(0.2, abs=0.04)
    if index < 4:
        assert f"{ours:.2f}" == ("8.19" if printed < 8 else "8.78")


# Params


@pytest.mark.parametrize(("number", "index"), [(n, i) for n in (7, 8, 9, 10) for i in range(4)])
def test_with_a_kernel_taken_as_k_weights_the_papers_params_come_out(
    number: int, index: int, paper_table: PaperTable
) -> None:
    cost = counted(table_models(number)[index])
    overlooked = sum(
        layer.params - layer.params // layer.kernel[0]
        for layer in cost.layers
        if layer.kernel and layer.kernel[0] > 1
    )
    printed = paper_table(number)[index]["params_m"]
    under = (cost.params - overlooked) / 1e6

    if number == 10:
        assert f"{under:.2f}" == printed
    else:  # it truncates here and rounds there
        assert under == pytest.approx(float(printed), abs=0.1)


def test_true_params_are_far_above_where_3x3_convolutions_dominate() -> None:
    assert f"{counted('asymmnet_small_100_pose').params / 1e6:.2f}" == "2.81"
    assert f"{counted('asymmnet_small_100_yolo3').params / 1e6:.2f}" == "21.78"


# Backbones


@pytest.mark.parametrize("task", ["face", "action", "pose", "yolo3"])
@pytest.mark.parametrize("backbone", ["asymmnet_large_035", "pruned_small_050", "mobilenetv1_025"])
def test_the_backbone_is_the_classifiers_own_so_that_its_weights_fit(
    backbone: str, task: str
) -> None:
    own = {key: value.shape for key, value in build_meta(parse(backbone)).state_dict().items()}
    ours = {
        key: value.shape
        for key, value in build_meta(parse(f"{backbone}_{task}")).state_dict().items()
    }
    shared = {key for key in ours if key.startswith(("stem.", "blocks.", "last."))}

    assert {key: ours[key] for key in shared} == {key: own[key] for key in shared}
    if task != "face":
        assert shared == {key for key in own if key.startswith(("stem.", "blocks.", "last."))}


@pytest.mark.parametrize(
    ("backbone", "at_16"), [("asymmnet_large_100", (12, 112)), ("asymmnet_small_100", (8, 48))]
)
def test_a_face_network_ends_after_the_last_block_of_stride_16(
    backbone: str, at_16: tuple[int, int]
) -> None:
    blocks, channels = at_16
    spec = parse(f"{backbone}_face")

    assert spec.rows == parse(backbone).rows[:blocks]
    assert spec.rows[-1].out == channels
    assert spec.last is None


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("asymmnet_large_100_yolo3", (40, 112, 960)),
        ("asymmnet_small_100_yolo3", (24, 48, 576)),
        ("mobilenetv1_100_yolo3", (256, 512, 1024)),
        ("resnet50_v1b_yolo3", (512, 1024, 2048)),
    ],
)
@torch.no_grad()
def test_a_detector_takes_maps_of_strides_8_16_and_32(name: str, channels: tuple[int, ...]) -> None:
    network = build_meta(parse(name))
    assert isinstance(network, TaskNetwork)
    maps = network.features(torch.zeros(1, 3, 64, 96, device="meta"))

    assert network.channels == channels
    assert [tuple(m.shape[1:]) for m in maps] == [
        (width, 64 // stride, 96 // stride) for width, stride in zip(channels, STRIDES, strict=True)
    ]


def test_deepest_counts_what_pooling_after_the_stem_halves() -> None:
    assert deepest(parse("resnet50_v1b"), 4) == 3
    assert deepest(parse("mobilenetv1_100"), 2) == 1


# Heads


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def run_conv(part: torch.nn.Module, x: Tensor, padding: int = 0, groups: int = 1) -> Tensor:
    """Convolution and BatchNorm of a ConvBNAct, written out."""
    conv, bn = part.get_submodule("conv"), part.get_submodule("bn")
    weight = conv.get_parameter("weight")
    x = functional.conv2d(x, weight, padding=padding, groups=groups)
    scale = bn.get_parameter("weight") / (bn.get_buffer("running_var") + 1e-5).sqrt()
    shift = bn.get_parameter("bias") - bn.get_buffer("running_mean") * scale
    return x * scale[:, None, None] + shift[:, None, None]


def with_statistics(module: torch.nn.Module, generator: torch.Generator) -> torch.nn.Module:
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.5, 2.0, generator=generator)
        if isinstance(layer, torch.nn.PReLU):
            with torch.no_grad():
                layer.weight.uniform_(0.1, 0.5, generator=generator)
    return module.eval()


@torch.no_grad()
def test_a_face_head_is_mobilefacenets_end(generator: torch.Generator) -> None:
    spec = parse("asymmnet_small_100_face")
    head = with_statistics(Embedding((48,), spec.task), generator)  # type: ignore[arg-type]
    x = torch.randn(2, 48, 7, 7, generator=generator)

    wide = run_conv(head.get_submodule("widen"), x)
    slope = head.get_submodule("widen.act").get_parameter("weight")[:, None, None]
    wide = torch.where(wide > 0, wide, slope * wide)
    pooled = run_conv(head.get_submodule("pool"), wide, groups=512)
    expected = run_conv(head.get_submodule("embed"), pooled).flatten(1)

    assert expected.shape == (2, 128)
    torch.testing.assert_close(head([x]), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_pixel_shuffling_deals_four_channels_to_a_square() -> None:
    x = torch.arange(16.0).reshape(1, 16, 1, 1)
    step = Enlarge(4, 16)

    assert step.shuffle(x)[0, :, :, :].tolist() == [
        [[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]], [[12, 13], [14, 15]]
    ]  # fmt: skip


@torch.no_grad()
def test_a_pose_head_enlarges_three_times(generator: torch.Generator) -> None:
    spec = parse("asymmnet_small_100_pose")
    head = with_statistics(HeatMaps((576,), spec.task), generator)  # type: ignore[arg-type]
    x = torch.randn(1, 576, 2, 3, generator=generator)

    y = functional.conv2d(x, head.get_parameter("reduce.weight"))
    assert y.shape[1] == 256
    for step in head.get_submodule("enlarge").children():
        y = run_conv(step.get_submodule("conv"), y, padding=1).relu()
        y = functional.pixel_shuffle(y, 2)
    expected = functional.conv2d(y, head.get_parameter("heat_maps.weight"))

    assert expected.shape == (1, 17, 16, 24)
    torch.testing.assert_close(head([x]), expected, rtol=1e-4, atol=1e-4)
    assert not [name for name, _ in head.named_parameters() if name.endswith("conv.bias")]


@torch.no_grad()
def test_a_detection_head_is_yolov3s(generator: torch.Generator) -> None:
    task = DetectionHead(classes=4, channels=(8, 16, 32))
    head = Detection((24, 40, 64), task, 64, 96)
    with_statistics(head, generator)
    features = [
        torch.randn(1, channels, 64 // stride, 96 // stride, generator=generator)
        for channels, stride in zip((24, 40, 64), STRIDES, strict=True)
    ]

    def leaky(part: torch.nn.Module, x: Tensor, padding: int = 0) -> Tensor:
        x = run_conv(part, x, padding=padding)
        return torch.where(x > 0, x, LEAKY_SLOPE * x)

    expected: list[Tensor] = []
    x = features[2]
    for level in (2, 1, 0):
        scale = head.get_submodule(f"scales.{level}")
        for part, padding in zip(
            scale.get_submodule("body").children(), (0, 1, 0, 1, 0), strict=True
        ):
            x = leaky(part, x, padding)
        predict = scale.get_submodule("predict")
        expected.insert(
            0,
            functional.conv2d(
                leaky(scale.get_submodule("tip"), x, 1),
                predict.get_parameter("weight"),
                predict.get_parameter("bias"),
            ),
        )
        if level:
            x = leaky(head.get_submodule(f"narrow.{level - 1}"), x)
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = torch.cat((x, features[level - 1]), 1)

    maps = head.maps(features)
    assert [m.shape[1] for m in maps] == [3 * (5 + 4)] * 3
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_boxes_are_decoded_cell_by_cell_as_the_yolo_papers_write_it(
    generator: torch.Generator,
) -> None:
    classes, height, width = 2, 64, 32
    maps = [
        torch.randn(2, 3 * (5 + classes), height // s, width // s, generator=generator)
        for s in STRIDES
    ]
    boxes, scores = Boxes(height, width, classes)(maps)

    index = 0
    for m, stride, anchors in zip(maps, STRIDES, ANCHORS, strict=True):
        for row in range(height // stride):
            for column in range(width // stride):
                for number, (anchor_width, anchor_height) in enumerate(anchors):
                    t = m[1, number * 7 : (number + 1) * 7, row, column]
                    x = (t[0].sigmoid() + column) * stride
                    y = (t[1].sigmoid() + row) * stride
                    w, h = anchor_width * t[2].exp(), anchor_height * t[3].exp()
                    box = torch.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
                    torch.testing.assert_close(boxes[1, index], box, rtol=1e-5, atol=1e-3)
                    score = t[4].sigmoid() * t[5:].sigmoid()
                    torch.testing.assert_close(scores[1, index], score, rtol=1e-5, atol=1e-6)
                    index += 1
    assert boxes.shape == (2, index, 4)
    assert scores.shape == (2, index, classes)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("asymmnet_small_035_face", [(2, 128)]),
        ("pruned_large_050_action", [(2, 51)]),
        ("mbv3_small_035_pose", [(2, 17, 64, 64)]),
        ("ghost_small_035_yolo3", [(2, 10_647, 4), (2, 10_647, 20)]),
        ("mobilefacenet", [(2, 128)]),
        ("resnet50_v1b", [(2, 1000)]),
    ],
)
@torch.no_grad()
def test_what_each_network_gives(name: str, shapes: list[tuple[int, ...]]) -> None:
    spec = parse(name)
    given = build_meta(spec)(torch.zeros(2, *spec.input_shape[1:], device="meta"))

    outputs = given if isinstance(given, tuple) else (given,)
    assert [tuple(output.shape) for output in outputs] == shapes


# Refusals


@pytest.mark.parametrize(
    ("name", "size", "works"),
    [
        ("asymmnet_small_100_face", (224, 224), "112x112"),
        ("asymmnet_small_100_face", (96, 112), "97 to 112"),
        ("mobilefacenet", (113, 113), "112x112"),
        ("asymmnet_large_100_pose", (250, 192), "256x192"),
        ("asymmnet_large_100_pose", (1, 1), "32x32"),
        ("asymmnet_large_100_yolo3", (416, 400), "multiples of 32"),
        ("mobilenetv1_100_yolo3", (300, 300), "288x288"),
    ],
)
def test_a_size_that_a_head_cant_take_is_refused_with_sizes_that_work(
    name: str, size: tuple[int, int], works: str
) -> None:
    with pytest.raises(UsageError, match=f"can't take images of {size[0]}x{size[1]}") as error:
        at_resolution(parse(name), (1, 3, *size))
    assert works in error.value.hint
    with pytest.raises(UsageError):
        build(dataclasses.replace(parse(name), input_shape=(1, 3, *size)))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("asymmnet_small_035_face", (97, 112)),
        ("asymmnet_small_035_pose", (256, 192)),
        ("asymmnet_small_035_yolo3", (320, 608)),
        ("asymmnet_small_035_action", (225, 171)),
    ],
)
@torch.no_grad()
def test_a_size_that_a_head_can_take_is_built(name: str, size: tuple[int, int]) -> None:
    spec = at_resolution(parse(name), (1, 3, *size))

    build_meta(spec).eval()(torch.zeros(1, 3, *size, device="meta"))


@pytest.mark.parametrize("classes", [0, -3])
def test_a_network_of_no_classes_is_refused(classes: int) -> None:
    with pytest.raises(UsageError, match="tells nothing"):
        dataclasses.replace(parse("asymmnet_small_100_action"), classes=classes)
    with pytest.raises(UsageError, match="tells nothing"):
        DetectionHead(classes=classes)


def test_a_network_that_has_a_head_takes_no_other() -> None:
    with pytest.raises(UsageError, match="no classifier") as error:
        for_task(parse("mobilefacenet"), "pose")
    assert "asymmnet_small_100_pose" in error.value.hint
    with pytest.raises(UsageError):
        parse("mobilefacenet_face")


def test_the_anchors_are_those_of_yolov3() -> None:
    # arXiv:1804.02767, section 2.3: the nine clusters on COCO, as it prints them.
    assert [side for scale in ANCHORS for anchor in scale for side in anchor] == [
        *(10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
    ]
    assert STRIDES == (8, 16, 32)  # the small ones are of the finest map


def test_no_prediction_makes_an_infinite_box_and_the_room_behind_decodes_alike() -> None:
    maps = [torch.full((1, 3 * 25, side, side), 1e4) for side in (4, 2, 1)]
    boxes, _ = Boxes(32, 32, 20)(maps)
    assert torch.isfinite(boxes.half()).all()
    width = boxes[..., 2] - boxes[..., 0]
    assert float(width.max()) == pytest.approx(LARGEST_GROWTH * 373)
    wanted, _ = decoded([m.double().numpy() for m in maps])
    assert boxes.double().numpy() == pytest.approx(wanted, rel=1e-5)
