"""Which task a model is evaluated for, and the right option where a wrong one is given."""

from __future__ import annotations

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.tasks.task_choice import task_choice
from asymm_deploy.models.source import CallableModule, Source, resolve
from asymm_deploy.models.tasks import Task

OTHER = CallableModule("nets", "make", ())
SMALL = "asymmnet_small_100"


def of(*names: str) -> list[Source]:
    return [resolve(name) for name in names]


@pytest.mark.parametrize(
    ("sources", "asked", "given", "task"),
    [
        (of(SMALL), None, [], None),
        (of(SMALL), None, ["--classes"], None),
        (of("mobilefacenet", f"{SMALL}_face"), None, ["--pairs"], "face"),
        (of(f"{SMALL}_action", "resnet50_v1b_action"), None, ["--frames", "--classes"], "action"),
        (of(f"{SMALL}_pose"), None, ["--annotations", "--detections"], "pose"),
        (of(f"{SMALL}_yolo3"), None, [], "yolo3"),
        ([OTHER], None, [], None),
        ([OTHER], "action", ["--classes"], "action"),
        ([OTHER], None, ["--pairs"], "face"),
        ([OTHER, *of(f"{SMALL}_face")], "face", ["--pairs"], "face"),
    ],
)
def test_names_tell_it_and_options_for_what_is_not_named(
    sources: list[Source], asked: str | None, given: list[str], task: Task | None
) -> None:
    assert task_choice(sources, asked, given) == task


@pytest.mark.parametrize(
    ("sources", "asked", "given", "told", "hint"),
    [
        (of(f"{SMALL}_face"), None, [], "compares faces, which needs --pairs", "--pairs pairs.txt"),
        (of(f"{SMALL}_pose"), None, [], "finds keypoints, which needs --annot", "val2017.json"),
        (of(f"{SMALL}_pose"), None, ["--pairs"], "and --pairs is for another", "--annotations"),
        (of(f"{SMALL}_yolo3"), None, ["--annotations"], "finds objects, and --ann", "VOCdevkit"),
        (of(f"{SMALL}_face"), None, ["--pairs", "--classes"], "and --classes is", "--pairs"),
        (of(SMALL), None, ["--split"], "tells classes of images apart", "leave out --split"),
        (of(SMALL), "pose", [], "and --task pose is for another task", "leave out --task"),
        ([OTHER], None, ["--pairs", "--split"], "--pairs is for faces, and --split", "one task"),
        ([OTHER], "pose", ["--pairs"], "--task pose is for keypoints, and --pairs", "one task"),
        ([OTHER], "walking", [], "--task walking is none that can be", "face, action, pose, yolo3"),
        (of(SMALL, f"{SMALL}_pose"), None, [], "for classes of images, and", "one task at a time"),
    ],
)
def test_what_does_not_fit_is_told_with_what_does(
    sources: list[Source], asked: str | None, given: list[str], told: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        task_choice(sources, asked, given)
    assert told in raised.value.what
    assert hint in raised.value.hint
