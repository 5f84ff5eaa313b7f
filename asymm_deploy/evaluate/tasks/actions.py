"""Actions: clips as folders of frames, judged by the mean of some frames' logits.

The frames are the middles of equal parts of the clip, and their logits are averaged before the
softmax, as temporal segment networks are tested (Wang et al., arXiv:1608.00859: 25 frames). The
paper says nothing of its own frames.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy import accuracy_of, agreement_of
from asymm_deploy.evaluate.accuracy_rows import EvaluatedSetting
from asymm_deploy.evaluate.class_output import class_output
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.image_folder import (
    ImageFolder,
    LabelledImage,
    as_utf8,
    labelled_images,
    sampled,
)
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.prediction import Chunk, ImagePrediction, prediction_of
from asymm_deploy.evaluate.prediction_table import write_predictions
from asymm_deploy.evaluate.sample_reading import image_arrays
from asymm_deploy.evaluate.subject import nan_remarks, what_is_left_out
from asymm_deploy.evaluate.tasks.task_rows import (
    TASKS,
    Judged,
    TaskAgreement,
    figures,
    share_of,
    task_rows,
    unmeasured_task_row,
)
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.images.decoding import UnreadableImageError
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, image_input
from asymm_deploy.postprocess import action
from asymm_deploy.safe import excerpt
from asymm_deploy.text import ListRow, counted

FRAMES = 25
"""Of a clip; all of one that has fewer."""
_HMDB51_CLASSES = 51
_HMDB51_CLIPS = 1530
"""Of each test split: 30 of each class."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One folder of frames, by the frames that are looked at."""

    path: str
    """Relative to the root, with ``/``."""
    label: int
    frames: tuple[LabelledImage, ...]

    @property
    def name(self) -> str:
        """The path as UTF-8 can say it."""
        return as_utf8(self.path)

    @property
    def facts(self) -> tuple[object, ...]:
        """What a prediction depends on."""
        return self.name, self.label, [each.facts for each in self.frames]


class ActionReading(msgspec.Struct, frozen=True, kw_only=True):
    """A clip's frames in, its likeliest actions out."""

    output: str
    classes: int
    taken: ImageInput
    recipe: Preprocessing

    @property
    def outputs(self) -> tuple[str, ...]:
        """Their names."""
        return (self.output,)

    def key(self) -> str:
        """Return the recipe as one line; a clip's own facts say which frames."""
        return f"action {self.recipe.key()}"

    def inputs(self, root: Path, sample: Clip, /) -> Iterator[Arrays]:
        """Yield the input of each frame. Raises UnreadableImageError, with the frame's name."""
        for frame in sample.frames:
            try:
                yield image_arrays(root / frame.path, self.taken, self.recipe)
            except UnreadableImageError as error:
                last = as_utf8(Path(frame.path).name)
                raise UnreadableImageError(
                    f"{excerpt(last)}: {error}", may_pass=error.may_pass
                ) from error

    def answer(self, sample: Clip, outputs: Sequence[Arrays], /) -> ImagePrediction:
        """Return the likeliest classes of the mean; none where a logit is not finite."""
        logits = np.stack([np.asarray(each[self.output], np.float64).ravel() for each in outputs])
        if np.isfinite(logits).all():
            return prediction_of(sample.name, sample.label, action.averaged(logits))
        return ImagePrediction(sample.name, sample.label, (), None)


@dataclass(frozen=True, slots=True)
class ActionClips:
    """Clips in a folder for each class: top-1 and top-5."""

    root: Path
    classes: tuple[str, ...]
    samples: Sequence[Clip]
    all_clips: int
    frames: int
    folder: ImageFolder

    chunk_kind = Chunk[ImagePrediction]
    noun = "clip"
    table = TASKS

    def for_people(self, rows: Sequence[ListRow], /) -> list[ListRow]:
        """Return the figures without those of single classes."""
        return figures(rows)

    @property
    def runs_each(self) -> int:
        """Its frames."""
        return self.frames

    @property
    def is_drawn(self) -> bool:
        """Whether some clips are left out."""
        return len(self.samples) < self.all_clips

    def told(self) -> list[str]:
        """Return how many clips and classes there are, and what is left out."""
        count = len(self.samples)
        chosen = "" if count == self.all_clips else f"{count} of "
        few = sum(len(each.frames) < self.frames for each in self.samples)
        folder = self.folder
        return [
            f"{chosen}{counted(self.all_clips, 'clip')} of "
            f"{counted(len(self.classes), 'class')}, up to "
            f"{counted(self.frames, 'frame')} of each",
            *(
                [f"with fewer frames, all of which are taken: {counted(few, 'clip')}"]
                if few
                else []
            ),
            *what_is_left_out(folder, "a clip"),
        ]

    def reading(self, made: Manifest, recipe: Preprocessing, /) -> ActionReading:
        """Return how a classifier takes frames; raise UsageError if it is of other classes."""
        output, classes = class_output(
            [(each.name, each.shape) for each in made.outputs], len(self.classes), made.model
        )
        return ActionReading(
            output=output, classes=classes, taken=image_input(made.inputs), recipe=recipe
        )

    def write(self, path: Path, lane: Lane, found: Evaluation[ImagePrediction], /) -> None:
        """Write a row for each clip; raise OSError."""
        write_predictions(path, lane, self.classes, found)

    def remarks(self, answers: Sequence[ImagePrediction], /) -> list[str]:
        """Return how often a lane answers with no number."""
        return nan_remarks(answers, "clip")

    def for_model(self, made: Manifest, /) -> tuple[ActionClips, None]:
        """Return the same: the folders' order or a list says which class is which."""
        del made
        return self, None

    def unmeasured(
        self, setting: EvaluatedSetting, reading: ActionReading, lane: Lane, /
    ) -> ListRow:
        """Return a row without figures."""
        del reading
        return unmeasured_task_row(setting, lane, "action", "top1")

    def rows(
        self,
        setting: EvaluatedSetting,
        reading: ActionReading,
        lane: Lane,
        key: str,
        found: Evaluation[ImagePrediction],
        against: tuple[Lane, Evaluation[ImagePrediction]] | None,
        /,
    ) -> list[ListRow]:
        """Return the lane's rows: top-1, and top-5 of six classes or more."""
        runs = {each.name: len(each.frames) for each in self.samples}
        of_all = accuracy_of(found.predictions, reading.classes)
        whole = (len(self.classes), of_all.images) == (_HMDB51_CLASSES, _HMDB51_CLIPS)
        top5 = [] if of_all.top5 is None else [share_of("top5", of_all.top5, of_all.images)]
        return task_rows(
            setting,
            Judged(
                task="action",
                data="HMDB51" if whole and of_all.images == self.all_clips else "",
                samples=of_all.images,
                runs=sum(runs[each.image] for each in found.predictions),
            ),
            lane,
            key,
            found,
            [share_of("top1", of_all.top1, of_all.images), *top5],
            against and (against[0], _agreement(against[1].predictions, found.predictions)),
        )


def _agreement(
    before: Sequence[ImagePrediction], after: Sequence[ImagePrediction]
) -> TaskAgreement:
    found = agreement_of(before, after)
    if not found.images:
        return TaskAgreement(None)
    return TaskAgreement(
        100 * found.agreeing / found.images, found.became_wrong, found.became_right, found.p
    )


def action_clips(
    root: Path, classes_file: Path | None, frames: int, limit: int | None, seed: int
) -> ActionClips:
    """Return the clips of ``root/CLASS/CLIP/``, whose frames are images in the order of numbers.

    Classes are those of ``labelled_images``. Raises UsageError as it does, and where images lie in
    a class's folder without a clip's.
    """
    folder = labelled_images(root, classes_file)
    by_clip: dict[tuple[int, str], list[LabelledImage]] = {}
    for image in folder.images:
        by_clip.setdefault((image.label, os.path.dirname(image.path)), []).append(image)  # noqa: PTH120  a path below the root, with /
    loose = [clip for _, clip in by_clip if "/" not in clip]
    if loose:
        raise UsageError(
            f"{root}/{excerpt(loose[0])} has images that are in no clip's folder",
            f"put the frames of each clip into {root}/CLASS/CLIP/",
        )
    clips = [
        Clip(path, label, tuple(chosen(sorted(found, key=_in_order), frames)))
        for (label, path), found in by_clip.items()
    ]
    clips.sort(key=lambda clip: (clip.label, clip.path))
    return ActionClips(
        root, folder.classes, sampled(clips, limit, seed), len(clips), frames, folder
    )


def chosen(frames: Sequence[LabelledImage], count: int) -> list[LabelledImage]:
    """Return the middle frame of each of ``count`` equal parts; all where there are no more."""
    if len(frames) <= count:
        return list(frames)
    part = len(frames) / count
    return [frames[int(part / 2 + part * number)] for number in range(count)]


def _in_order(frame: LabelledImage) -> list[tuple[int, str]]:
    """Frame 10 comes after frame 9, whether or not they are written 0010 and 0009."""
    name = frame.path.rpartition("/")[2]
    parts = re.split(r"([0-9]+)", name)
    return [
        (int(part), "") if place % 2 and len(part) < 19 else (0, part)
        for place, part in enumerate(parts)
    ]
