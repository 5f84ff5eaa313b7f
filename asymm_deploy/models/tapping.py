"""From a classifier's spec to the same backbone, cut or tapped, with a task's head. No torch."""

from __future__ import annotations

from dataclasses import replace

from asymm_deploy.errors import UsageError
from asymm_deploy.models.families.yolo_anchors import STRIDES
from asymm_deploy.models.spec import IMAGE_CHANNELS, NetSpec
from asymm_deploy.models.tasks import (
    ACTIONS,
    FACE_STRIDE,
    SIDES,
    DetectionHead,
    EmbeddingHead,
    KeypointHead,
    Task,
)


def for_task(spec: NetSpec, task: Task) -> NetSpec:
    """Return the network of ``task`` on the backbone of the classifier ``spec``.

    Layers keep their names, so that a classifier's weights fit. Raises UsageError if ``spec``
    doesn't end in a classifier.
    """
    if spec.task is not None:
        raise UsageError(
            f"{spec.name} is no classifier, so it can't take a {task} head",
            f"use {spec.name} as it is, or asymmnet_small_100_{task} for example",
        )
    side = SIDES[task]
    named = replace(
        spec, name=f"{spec.name}_{task}", input_shape=(1, IMAGE_CHANNELS, side, side), head=None
    )
    match task:
        case "action":
            return replace(named, head=spec.head, classes=ACTIONS)
        case "face":
            rows = spec.rows[: deepest(spec, FACE_STRIDE)]
            return replace(named, rows=rows, last=None, task=EmbeddingHead())
        case "pose":
            return replace(named, task=KeypointHead())
        case "yolo3":
            taps = tuple(deepest(spec, stride) for stride in STRIDES[:-1])
            return replace(named, task=DetectionHead(), taps=taps)


def deepest(spec: NetSpec, stride: int) -> int:
    """Return the number, from 1, of the last block whose map has that stride.

    ``stride`` is in pixels of the image. Each of our backbones has maps of stride 8, 16 and 32.
    """
    reached, found = spec.stem_stride, 0
    for number, row in enumerate(spec.rows, start=1):
        reached *= row.stride
        if reached == stride:
            found = number
    assert found, f"{spec.name} has no map of stride {stride}"
    return found
