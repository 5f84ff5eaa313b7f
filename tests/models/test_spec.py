"""A spec knows its resolution, and refuses what is no image or no classifier."""

from __future__ import annotations

import dataclasses

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.models.names import parse
from asymm_deploy.models.spec import at_resolution, with_classes
from asymm_deploy.models.tasks import DetectionHead


@pytest.mark.parametrize("shape", [(1, 1, 224, 224), (3, 224, 224), (0, 3, 8, 8), ()])
def test_a_resolution_needs_three_channels_and_no_empty_axis(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="asymmnet_large_100 takes images"):
        at_resolution(parse("asymmnet_large_100"), shape)


def test_another_resolution_changes_nothing_else() -> None:
    spec = parse("asymmnet_large_100")
    small = at_resolution(spec, (2, 3, 96, 64))

    assert small.input_shape == (2, 3, 96, 64)
    assert dataclasses.replace(small, input_shape=spec.input_shape) == spec
    assert spec.input_shape == (1, 3, 224, 224)


def test_the_refusal_shows_a_shape_that_works() -> None:
    with pytest.raises(UsageError) as caught:
        at_resolution(parse("asymmnet_small_100_pose"), (1, 4, 256, 256))

    assert "not 1,4,256,256" in caught.value.what
    assert "--input-shape 1,3,256,256" in caught.value.hint


def test_a_task_refuses_a_resolution_that_its_head_can_not_take() -> None:
    with pytest.raises(UsageError, match="can't take images of 113x112"):
        at_resolution(parse("asymmnet_small_100_face"), (1, 3, 113, 112))


@pytest.mark.parametrize("classes", [0, -1])
def test_a_classifier_needs_a_class(classes: int) -> None:
    with pytest.raises(UsageError, match=f"a network of {classes} classes"):
        dataclasses.replace(parse("asymmnet_small_100"), classes=classes)


@pytest.mark.parametrize(
    ("name", "stride"),
    [("asymmnet_small_100", 2), ("mobilefacenet", 2), ("resnet50_v1b", 4)],
)
def test_the_stem_halves_and_max_pooling_halves_again(name: str, stride: int) -> None:
    assert parse(name).stem_stride == stride


@pytest.mark.parametrize(
    "name", ["asymmnet_small_035", "resnet50_v1b", "asymmnet_small_035_action"]
)
def test_a_classifier_may_tell_apart_another_number_of_classes(name: str) -> None:
    spec = with_classes(parse(name), 10)
    assert (spec.told_apart, spec.name) == (10, name)
    assert spec.rows == parse(name).rows


def test_a_detector_may_tell_apart_another_number_of_classes() -> None:
    spec = with_classes(parse("asymmnet_small_035_yolo3"), 80)
    assert spec.told_apart == 80
    assert isinstance(spec.task, DetectionHead)
    assert spec.task.outputs == 3 * (5 + 80)


@pytest.mark.parametrize(
    ("name", "makes"),
    [
        ("mobilefacenet", "an embedding of 128 values"),
        ("asymmnet_small_035_face", "an embedding of 128 values"),
        ("asymmnet_small_035_pose", "heat maps of 17 keypoints"),
    ],
)
def test_outputs_that_are_no_classes_are_told(name: str, makes: str) -> None:
    assert parse(name).told_apart is None
    with pytest.raises(UsageError, match=f"{name} has no classes: it makes {makes}"):
        with_classes(parse(name), 10)
