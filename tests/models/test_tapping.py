"""A task's backbone is the classifier's own, cut or tapped where its head needs a map."""

from __future__ import annotations

import pytest
import torch

from asymm_deploy.errors import UsageError
from asymm_deploy.models.build import TaskNetwork, build_meta
from asymm_deploy.models.families.yolo_anchors import STRIDES
from asymm_deploy.models.names import parse
from asymm_deploy.models.tapping import deepest, for_task


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


def test_a_network_that_has_a_head_takes_no_other() -> None:
    with pytest.raises(UsageError, match="no classifier") as error:
        for_task(parse("mobilefacenet"), "pose")
    assert "asymmnet_small_100_pose" in error.value.hint
    with pytest.raises(UsageError):
        parse("mobilefacenet_face")
