"""Which output of a model has a value for each class."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.errors import UsageError
from asymm_deploy.text import counted


def class_output(
    outputs: Sequence[tuple[str, tuple[int, ...]]], classes: int, model: str
) -> tuple[str, int]:
    """Return the output with a value for each class, and how many it has.

    Raises UsageError if none or several have as many values as there are ``classes``, or more.
    """
    flat = [
        (name, size)
        for name, shape in outputs
        if (size := values_in_a_row(shape)) is not None and size > 1
    ]
    if len(flat) == 1 and flat[0][1] == classes:
        return flat[0]
    if len(exact := [each for each in flat if each[1] == classes]) == 1:
        return exact[0]
    told = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in outputs)
    if len(flat) == 1:
        raise UsageError(
            f"{model} tells {counted(flat[0][1], 'class')} apart, and the images have {classes}",
            "list the model's classes in its order, one a line, in a file, and give it with "
            "--classes; folders of images may then be fewer",
        )
    raise UsageError(
        f"{model} has no single output with a value for each of {classes} classes: {told}",
        "evaluate a classifier, or say what else it is for: --task face, action, pose or yolo3",
    )


def values_in_a_row(shape: tuple[int, ...]) -> int | None:
    """Return how many values a shape has, if all lie along one axis."""
    long = [side for side in shape if side != 1]
    return long[0] if len(long) == 1 else None
