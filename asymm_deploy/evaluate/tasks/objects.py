"""Objects: images to boxes of classes, judged by Pascal VOC's average precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy_rows import EvaluatedSetting
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.prediction import Chunk, Sample
from asymm_deploy.evaluate.prediction_table import lane_columns, write_parquet
from asymm_deploy.evaluate.tasks.task_rows import (
    TASKS,
    Judged,
    Measure,
    TaskAgreement,
    figures,
    shared_answers,
    task_rows,
    unmeasured_task_row,
)
from asymm_deploy.evaluate.tasks.voc_folder import VOC_CLASSES, VocFolder, VocImage
from asymm_deploy.evaluate.tasks.voc_precision import FoundBoxes, box_overlaps, voc_precision
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.images.decoding import UnreadableImageError, decoded_image
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, image_input
from asymm_deploy.postprocess import detection
from asymm_deploy.postprocess.arrays import Floats
from asymm_deploy.text import ListRow, counted

MEAN_METRICS = ("map07", "map")
_NUMBERS = 6
"""Of a box: first and last column and row, score, class."""
_VOC2007_TEST = (4952, 12_032)
"""Images, and objects that are not difficult."""
_ALIKE = 0.9
"""Overlap of two lanes' boxes that are one."""


class ImageBoxes(msgspec.Struct, frozen=True, array_like=True):
    """One lane's answer for one image."""

    image: str
    values: bytes
    """(D, 6) float32, little-endian: first and last column and row in pixels of the image, counted
    from 1 as VOC does, score and class; the best first."""
    is_finite: bool
    """False where an output has NaN or infinity, and nothing is found."""

    def is_of(self, sample: Sample, /) -> bool:
        """Whether it answers this very image."""
        return self.image == sample.name and len(self.values) % (4 * _NUMBERS) == 0

    @property
    def rows(self) -> Floats:
        """(D, 6)."""
        return np.frombuffer(self.values, "<f4").reshape(-1, _NUMBERS).astype(np.float64)

    @property
    def found(self) -> FoundBoxes:
        """The boxes, scores and labels apart."""
        rows = self.rows
        return FoundBoxes(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.intp))


class ObjectReading(msgspec.Struct, frozen=True, kw_only=True):
    """An image in, stretched to the input's size; boxes in its own pixels out."""

    boxes: str
    scores: str
    taken: ImageInput
    recipe: Preprocessing

    @property
    def outputs(self) -> tuple[str, ...]:
        """Their names."""
        return (self.boxes, self.scores)

    def key(self) -> str:
        """Return the recipe as one line."""
        return f"yolo3 {self.recipe.key()}"

    def inputs(self, root: Path, sample: VocImage, /) -> Iterator[Arrays]:
        """Yield the image's one input. Raises UnreadableImageError."""
        from PIL import Image as Images

        image = decoded_image(root / sample.file.path, self.taken.channels)
        if image.size != (sample.width, sample.height):
            raise UnreadableImageError(
                f"it is {image.width} x {image.height} pixels large, and by its annotation "
                f"{sample.width} x {sample.height}"
            )
        resampling = Images.Resampling[self.recipe.interpolation.upper()]
        size = (self.taken.width, self.taken.height)
        pixels = np.asarray(image.resize(size, resampling), np.uint8)
        shape = (self.taken.height, self.taken.width, self.taken.channels)
        yield {self.taken.name: self.taken.filled(pixels.reshape(shape), self.recipe)}

    def answer(self, sample: VocImage, outputs: Sequence[Arrays], /) -> ImageBoxes:
        """Return what is left after non-maximum suppression, cut off at the image's edges."""
        (only,) = outputs
        boxes = np.asarray(only[self.boxes], np.float64).reshape(-1, 4)
        scores = np.asarray(only[self.scores], np.float64).reshape(len(boxes), -1)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            return ImageBoxes(sample.name, b"", is_finite=False)
        turned = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)  # no box: it ends before it begins
        far = (np.abs(boxes) > detection.LARGEST_COORDINATE).any(axis=1)
        good = ~(turned | far)
        found = detection.detections(boxes[good], scores[good])
        # From pixels of the input to the image's, of which VOC calls the first 1. Both ends are
        # pixels' numbers, as in GluonCV, whose networks learn boxes of xmin - 1 to xmax - 1.
        scale = np.tile([sample.width / self.taken.width, sample.height / self.taken.height], 2)
        last = np.tile([sample.width, sample.height], 2)
        edges = np.clip(found.boxes * scale + 1, 1, last)
        rows = np.column_stack([edges, found.scores, found.classes]).astype("<f4")
        return ImageBoxes(sample.name, rows.tobytes(), is_finite=True)


@dataclass(frozen=True, slots=True)
class VocObjects:
    """Annotated images, or some of them, below a root."""

    folder: VocFolder
    samples: Sequence[VocImage]

    chunk_kind = Chunk[ImageBoxes]
    noun = "image"
    runs_each = 4
    """A detector takes about as long as four classifiers, or more."""
    table = TASKS

    def for_people(self, rows: Sequence[ListRow], /) -> list[ListRow]:
        """Return the figures without those of single classes."""
        return figures(rows)

    @property
    def root(self) -> Path:
        """VOC's folder."""
        return self.folder.root

    @property
    def is_drawn(self) -> bool:
        """Whether some images are left out."""
        return len(self.samples) < len(self.folder.images)

    def told(self) -> list[str]:
        """Return how many images and objects there are."""
        count, all_of_them = len(self.samples), len(self.folder.images)
        chosen = "" if count == all_of_them else f"{count} of "
        objects = [each for image in self.samples for each in image.objects]
        difficult = sum(each.difficult for each in objects)
        return [
            f"{chosen}{counted(all_of_them, 'image')} with {counted(len(objects), 'object')}; "
            f"difficult, which doesn't count: {difficult}"
        ]

    def reading(self, made: Manifest, recipe: Preprocessing, /) -> ObjectReading:
        """Return how a model takes an image; raise UsageError if it makes no such boxes."""
        classes = len(self.folder.classes)
        told = ", ".join(f"{e.name} {'x'.join(map(str, e.shape))}" for e in made.outputs)
        rows = [each for each in made.outputs if len(each.shape) == 3 and each.shape[0] == 1]
        boxes = [each for each in rows if each.shape[2] == 4]
        scores = [each for each in rows if each not in boxes[:1]]
        if not (len(made.outputs) == len(rows) == 2 and boxes and scores):
            raise UsageError(
                f"{made.model} has no boxes and scores as its two outputs: {told}",
                "evaluate a network with boxes 1xBx4 (x1, y1, x2, y2 in pixels of its input) and "
                "scores 1xBxCLASSES",
            )
        if boxes[0].shape[1] != scores[0].shape[1]:
            raise UsageError(
                f"{made.model} has other boxes than scores: {told}", "export the network again"
            )
        if scores[0].shape[2] != classes:
            raise UsageError(
                f"{made.model} tells {counted(scores[0].shape[2], 'class')} apart, "
                f"and there are {classes}",
                "list the model's classes in its order, one a line, in a file, and give it with "
                "--classes",
            )
        return ObjectReading(
            boxes=boxes[0].name,
            scores=scores[0].name,
            taken=image_input(made.inputs),
            recipe=recipe,
        )

    def write(self, path: Path, lane: Lane, found: Evaluation[ImageBoxes], /) -> None:
        """Write a row for each box, and for each unreadable image."""
        import pyarrow as pa

        sides = ("xmin", "ymin", "xmax", "ymax")
        of = lane_columns(lane)
        rows: list[dict[str, object]] = [
            {
                **of,
                "image": answer.image,
                "class": self.folder.classes[int(row[5])],
                "score": float(row[4]),
                **dict(zip(sides, map(float, row[:4]), strict=True)),
            }
            for answer in found.predictions
            for row in answer.rows
        ]
        rows += [{**of, "image": i.image, "unreadable": i.reason} for i in found.unreadable]
        schema = pa.schema(
            {
                **dict.fromkeys(of, pa.string()),
                "image": pa.string(),
                "class": pa.string(),
                "score": pa.float32(),
                **dict.fromkeys(sides, pa.float32()),
                "unreadable": pa.string(),
            }
        )
        write_parquet(path, rows, schema)

    def remarks(self, answers: Sequence[ImageBoxes], /) -> list[str]:
        """Return how often a lane gives numbers that aren't finite."""
        count = sum(not each.is_finite for each in answers)
        return (
            [f"gives NaN or infinity for {counted(count, 'image')}: nothing is found in them"]
            if count
            else []
        )

    def for_model(self, made: Manifest, /) -> tuple[VocObjects, None]:
        """Return the same: VOC's order or a list says which class is which."""
        del made
        return self, None

    def unmeasured(
        self, setting: EvaluatedSetting, reading: ObjectReading, lane: Lane, /
    ) -> ListRow:
        """Return a row without figures."""
        del reading
        return unmeasured_task_row(setting, lane, "yolo3", MEAN_METRICS[0])

    def rows(
        self,
        setting: EvaluatedSetting,
        reading: ObjectReading,
        lane: Lane,
        key: str,
        found: Evaluation[ImageBoxes],
        against: tuple[Lane, Evaluation[ImageBoxes]] | None,
        /,
    ) -> list[ListRow]:
        """Return the lane's rows: the mean by both rules, and each class by the first.

        Raises UsageError where nothing in the images counts.
        """
        del reading
        by_name = {each.name: each for each in self.samples}
        there = [by_name[each.image] for each in found.predictions]
        count = sum(not each.difficult for image in there for each in image.objects)
        if not count:
            raise UsageError(
                f"nothing counts in {counted(len(there), 'image')} that could be decoded",
                "raise --limit, or see which images can't be decoded",
            )
        whole = (len(there), count) == _VOC2007_TEST and self.folder.classes == VOC_CLASSES
        return task_rows(
            setting,
            Judged(
                task="yolo3",
                data="VOC2007 test" if whole else "",
                samples=len(there),
                runs=len(there),
            ),
            lane,
            key,
            found,
            self._measures(there, found.predictions),
            against and (against[0], box_agreement(shared_answers(against[1], found))),
        )

    def _measures(self, there: Sequence[VocImage], answers: Sequence[ImageBoxes]) -> list[Measure]:
        classes = self.folder.classes
        of_classes = voc_precision(
            [each.objects for each in there], [each.found for each in answers], len(classes)
        )
        eleven = [each.eleven_points for each in of_classes]
        area = [each.area for each in of_classes]
        means = zip(MEAN_METRICS, (_mean(eleven), _mean(area)), strict=True)
        return [
            *(Measure(metric, 100 * value) for metric, value in means),
            *(
                Measure(f"ap07 {name}", None if value is None else 100 * value)
                for name, value in zip(classes, eleven, strict=True)
            ),
        ]


def box_agreement(both: Sequence[tuple[ImageBoxes, ImageBoxes]]) -> TaskAgreement:
    """Return which share of all boxes has its like in the other's answers for the same image.

    A like is of the same class, overlaps by 0.9 or more, and is no other box's. All boxes count,
    those with low scores, too.
    """
    alike = count = 0
    for one, other in both:
        mine, theirs = one.rows, other.rows
        count += len(mine) + len(theirs)
        overlaps = box_overlaps(mine[:, :4], theirs[:, :4])
        overlaps[mine[:, None, 5] != theirs[None, :, 5]] = 0
        for row in overlaps if len(theirs) else ():
            best = int(row.argmax())
            if row[best] >= _ALIKE:
                overlaps[:, best] = 0
                alike += 2
    return TaskAgreement(100 * alike / count if count else None)


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([each for each in values if each is not None]))
