"""Poses: people's boxes to keypoints, judged by COCO's average precision."""

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
from asymm_deploy.evaluate.tasks.coco_people import KEYPOINTS, People, PeopleImage, clipped
from asymm_deploy.evaluate.tasks.keypoint_precision import (
    COCO_METRICS,
    PosedPerson,
    keypoint_precision,
)
from asymm_deploy.evaluate.tasks.person_crop import PersonCrop, person_crop
from asymm_deploy.evaluate.tasks.task_rows import (
    TASKS,
    Judged,
    TaskAgreement,
    figures,
    shared_answers,
    task_rows,
    unmeasured_task_row,
)
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.images.decoding import UnreadableImageError, decoded_image
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, image_input
from asymm_deploy.postprocess import pose
from asymm_deploy.postprocess.arrays import Floats
from asymm_deploy.text import ListRow, counted

SURE = 0.2
"""Keypoints above it make a person's score: the mean of their maxima, as in GluonCV and HRNet."""
_COCO_VAL2017 = (5000, 2693, 11_004)
"""Images, those with people, and people annotated."""


class ImageKeypoints(msgspec.Struct, frozen=True, array_like=True):
    """One lane's answer for one image: the keypoints of each person in it."""

    image: str
    people: int
    values: bytes
    """(people, 17, 3) float32, little-endian: x and y in pixels of the image and the heat map's
    maximum; x and y are NaN where it is 0 or less, and all three where a heat map isn't finite."""

    def is_of(self, sample: Sample, /) -> bool:
        """Whether it answers this very image, with as many people."""
        return (
            self.image == sample.name
            and self.people == len(getattr(sample, "boxes", ()))
            and len(self.values) == 4 * 3 * KEYPOINTS * self.people
        )

    @property
    def points(self) -> Floats:
        """(people, 17, 3)."""
        found = np.frombuffer(self.values, "<f4").reshape(self.people, KEYPOINTS, 3)
        return found.astype(np.float64)


class PoseReading(msgspec.Struct, frozen=True, kw_only=True):
    """An image's people in, each cut out; their keypoints out."""

    output: str
    map_size: tuple[int, int]
    """Height and width of a heat map."""
    taken: ImageInput
    recipe: Preprocessing

    @property
    def outputs(self) -> tuple[str, ...]:
        """Their names."""
        return (self.output,)

    def key(self) -> str:
        """Return the recipe as one line."""
        return f"pose {self.recipe.key()}"

    def inputs(self, root: Path, sample: PeopleImage, /) -> Iterator[Arrays]:
        """Yield the input of each person. Raises UnreadableImageError."""
        image = decoded_image(root / sample.file.path, self.taken.channels)
        if image.size != (sample.image.width, sample.image.height):
            raise UnreadableImageError(
                f"it is {image.width} x {image.height} pixels large, and by its annotations "
                f"{sample.image.width} x {sample.image.height}"
            )
        for crop in self.crops(sample):
            pixels = crop.pixels(image, self.taken.height, self.taken.width)
            yield {self.taken.name: self.taken.filled(pixels, self.recipe)}

    def crops(self, sample: PeopleImage) -> list[PersonCrop]:
        """Return where each person is looked for."""
        boxes = [clipped(each.box, sample.image) for each in sample.boxes]
        return [person_crop(box, self.taken.height, self.taken.width) for box in boxes if box]

    def answer(self, sample: PeopleImage, outputs: Sequence[Arrays], /) -> ImageKeypoints:
        """Return the keypoints in pixels of the image; NaN for heat maps that aren't finite."""
        points = np.full((len(outputs), KEYPOINTS, 3), np.nan, "<f4")
        for place, (crop, each) in enumerate(zip(self.crops(sample), outputs, strict=True)):
            maps = np.asarray(each[self.output]).reshape(1, KEYPOINTS, *self.map_size)
            if np.isfinite(maps).all():
                found = pose.keypoints(maps, (self.taken.height, self.taken.width))
                points[place, :, :2] = crop.in_image(found.xy[0])
                points[place, :, 2] = found.scores[0]
        return ImageKeypoints(sample.name, len(outputs), points.tobytes())


@dataclass(frozen=True, slots=True)
class Poses:
    """Images of people, or some of them, below a root."""

    root: Path
    people: People
    samples: Sequence[PeopleImage]
    detected: bool
    """Whether boxes are detections, not the annotations'."""

    chunk_kind = Chunk[ImageKeypoints]
    noun = "image"
    runs_each = 4
    """COCO's images have two or three people, and some have ten."""
    table = TASKS

    def for_people(self, rows: Sequence[ListRow], /) -> list[ListRow]:
        """Return the figures without those of single classes."""
        return figures(rows)

    @property
    def is_drawn(self) -> bool:
        """Whether some images are left out."""
        return len(self.samples) < len(self.people.images)

    def told(self) -> list[str]:
        """Return how many people and images there are, and what is left out."""
        count, people = len(self.samples), sum(len(each.boxes) for each in self.samples)
        all_of_them = len(self.people.images)
        chosen = "" if count == all_of_them else f"{count} of "
        boxes = "by detections" if self.detected else "by annotations"
        return [
            f"{counted(people, 'person')} {boxes} in {chosen}{counted(all_of_them, 'image')}",
            *(
                [f"images with nobody to look at: {self.people.without}"]
                if self.people.without
                else []
            ),
            *(
                [f"left out, boxes outside of their image: {self.people.left_out}"]
                if self.people.left_out
                else []
            ),
        ]

    def reading(self, made: Manifest, recipe: Preprocessing, /) -> PoseReading:
        """Return how a model takes people; raise UsageError if it makes no heat maps."""
        maps = [each for each in made.outputs if len(each.shape) == 4]
        if len(maps) != 1 or maps[0].shape[:2] != (1, KEYPOINTS) or len(made.outputs) != 1:
            told = ", ".join(f"{e.name} {'x'.join(map(str, e.shape))}" for e in made.outputs)
            raise UsageError(
                f"{made.model} has no {KEYPOINTS} heat maps as its one output: {told}",
                f"evaluate a network whose output is 1x{KEYPOINTS}xHxW, in COCO's order",
            )
        return PoseReading(
            output=maps[0].name,
            map_size=(maps[0].shape[2], maps[0].shape[3]),
            taken=image_input(made.inputs),
            recipe=recipe,
        )

    def write(self, path: Path, lane: Lane, found: Evaluation[ImageKeypoints], /) -> None:
        """Write a row for each person, and for each unreadable image."""
        import pyarrow as pa

        by_name = {each.name: each for each in self.samples}
        of = lane_columns(lane)
        rows: list[dict[str, object]] = [
            {
                **of,
                "image": answer.image,
                "image_id": by_name[answer.image].image.id,
                "box": list(box.box),
                "box_score": box.score,
                "keypoints": [None if np.isnan(v) else float(v) for v in points.ravel()],
                "score": person_score(points, box.score),
            }
            for answer in found.predictions
            for box, points in zip(by_name[answer.image].boxes, answer.points, strict=True)
        ]
        rows += [{**of, "image": i.image, "unreadable": i.reason} for i in found.unreadable]
        schema = pa.schema(
            {
                **dict.fromkeys(of, pa.string()),
                "image": pa.string(),
                "image_id": pa.int64(),
                "box": pa.list_(pa.float64()),
                "box_score": pa.float64(),
                "keypoints": pa.list_(pa.float32()),
                "score": pa.float64(),
                "unreadable": pa.string(),
            }
        )
        write_parquet(path, rows, schema)

    def remarks(self, answers: Sequence[ImageKeypoints], /) -> list[str]:
        """Return how often a lane gives heat maps that aren't finite."""
        count = sum(int(np.isnan(each.points[..., 2]).all(axis=1).sum()) for each in answers)
        return (
            [f"gives NaN or infinity for {counted(count, 'person')}: no keypoint is found there"]
            if count
            else []
        )

    def for_model(self, made: Manifest, /) -> tuple[Poses, None]:
        """Return the same: there are no classes."""
        del made
        return self, None

    def unmeasured(self, setting: EvaluatedSetting, reading: PoseReading, lane: Lane, /) -> ListRow:
        """Return a row without figures."""
        del reading
        return unmeasured_task_row(setting, lane, "pose", COCO_METRICS[0])

    def rows(
        self,
        setting: EvaluatedSetting,
        reading: PoseReading,
        lane: Lane,
        key: str,
        found: Evaluation[ImageKeypoints],
        against: tuple[Lane, Evaluation[ImageKeypoints]] | None,
        /,
    ) -> list[ListRow]:
        """Return a row for each figure of COCO's."""
        by_name = {each.name: each for each in self.samples}
        there = [by_name[each.image] for each in found.predictions]
        whole = (
            not self.detected,
            len(there) + self.people.without,
            len({each.image_id for each in self.people.annotations}),
            len(self.people.annotations),
        ) == (True, *_COCO_VAL2017)
        posed = [
            PosedPerson(image.image.id, points, person_score(points, box.score))
            for image, answer in zip(there, found.predictions, strict=True)
            for box, points in zip(image.boxes, answer.points, strict=True)
        ]
        people = sum(len(each.boxes) for each in there)
        return task_rows(
            setting,
            Judged(
                task="pose",
                data="COCO val2017" if whole else "",
                samples=people,
                runs=people,
            ),
            lane,
            key,
            found,
            keypoint_precision(self.people.annotations, posed, [each.image.id for each in there]),
            against and (against[0], self._agreement(reading, against[1], found)),
        )

    def _agreement(
        self,
        reading: PoseReading,
        before: Evaluation[ImageKeypoints],
        after: Evaluation[ImageKeypoints],
    ) -> TaskAgreement:
        """Return which share of keypoints lies within a pixel of the input in both lanes."""
        by_name = {each.name: each for each in self.samples}
        near = [
            _near(one.points, other.points, reading.crops(by_name[one.image]))
            for one, other in shared_answers(before, after)
        ]
        return TaskAgreement(100 * float(np.concatenate(near).mean()) if near else None)


def person_score(points: Floats, box_score: float) -> float:
    """Return how sure it is that keypoints (17, 3) are somebody's."""
    sure = points[:, 2][points[:, 2] > SURE]
    return float(sure.mean()) * box_score if len(sure) else 0.0


def _near(one: Floats, other: Floats, crops: Sequence[PersonCrop]) -> Floats:
    """Return whether each keypoint is within a pixel of the input, or found by neither: 1 or 0."""
    steps = np.array([(crop.step_x, crop.step_y) for crop in crops])[:, None]
    apart = np.linalg.norm((one[..., :2] - other[..., :2]) / steps, axis=-1)
    neither = np.isnan(one[..., 0]) & np.isnan(other[..., 0])
    near: Floats = ((apart <= 1) | neither).astype(np.float64).ravel()
    return near
