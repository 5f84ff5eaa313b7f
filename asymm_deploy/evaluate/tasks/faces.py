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
from asymm_deploy.evaluate.evaluation import Evaluation, values_in_a_row
from asymm_deploy.evaluate.image_worker import image_arrays
from asymm_deploy.evaluate.prediction import Chunk, Sample
from asymm_deploy.evaluate.prediction_table import write_parquet
from asymm_deploy.evaluate.tasks.face_pairs import Pair, PairList
from asymm_deploy.evaluate.tasks.face_verification import Verification, verified
from asymm_deploy.evaluate.tasks.sample_files import SampleFile
from asymm_deploy.evaluate.tasks.task_rows import (
    TASKS,
    Judged,
    Measure,
    TaskAgreement,
    figures,
    share_of,
    task_rows,
)
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, image_input
from asymm_deploy.text import ListRow

METRIC = "pairs_right"


class FaceEmbedding(msgspec.Struct, frozen=True, array_like=True):
    """One engine's answer for one photograph."""

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
    pairs: Sequence[Pair]
    """Those that are judged."""
    samples: Sequence[SampleFile]
    """Their photographs."""

    chunk_kind = Chunk[FaceEmbedding]
    noun = "photographs"
    table = TASKS

    def for_people(self, rows: Sequence[ListRow], /) -> list[ListRow]:
        """Return the figures without those of single classes."""
        return figures(rows)

    def told(self) -> list[str]:
        """Return how many pairs and photographs there are."""
        count, all_of_them = len(self.pairs), len(self.listed.pairs)
        chosen = "" if count == all_of_them else f"{count} of "
        return [
            f"{chosen}{all_of_them} pairs in {self.listed.folds} sets, "
            f"{len(self.samples)} photographs"
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

    def write(self, path: Path, model: str, found: Evaluation[FaceEmbedding], /) -> None:
        """Write a row for each pair and engine, and for each unreadable photograph."""
        import pyarrow as pa

        names = [each.name for each in self.listed.photographs]
        rows: list[dict[str, object]] = []
        for engine, answers in found.predictions.items():
            said = self._verified(answers)
            rows += [
                {
                    "model": model,
                    "engine": engine,
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
        rows += [{"model": model, "one": i.image, "unreadable": i.reason} for i in found.unreadable]
        schema = pa.schema(
            {
                "model": pa.string(),
                "engine": pa.string(),
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
        """Return how many embeddings and pairs are missing."""
        there = {each.image for each in answers}
        names = [each.name for each in self.listed.photographs]
        without = sum(
            names[each.one] not in there or names[each.other] not in there for each in self.pairs
        )
        count = sum(not each.values for each in answers)
        return [
            *([f"can't judge {without} pairs: a photograph can't be decoded"] if without else []),
            *(
                [
                    f"gives {count} photographs no embedding (NaN, infinite or all 0): their pairs "
                    "count as wrong"
                ]
                if count
                else []
            ),
        ]

    def rows(
        self, setting: EvaluatedSetting, reading: FaceReading, found: Evaluation[FaceEmbedding], /
    ) -> list[ListRow]:
        """Return a row for each engine; raise UsageError where one set alone has pairs."""
        del reading
        any_of_them = next(answers for answers in found.predictions.values() if answers)
        there = self._there(any_of_them)
        judged = [each for each in self.pairs if each.one in there and each.other in there]
        if len({each.fold for each in judged}) < 2:
            raise UsageError(
                f"only {len(judged)} pairs can be judged, which is not two sets of them",
                "see which photographs can't be decoded, or raise --limit",
            )
        whole = self.listed.is_lfw and len(judged) == len(self.listed.pairs)
        return task_rows(
            setting,
            Judged(
                task="face",
                data="LFW" if whole else "",
                samples=len(judged),
                runs=len(any_of_them),
            ),
            found,
            self._measures,
            self._agreement,
        )

    def _there(self, answers: Sequence[FaceEmbedding]) -> dict[int, npt.NDArray[np.float32] | None]:
        by_name = {each.image: each.vector for each in answers}
        return {
            place: by_name[file.name]
            for place, file in enumerate(self.listed.photographs)
            if file.name in by_name
        }

    def _verified(self, answers: Sequence[FaceEmbedding]) -> Verification:
        return verified(self.pairs, self._there(answers))

    def _measures(self, answers: Sequence[FaceEmbedding]) -> list[Measure]:
        right = self._verified(answers).right
        return [share_of(METRIC, int(right.sum()), len(right))]

    def _agreement(
        self, before: Sequence[FaceEmbedding], after: Sequence[FaceEmbedding]
    ) -> TaskAgreement:
        a, b = self._verified(before).right, self._verified(after).right
        worse, better = int((a & ~b).sum()), int((~a & b).sum())
        # Of two answers to each pair: both right or both wrong is the same answer.
        return TaskAgreement(100 * float((a == b).mean()), worse, better, mcnemar(worse, better))


def face_pairs(root: Path, listed: PairList, pairs: Sequence[Pair]) -> FacePairs:
    """Return the subject of ``pairs``, which are of the list."""
    used = sorted({place for each in pairs for place in (each.one, each.other)})
    return FacePairs(root, listed, pairs, [listed.photographs[place] for place in used])
