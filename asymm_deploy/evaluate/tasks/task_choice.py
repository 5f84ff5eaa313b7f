"""Which task a model is evaluated for, and which options belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from asymm_deploy.errors import UsageError
from asymm_deploy.models.source import NamedNetwork, Source
from asymm_deploy.models.spec import NetSpec
from asymm_deploy.models.tasks import DetectionHead, EmbeddingHead, KeypointHead, Task
from asymm_deploy.safe import excerpt

TASK_OPTIONS: Mapping[Task, tuple[str, ...]] = {
    "face": ("--pairs",),
    "action": ("--classes", "--frames"),
    "pose": ("--annotations", "--detections"),
    "yolo3": ("--classes", "--split"),
}
"""What each task takes beside the options of all; a classifier takes --classes."""
NEEDED: Mapping[Task, tuple[str, str]] = {
    "face": (
        "compares faces",
        "--pairs pairs.txt, LFW's list, and the folder of faces as --images",
    ),
    "action": ("names actions", "a folder as --images, with frames in ROOT/CLASS/CLIP/"),
    "pose": (
        "finds keypoints",
        "--annotations person_keypoints_val2017.json, and the folder of its images as --images",
    ),
    "yolo3": (
        "finds objects",
        "VOC's folder as --images: VOCdevkit/VOC2007, which has Annotations and JPEGImages",
    ),
}
"""What a network of each task does, and what it needs to be evaluated."""
_REQUIRED: Mapping[Task, str] = {"face": "--pairs", "pose": "--annotations"}
_IMPLIED: Mapping[str, Task] = {
    "--pairs": "face",
    "--frames": "action",
    "--annotations": "pose",
    "--detections": "pose",
    "--split": "yolo3",
}
"""Which task an option is of, if it is of one alone."""


def task_choice(sources: Sequence[Source], asked: str | None, given: Sequence[str]) -> Task | None:
    """Return the one task of all models; None for classifiers.

    A named network says it itself. For others it is ``asked`` (``--task``), or follows from the
    options that are ``given``. Raises UsageError where they contradict one another, or where models
    of several tasks are named, or where a task lacks an option that it needs.
    """
    wanted = _asked(asked)
    implied = [(option, _IMPLIED[option]) for option in given if option in _IMPLIED]
    if wanted:
        implied.insert(0, (f"--task {wanted}", wanted))
    for option, of_option in implied:
        if of_option != implied[0][1]:
            raise UsageError(
                f"{implied[0][0]} is for {_plural(implied[0][1])}, and {option} for "
                f"{_plural(of_option)}",
                "give those of one task",
            )
    told = implied[0][1] if implied else None
    tasks: dict[Task | None, str] = {}
    for source in sources:
        is_named = isinstance(source, NamedNetwork)
        own = task_of(source.spec) if isinstance(source, NamedNetwork) else told
        if is_named and told is not None and own != told:
            raise _other_option(source.model, own, implied[0][0])
        tasks.setdefault(own, source.model)
    if len(tasks) > 1:
        (one, its), (other, others) = list(tasks.items())[:2]
        raise UsageError(
            f"{its} is a network for {_plural(one)}, and {others} one for {_plural(other)}",
            "evaluate models of one task at a time: each needs data of its own",
        )
    (task,) = tasks
    first = tasks[task]
    taken = ("--classes",) if task is None else TASK_OPTIONS[task]
    for option in given:
        if option not in taken:
            raise _other_option(first, task, option)
    if task is not None and (needed := _REQUIRED.get(task)) and needed not in given:
        does, hint = NEEDED[task]
        raise UsageError(f"{first} {does}, which needs {needed}", f"give {hint}")
    return task


def task_of(spec: NetSpec) -> Task | None:
    """Return the task of one of our networks; None for a classifier of images."""
    match spec.task:
        case EmbeddingHead():
            return "face"
        case KeypointHead():
            return "pose"
        case DetectionHead():
            return "yolo3"
        case None:
            return "action" if spec.name.endswith("_action") else None


def _asked(asked: str | None) -> Task | None:
    for task in get_args(Task):
        if task == asked:
            return task  # type: ignore[no-any-return]
    if asked is None:
        return None
    raise UsageError(
        f"--task {excerpt(asked, 40)} is none that can be evaluated",
        f"give {', '.join(get_args(Task))}; without it models are classifiers",
    )


def _plural(task: Task | None) -> str:
    return {
        "face": "faces",
        "action": "actions",
        "pose": "keypoints",
        "yolo3": "boxes",
        None: "classes of images",
    }[task]


def _other_option(model: str, task: Task | None, option: str) -> UsageError:
    if task is None:
        return UsageError(
            f"{model} tells classes of images apart, and {option} is for another task",
            f"leave out {option.split(maxsplit=1)[0]}, or name a network of that task",
        )
    does, hint = NEEDED[task]
    return UsageError(f"{model} {does}, and {option} is for another task", f"give it {hint}")
