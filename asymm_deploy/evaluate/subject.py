"""What models are evaluated on: samples, how a model takes them, and what its answers become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from asymm_deploy.evaluate.accuracy_rows import (
    ACCURACIES,
    EvaluatedSetting,
    accuracy_row,
    unmeasured_row,
)
from asymm_deploy.evaluate.class_output import class_output
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.ilsvrc2012 import in_models_order
from asymm_deploy.evaluate.image_folder import ImageFolder, LabelledImage
from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.prediction import NO_CLASS, Chunk, ImagePrediction, Sample
from asymm_deploy.evaluate.prediction_table import write_predictions
from asymm_deploy.evaluate.sample_reading import ImageClassifying, SampleReading
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.images.preprocessing import Preprocessing, image_input
from asymm_deploy.safe import excerpt
from asymm_deploy.text import ListRow, counted

MOST_LISTED = 10
NOT_MEASURED = "not measured here"
_SHOWN = (
    *("model", "variant", "engine", "device", "precision", "images"),
    *("top1_percent", "top1_low_percent", "top1_high_percent"),
    *("top5_percent", "agreement_percent", "became_wrong", "became_right", "ms_per_image"),
)


class Subject(Protocol):
    """One task on one set of data."""

    @property
    def root(self) -> Path:
        """The folder that the samples' paths begin in."""

    @property
    def samples(self) -> Sequence[Sample]:
        """What models answer, in a fixed order."""

    @property
    def is_drawn(self) -> bool:
        """Whether there are more in the data than are to be answered."""

    @property
    def chunk_kind(self) -> type[Chunk[Any]]:
        """What is kept of the answers."""

    @property
    def noun(self) -> str:
        """What a sample is called: image."""

    @property
    def runs_each(self) -> int:
        """How often a network runs for a sample, roughly: chunks have fewer of larger samples."""

    @property
    def table(self) -> KeptRows:
        """The file that rows go to."""

    def for_people(self, rows: Sequence[ListRow], /) -> Sequence[ListRow]:
        """Return what of rows people see at once; the file has all."""

    def told(self) -> Sequence[str]:
        """Return what people should know of the data before minutes of work."""

    def for_model(self, made: Manifest, /) -> tuple[Subject, str | None]:
        """Return the same as an exported model numbers its classes, and a line on it if need be."""

    def reading(self, made: Manifest, recipe: Preprocessing, /) -> SampleReading:
        """Return how an exported model takes samples; raise UsageError if it can't."""

    def write(self, path: Path, lane: Lane, found: Evaluation[Any], /) -> None:
        """Write every answer of a lane to a Parquet file, whole or not at all; raise OSError."""

    def remarks(self, answers: Sequence[Any], /) -> Sequence[str]:
        """Return what is odd about a lane's answers, a line each without its name."""

    def rows(
        self,
        setting: EvaluatedSetting,
        reading: Any,
        lane: Lane,
        key: str,
        found: Evaluation[Any],
        against: tuple[Lane, Evaluation[Any]] | None,
        /,
    ) -> Sequence[ListRow]:
        """Return the rows of a lane with answers, compared with another's ``against`` it.

        Raises UsageError where too little of the data could be read to judge by.
        """

    def unmeasured(self, setting: EvaluatedSetting, reading: Any, lane: Lane, /) -> ListRow:
        """Return the row of a lane that can't be measured here: it has no figure."""


@dataclass(frozen=True, slots=True)
class ClassifiedImages:
    """Images in a folder for each class: top-1 and top-5."""

    folder: ImageFolder
    samples: Sequence[LabelledImage]

    chunk_kind = Chunk[ImagePrediction]
    noun = "image"
    runs_each = 1
    table = ACCURACIES

    @property
    def root(self) -> Path:
        """The folder that has a folder for each class."""
        return self.folder.root

    def for_people(self, rows: Sequence[ListRow], /) -> list[ListRow]:
        """Return each row's shares and changes."""
        return [
            shown if row["images"] else shown | {"top1_percent": NOT_MEASURED}
            for row in rows
            for shown in [{column: row[column] for column in _SHOWN}]
        ]

    @property
    def is_drawn(self) -> bool:
        """Whether some images are left out."""
        return len(self.samples) < len(self.folder.images)

    def told(self) -> list[str]:
        """Return how many images and classes there are, and what is left out."""
        folder, count = self.folder, len(self.samples)
        chosen = "" if count == len(folder.images) else f"{count} of "
        return [
            f"{chosen}{counted(len(folder.images), 'image')} of "
            f"{counted(len(folder.classes), 'class')}",
            *what_is_left_out(folder, "an image"),
        ]

    def for_model(self, made: Manifest, /) -> tuple[ClassifiedImages, str | None]:
        """Return the images as a model numbers ImageNet's classes, and a line if that differs."""
        shapes = [each.shape for each in made.outputs]
        folder, samples, note = in_models_order(self.folder, self.samples, shapes)
        return ClassifiedImages(folder, samples), note

    def reading(self, made: Manifest, recipe: Preprocessing, /) -> ImageClassifying:
        """Return how a classifier takes an image; raise UsageError if it is of other classes."""
        output, classes = class_output(
            [(each.name, each.shape) for each in made.outputs],
            len(self.folder.classes),
            made.model,
        )
        return ImageClassifying(
            output=output, classes=classes, taken=image_input(made.inputs), recipe=recipe
        )

    def write(self, path: Path, lane: Lane, found: Evaluation[ImagePrediction], /) -> None:
        """Write a row for each image; raise OSError."""
        write_predictions(path, lane, self.folder.classes, found)

    def remarks(self, answers: Sequence[ImagePrediction], /) -> list[str]:
        """Return how often a lane answers with no number."""
        return nan_remarks(answers, "image")

    def rows(
        self,
        setting: EvaluatedSetting,
        reading: ImageClassifying,
        lane: Lane,
        key: str,
        found: Evaluation[ImagePrediction],
        against: tuple[Lane, Evaluation[ImagePrediction]] | None,
        /,
    ) -> list[ListRow]:
        """Return the lane's one row."""
        return [accuracy_row(setting, reading.classes, lane, key, found, against)]

    def unmeasured(
        self, setting: EvaluatedSetting, reading: ImageClassifying, lane: Lane, /
    ) -> ListRow:
        """Return a row without figures."""
        return unmeasured_row(setting, reading.classes, lane)


def nan_remarks(answers: Sequence[ImagePrediction], noun: str) -> list[str]:
    """Return a line if a lane names no class for some samples."""
    count = sum(each.top1 == NO_CLASS for each in answers)
    return [f"answers NaN alone for {counted(count, noun)}: counted as wrong"] if count else []


def what_is_left_out(folder: ImageFolder, what: str) -> list[str]:
    """Return a line for each kind of thing in a folder of classes that counts for nothing."""
    lines = []
    if folder.empty:
        lines.append(f"without {what}: {some(folder.empty)}")
    if folder.other_files:
        told = counted(folder.other_files, "file")
        lines.append(f"left out, not images by their names: {told}")
    if folder.unseen:
        lines.append(f"folders that could not be listed: {some(folder.unseen)}")
    return lines


def some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(map(excerpt, names[:MOST_LISTED]))
    return shown + (f" and {len(names) - MOST_LISTED} more" if names[MOST_LISTED:] else "")
