"""Names and specs become modules: any width, readable keys, sizes that a machine can hold."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import asymm_deploy
from asymm_deploy.errors import UsageError
from asymm_deploy.models.build import build
from asymm_deploy.models.names import parse


@pytest.mark.parametrize(
    "name",
    [
        "asymmnet_large_005",
        "asymmnet_small_300",
        "asymmnet_small_001",
        "pruned_large_035",
        "mbv3_small_075",
        "mobilenetv1_025",
        "mobilenetv2_035",
    ],
)
@pytest.mark.parametrize("size", [(32, 32), (65, 33)])
@torch.no_grad()
def test_any_width_builds_and_maps_any_resolution_to_logits(
    name: str, size: tuple[int, int]
) -> None:
    network = build(name).eval()

    assert network(torch.zeros(2, 3, *size)).shape == (2, 1000)


def test_the_package_builds_from_names_and_specs() -> None:
    spec = dataclasses.replace(parse("asymmnet_small_035"), classes=7)

    assert asymm_deploy.build(spec).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 7)
    assert asymm_deploy.build("asymmnet_small_035").training


def test_the_same_seed_gives_the_same_weights() -> None:
    states = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            states.append(build("asymmnet_small_035").state_dict())

    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_keys_of_the_weights_say_where_they_are() -> None:
    keys = {key.removesuffix(".weight") for key in build("asymmnet_small_100").state_dict()}

    assert {
        "stem.conv",
        "blocks.0.se.reduce",
        "blocks.1.expand.conv",
        "blocks.1.depthwise.bn",
        "blocks.10.project.conv",
        "last.conv",
        "head.conv",
        "classifier",
    } <= keys


def test_the_convolution_after_pooling_has_neither_bias_nor_normalisation() -> None:
    state = build("asymmnet_small_035").state_dict()

    assert [key for key in state if key.startswith("head")] == ["head.conv.weight"]
    assert state["head.conv.weight"].shape == (1280, 208, 1, 1)


def test_a_width_that_no_onnx_file_can_hold_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(UsageError, match="more than an ONNX file can hold"):
        build("asymmnet_large_99999")
