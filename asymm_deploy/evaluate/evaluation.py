"""A model over images: which chunks its lanes lack, who makes them, and what they say together."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from asymm_deploy.bench.answered.answers import Answering
from asymm_deploy.evaluate.chunk_store import Chunks
from asymm_deploy.evaluate.image_worker import Work, answered_chunk, seconds_of
from asymm_deploy.evaluate.lane import EvaluatedModel
from asymm_deploy.evaluate.prediction import AnswerT, Chunk, Sample, Unreadable
from asymm_deploy.evaluate.workers import Workers
from asymm_deploy.locks import scratch_folder

CHUNK_IMAGES = 32
"""Images between two writes to disk; about a second's work."""
EMULATED_CHUNK_IMAGES = 8
"""In the emulator, which takes seconds for an image."""
_SCRATCH = "asymm-evaluate-"


@dataclass(frozen=True, slots=True)
class Evaluation(Generic[AnswerT]):
    """What came out in one lane."""

    predictions: tuple[AnswerT, ...]
    seconds: float | None
    unreadable: tuple[Unreadable, ...]


def missing_work(
    images: Sequence[Sample], there: Sequence[Sequence[Chunk[Any]]], chunk_images: int
) -> list[Work]:
    """Return each chunk that a lane lacks, with the lanes that do; ``there`` is by lane.

    So it is with one of which the system refused an image.
    """
    made = [{(each.first, each.count) for each in lane if each.is_final} for lane in there]
    todo = []
    for first in range(0, len(images), chunk_images):
        part = tuple(images[first : first + chunk_images])
        lanes = tuple(at for at, those in enumerate(made) if (first, len(part)) not in those)
        if lanes:
            todo.append(Work(first, part, lanes))
    return todo


def evaluate_images(
    model: EvaluatedModel,
    root: Path,
    todo: Sequence[Work],
    stores: Sequence[Chunks[Any]],
    jobs: int,
    on_chunk: Callable[[Work], None],
    phones: Mapping[int, Answering] | None = None,
) -> None:
    """Put the chunks ``todo`` through the model's lanes, and what comes out into their ``stores``.

    ``jobs`` processes work at a time; ``phones`` are asked here, by lane, one chunk after the
    other. Each chunk is on disk before ``on_chunk`` hears of it, so Ctrl-C loses at most one for
    each process. Raises HarnessError if processes die whatever they run, or a device fails,
    UsageError or ConversionError if an engine can't load the model.
    """
    if not todo:
        return
    with scratch_folder(Path(tempfile.gettempdir()), _SCRATCH) as scratch:
        workers = Workers(model, root, scratch, jobs)
        for work, worked in workers.run(todo):
            for at, chunk in worked.chunks.items():
                stores[at].add(chunk)
            samples = workers.samples_of(work)
            for at, phone in (phones or {}).items():
                if at in work.lanes:
                    stores[at].add(answered_chunk(model, at, work, worked, phone, samples))
            samples.unlink(missing_ok=True)
            on_chunk(work)


def gathered(chunks: Sequence[Chunk[AnswerT]]) -> Evaluation[AnswerT]:
    """Return what chunks hold, as one."""
    return Evaluation(
        tuple(each for chunk in chunks for each in chunk.predictions),
        seconds_of(chunks),
        tuple(each for chunk in chunks for each in chunk.unreadable),
    )
