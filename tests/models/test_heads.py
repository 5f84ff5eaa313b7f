"""The heads of Tables 7, 9 and 10, each against its paper written out again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from asymm_deploy.models.blocks import LEAKY_SLOPE
from asymm_deploy.models.families.yolo_anchors import ANCHORS, LARGEST_GROWTH, STRIDES
from asymm_deploy.models.heads import Boxes, Detection, Embedding, Enlarge, HeatMaps
from asymm_deploy.models.names import parse
from asymm_deploy.models.tasks import DetectionHead
from asymm_deploy.postprocess.detection import decoded


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


def test_no_prediction_makes_an_infinite_box_and_the_room_behind_decodes_alike() -> None:
    maps = [torch.full((1, 3 * 25, side, side), 1e4) for side in (4, 2, 1)]
    boxes, _ = Boxes(32, 32, 20)(maps)
    assert torch.isfinite(boxes.half()).all()
    width = boxes[..., 2] - boxes[..., 0]
    assert float(width.max()) == pytest.approx(LARGEST_GROWTH * 373)
    wanted, _ = decoded([m.double().numpy() for m in maps])
    assert boxes.double().numpy() == pytest.approx(wanted, rel=1e-5)
