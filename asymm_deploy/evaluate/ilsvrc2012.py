"""ImageNet's 1000 classes: folders of some of them are numbered as networks number all.

``ilsvrc2012.txt`` has the WordNet identifiers of ILSVRC 2012 (Russakovsky et al., IJCV 115, 2015)
in the order of the identifiers, which is that of Caffe's ``synsets.txt``, torchvision's
``ImageFolder`` and timm's ``imagenet_synsets.txt``, from whose version 1.0.31 it was taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from asymm_deploy.evaluate.class_output import values_in_a_row
from asymm_deploy.evaluate.image_folder import ImageFolder, LabelledImage
from asymm_deploy.safe import excerpt

_SYNSET = re.compile(r"n\d{8}")


@cache
def ilsvrc2012_synsets() -> tuple[str, ...]:
    """Return the identifiers, 1000 of them, in the order of a network's outputs."""
    path = Path(__file__).with_suffix(".txt")
    return tuple(path.read_text(encoding="ascii").split())


def in_models_order(
    folder: ImageFolder,
    images: Sequence[LabelledImage],
    shapes: Sequence[tuple[int, ...]],
) -> tuple[ImageFolder, Sequence[LabelledImage], str | None]:
    """Return the folder and its images with the numbers that a model gives their classes.

    They change where the folders are fewer than ImageNet's, and all among them, no list of classes
    says otherwise, and an output of the model has 1000 values but none as many as there are
    folders. The last is a line to show: what was done, or why not.
    """
    sizes = {values_in_a_row(shape) for shape in shapes}
    synsets = ilsvrc2012_synsets()
    named_so = [name for name in folder.classes if _SYNSET.fullmatch(name)]
    if folder.is_listed or not named_so or len(folder.classes) == len(synsets):
        return folder, images, None
    count = len(folder.classes)
    others = sorted(set(folder.classes) - set(synsets))
    if count in sizes:
        return (
            folder,
            images,
            (
                None
                if others
                else f"the model tells {count} classes apart, so the {count} folders of ImageNet's "
                "classes are numbered in their own order; --classes gives another"
            ),
        )
    if len(synsets) not in sizes:
        return folder, images, None
    if others:
        return (
            folder,
            images,
            (
                f"the folders are not numbered as ImageNet's 1000 classes: "
                f"{', '.join(map(excerpt, others[:3]))}{' ...' * bool(others[3:])} "
                f"{'is' if len(others) == 1 else 'are'} not among them"
            ),
        )
    numbers = {name: number for number, name in enumerate(synsets)}
    renumbered = [replace(each, label=numbers[folder.classes[each.label]]) for each in images]
    return (
        replace(folder, classes=synsets),
        renumbered,
        f"the {count} folders are numbered as ImageNet's 1000 classes (ILSVRC 2012) are; "
        "--classes gives other numbers",
    )
