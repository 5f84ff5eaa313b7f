"""Faces: photographs to embeddings, and pairs of them judged by LFW's protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy import mcnemar
from asymm_deploy.evaluate.accuracy_rows import EvaluatedSetting
from asymm_deploy.evaluate.class_output import values_in_a_row
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.prediction import Chunk, Sample
from asymm_deploy.evaluate.prediction_table import lane_columns, write_parquet
from asymm_deploy.evaluate.sample_reading import image_arrays
from asymm_deploy.evaluate.tasks.face_pairs import FacePair, PairList
from asymm_deploy.evaluate.tasks.face_verification import Verification, verified_pairs
from asymm_deploy.evaluate.tasks.sample_files import SampleFile
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
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, image_input
from asymm_deploy.text import ListRow, counted

METRIC = "pairs_right"


class FaceEmbedding(msgspec.Struct, frozen=True, array_like=True):
    """One lane's answer for one photograph."""

    image: str
    values: bytes
    """float32, little-endian; empty where a value is not finite, or all are 0."""

    def is_of(self, sample: Sample, /) -> bool:
        """Whether it answers this very photograph."""
        return self.image == sample.name and len(self.values) % 4 == 0

    @property
    def vector(self) -> npt.NDArray[np.float32] | None:
        """The embedding, or None where it has no direction."""
        return np.frombuffer(self.values, "<f4") if self.values else None


class FaceReading(msgspec.Struct, frozen=True, kw_only=True):
    """A photograph in, its embedding out."""

    output: str
    taken: ImageInput
    recipe: Preprocessing

    @property
    def outputs(self) -> tuple[str, ...]:
        """Their names."""
        return (self.output,)

    def key(self) -> str:
        """Return the recipe as one line."""
        return f"face {self.recipe.key()}"

    def inputs(self, root: Path, sample: SampleFile, /) -> Iterator[Arrays]:
        """Yield the photograph's one input. Raises UnreadableImageError."""
        yield image_arrays(root / sample.path, self.taken, self.recipe)

    def answer(self, sample: SampleFile, outputs: Sequence[Arrays], /) -> FaceEmbedding:
        """Return the embedding; none where nothing can be compared with it."""
        (only,) = outputs
        values = np.asarray(only[self.output], "<f4").ravel()
        is_good = bool(np.isfinite(values).all() and values.any())
        return FaceEmbedding(sample.name, values.tobytes() if is_good else b"")


@dataclass(frozen=True, slots=True)
class FacePairs:
    """A list of pairs, or some of them, on photographs below a root."""

    root: Path
    listed: PairList
    pairs: Sequence[FacePair]
    """Those that are judged."""
    samples: Sequence[SampleFile]
    """Their photographs."""

    chunk_kind = Chunk[FaceEmbedding]
    noun = "photograph"
    runs_each = 1
    table = TASKS

    def for_people(self, rows: Sequence[ListRow], /) -> list[ListRow]:
        """Return the figures without those of single classes."""
        return figures(rows)

    @property
    def is_drawn(self) -> bool:
        """Whether some pairs are left out."""
        return len(self.pairs) < len(self.listed.pairs)

    def told(self) -> list[str]:
        """Return how many pairs and photographs there are."""
        count, all_of_them = len(self.pairs), len(self.listed.pairs)
        chosen = "" if count == all_of_them else f"{count} of "
        return [
            f"{chosen}{counted(all_of_them, 'pair')} in {self.listed.folds} sets, "
            + counted(len(self.samples), "photograph")
        ]

    def reading(self, made: Manifest, recipe: Preprocessing, /) -> FaceReading:
        """Return how a model takes a photograph; raise UsageError if it makes no embedding."""
        flat = [each for each in made.outputs if (values_in_a_row(each.shape) or 0) > 1]
        if len(flat) != 1 or len(made.outputs) != 1:
            told = ", ".join(f"{e.name} {'x'.join(map(str, e.shape))}" for e in made.outputs)
            raise UsageError(
                f"{made.model} has no embedding as its one output: {told}",
                "compare faces with a network whose output is one row of numbers",
            )
        return FaceReading(output=flat[0].name, taken=image_input(made.inputs), recipe=recipe)

    def write(self, path: Path, lane: Lane, found: Evaluation[FaceEmbedding], /) -> None:
        """Write a row for each pair, and for each unreadable photograph."""
        import pyarrow as pa

        names = [each.name for each in self.listed.photographs]
        of = lane_columns(lane)
        said = self._verified(found.predictions)
        rows: list[dict[str, object]] = [
            {
                **of,
                "set": pair.fold,
                "one": names[pair.one],
                "other": names[pair.other],
                "same": pair.same,
                "similarity": None if np.isnan(cosine) else float(cosine),
                "threshold": float(threshold),
                "correct": bool(right),
            }
            for pair, cosine, threshold, right in zip(
                said.pairs, said.similarities, said.thresholds, said.right, strict=True
            )
        ]
        rows += [{**of, "one": i.image, "unreadable": i.reason} for i in found.unreadable]
        schema = pa.schema(
            {
                **dict.fromkeys(of, pa.string()),
                "set": pa.int32(),
                "one": pa.string(),
                "other": pa.string(),
                "same": pa.bool_(),
                "similarity": pa.float64(),
                "threshold": pa.float64(),
                "correct": pa.bool_(),
                "unreadable": pa.string(),
            }
        )
        write_parquet(path, rows, schema)

    def remarks(self, answers: Sequence[FaceEmbedding], /) -> list[str]:
        """Return how many embeddings and pairs a lane lacks."""
        there = {each.image for each in answers}
        names = [each.name for each in self.listed.photographs]
        without = sum(
            names[each.one] not in there or names[each.other] not in there for each in self.pairs
        )
        count = sum(not each.values for each in answers)
        return [
            *(
                [f"can't judge {counted(without, 'pair')}: a photograph can't be decoded"]
                if without
                else []
            ),
            *(
                [
                    f"gives {counted(count, 'photograph')} no embedding (NaN, infinite or all 0): "
                    "their pairs count as wrong"
                ]
                if count
                else []
            ),
        ]

    def for_model(self, made: Manifest, /) -> tuple[FacePairs, None]:
        """Return the same: there are no classes."""
        del made
        return self, None

    def unmeasured(self, setting: EvaluatedSetting, reading: FaceReading, lane: Lane, /) -> ListRow:
        """Return a row without figures."""
        del reading
        return unmeasured_task_row(setting, lane, "face", METRIC)

    def rows(
        self,
        setting: EvaluatedSetting,
        reading: FaceReading,
        lane: Lane,
        key: str,
        found: Evaluation[FaceEmbedding],
        against: tuple[Lane, Evaluation[FaceEmbedding]] | None,
        /,
    ) -> list[ListRow]:
        """Return the lane's one row; raise UsageError where one set alone has pairs."""
        del reading
        said = self._verified(found.predictions)
        if len({each.fold for each in said.pairs}) < 2:
            raise UsageError(
                f"only {counted(len(said.pairs), 'pair')} can be judged, and not of two sets",
                "see which photographs can't be decoded, or raise --limit",
            )
        whole = self.listed.is_lfw and len(said.pairs) == len(self.listed.pairs)
        return task_rows(
            setting,
            Judged(
                task="face",
                data="LFW" if whole else "",
                samples=len(said.pairs),
                runs=len(found.predictions),
            ),
            lane,
            key,
            found,
            [share_of(METRIC, int(said.right.sum()), len(said.right))],
            against and (against[0], _agreement(self._verified(against[1].predictions), said)),
        )

    def _there(self, answers: Sequence[FaceEmbedding]) -> dict[int, npt.NDArray[np.float32] | None]:
        by_name = {each.image: each.vector for each in answers}
        return {
            place: by_name[file.name]
            for place, file in enumerate(self.listed.photographs)
            if file.name in by_name
        }

    def _verified(self, answers: Sequence[FaceEmbedding]) -> Verification:
        return verified_pairs(self.pairs, self._there(answers))


def _agreement(before: Verification, after: Verification) -> TaskAgreement:
    """Compare what two lanes say of the pairs that both judge."""
    known = dict(zip(before.pairs, map(bool, before.right), strict=True))
    both = [
        (known[pair], bool(right))
        for pair, right in zip(after.pairs, after.right, strict=True)
        if pair in known
    ]
    worse = sum(one and not other for one, other in both)
    better = sum(other and not one for one, other in both)
    # Of two answers to each pair: both right or both wrong is the same answer.
    same = len(both) - worse - better
    return TaskAgreement(
        100 * same / len(both) if both else None, worse, better, mcnemar(worse, better)
    )


def face_pairs(root: Path, listed: PairList, pairs: Sequence[FacePair]) -> FacePairs:
    """Return the subject of ``pairs``, which are of the list."""
    used = sorted({place for each in pairs for place in (each.one, each.other)})
    return FacePairs(root, listed, pairs, [listed.photographs[place] for place in used])
