"""What models are evaluated on: samples, how a model takes them, and what its answers become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from asymm_deploy.evaluate.accuracy_rows import ACCURACIES, EvaluatedSetting, accuracy_rows
from asymm_deploy.evaluate.evaluation import Evaluation, class_output
from asymm_deploy.evaluate.image_folder import ImageFolder, LabelledImage
from asymm_deploy.evaluate.image_worker import ImageClassifying, SampleReading
from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.evaluate.prediction import NO_CLASS, Chunk, ImagePrediction, Sample
from asymm_deploy.evaluate.prediction_table import write_predictions
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.images.preprocessing import Preprocessing, image_input
from asymm_deploy.safe import excerpt
from asymm_deploy.text import ListRow

MOST_LISTED = 10
_SHOWN = (
    *("model", "engine", "images", "top1_percent", "top1_low_percent", "top1_high_percent"),
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
    def chunk_kind(self) -> type[Chunk[Any]]:
        """What is kept of the answers."""

    @property
    def noun(self) -> str:
        """What samples are called: images."""

    @property
    def table(self) -> KeptRows:
        """The file that rows go to."""

    def for_people(self, rows: Sequence[ListRow], /) -> Sequence[ListRow]:
        """Return what of rows people see at once; the file has all."""

    def told(self) -> Sequence[str]:
        """Return what people should know of the data before minutes of work."""

    def reading(self, made: Manifest, recipe: Preprocessing, /) -> SampleReading:
        """Return how an exported model takes samples; raise UsageError if it can't."""

    def write(self, path: Path, model: str, found: Evaluation[Any], /) -> None:
        """Write every answer to a Parquet file, whole or not at all; raise OSError."""

    def remarks(self, answers: Sequence[Any], /) -> Sequence[str]:
        """Return what is odd about an engine's answers, a line each without its name."""

    def rows(
        self, setting: EvaluatedSetting, reading: Any, found: Evaluation[Any], /
    ) -> Sequence[ListRow]:
        """Return the rows of a model that took samples by ``reading``.

        Raises UsageError where too little of the data could be read to judge by.
        """


@dataclass(frozen=True, slots=True)
class ClassifiedImages:
    """Images in a folder for each class: top-1 and top-5."""

    folder: ImageFolder
    samples: Sequence[LabelledImage]

    chunk_kind = Chunk[ImagePrediction]
    noun = "images"
    table = ACCURACIES

    @property
    def root(self) -> Path:
        """The folder that has a folder for each class."""
        return self.folder.root

    def for_people(self, rows: Sequence[ListRow], /) -> list[ListRow]:
        """Return each row's shares and changes."""
        return [{column: row[column] for column in _SHOWN} for row in rows]

    def told(self) -> list[str]:
        """Return how many images and classes there are, and what is left out."""
        folder, count = self.folder, len(self.samples)
        chosen = "" if count == len(folder.images) else f"{count} of "
        return [
            f"{chosen}{len(folder.images)} images of {len(folder.classes)} classes",
            *([f"without an image: {some(folder.empty)}"] if folder.empty else []),
            *(
                [f"left out, not images by their names: {folder.other_files} files"]
                if folder.other_files
                else []
            ),
            *(
                [f"folders that could not be listed: {some(folder.unseen)}"]
                if folder.unseen
                else []
            ),
        ]

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

    def write(self, path: Path, model: str, found: Evaluation[ImagePrediction], /) -> None:
        """Write a row for each image and engine; raise OSError."""
        write_predictions(path, model, self.folder.classes, found)

    def remarks(self, answers: Sequence[ImagePrediction], /) -> list[str]:
        """Return how often an engine answers with no number."""
        return nan_remarks(answers, "images")

    def rows(
        self, setting: EvaluatedSetting, reading: ImageClassifying, found: Evaluation[Any], /
    ) -> list[ListRow]:
        """Return a row for each engine."""
        return accuracy_rows(setting, reading.classes, found)


def nan_remarks(answers: Sequence[ImagePrediction], what: str) -> list[str]:
    """Return a line if an engine names no class for some of ``what``."""
    count = sum(each.top1 == NO_CLASS for each in answers)
    return [f"answers NaN alone for {count} {what}: counted as wrong"] if count else []


def some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(map(excerpt, names[:MOST_LISTED]))
    return shown + (f" and {len(names) - MOST_LISTED} more" if names[MOST_LISTED:] else "")
