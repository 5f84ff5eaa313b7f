"""What models are to be evaluated on: the task, and its data as the user has them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.image_folder import labelled_images, listed_classes, sampled
from asymm_deploy.evaluate.subject import ClassifiedImages, Subject
from asymm_deploy.evaluate.tasks.actions import FRAMES, action_clips
from asymm_deploy.evaluate.tasks.coco_people import read_people
from asymm_deploy.evaluate.tasks.face_pairs import read_pairs
from asymm_deploy.evaluate.tasks.faces import face_pairs
from asymm_deploy.evaluate.tasks.objects import VocObjects
from asymm_deploy.evaluate.tasks.poses import Poses
from asymm_deploy.evaluate.tasks.task_choice import task_choice
from asymm_deploy.evaluate.tasks.voc_folder import VOC_CLASSES, read_voc
from asymm_deploy.models.source import Source
from asymm_deploy.models.tasks import Task

_NEEDED = (("PIL", "Pillow"), ("pyarrow", "pyarrow"))
_NEEDED_BY: dict[Task, tuple[tuple[str, str], ...]] = {
    "pose": (("pycocotools", "pycocotools"),),
    "yolo3": (("defusedxml", "defusedxml"),),
}
_SPLIT = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Where the data are, and which of them."""

    images: Path
    classes: Path | None
    task: str | None
    pairs: Path | None
    annotations: Path | None
    detections: Path | None
    split: str | None
    frames: int | None
    limit: int | None
    seed: int


def chosen_task(sources: Sequence[Source], asked: DataOptions) -> Task | None:
    """Return the models' task, None for classifiers; raise UsageError as ``task_choice`` does.

    Also where a library that it needs is not installed.
    """
    options: dict[str, object] = {
        "--classes": asked.classes,
        "--pairs": asked.pairs,
        "--annotations": asked.annotations,
        "--detections": asked.detections,
        "--split": asked.split,
        "--frames": asked.frames,
    }
    given = [name for name, value in options.items() if value is not None]
    task = task_choice(sources, asked.task, given)
    needed = (*_NEEDED, *(() if task is None else _NEEDED_BY.get(task, ())))
    missing = [name for module, name in needed if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(
            f"evaluate needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} "
            "not installed",
            "pip install 'asymm-deploy[evaluate]'",
        )
    return task


def default_recipe(task: Task | None) -> str:
    """Return the name of the preprocessing that a task's networks are trained with."""
    return "face" if task == "face" else "imagenet"


def read_subject(task: Task | None, asked: DataOptions, default_limit: int | None) -> Subject:
    """Return the data, or the samples drawn of them; raise UsageError if damaged.

    ``default_limit`` is how often networks may run if no limit is given; None for any number.
    """
    frames = asked.frames or FRAMES
    limit = asked.limit or default_limit
    if task == "action" and asked.limit is None and default_limit is not None:
        limit = max(1, default_limit // frames)
    match task:
        case None:
            folder = labelled_images(asked.images, asked.classes)
            return ClassifiedImages(folder, sampled(folder.images, limit, asked.seed))
        case "face":
            assert asked.pairs is not None
            listed = read_pairs(asked.pairs, asked.images)
            return face_pairs(asked.images, listed, sampled(listed.pairs, limit, asked.seed))
        case "action":
            return action_clips(asked.images, asked.classes, frames, limit, asked.seed)
        case "pose":
            assert asked.annotations is not None
            people = read_people(asked.annotations, asked.images, asked.detections)
            samples = sampled(people.images, limit, asked.seed)
            return Poses(asked.images, people, samples, asked.detections is not None)
        case "yolo3":
            classes = VOC_CLASSES if asked.classes is None else listed_classes(asked.classes)
            split = _SPLIT if asked.split is None else asked.split
            voc = read_voc(asked.images, split, classes)
            return VocObjects(voc, sampled(voc.images, limit, asked.seed))
