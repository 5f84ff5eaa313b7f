"""A model over images: which chunks are missing, the processes that make them, and the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic

import msgspec

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.evaluate import image_worker
from asymm_deploy.evaluate.chunk_store import Chunks
from asymm_deploy.evaluate.image_worker import EvaluatedModel
from asymm_deploy.evaluate.prediction import (
    AnswerT,
    Chunk,
    EvaluationEngine,
    Sample,
    Unreadable,
)
from asymm_deploy.export.jobs import fork_server_context
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import holding_back_ctrl_c

CHUNK_IMAGES = 32
"""Images between two writes to disk; about a second's work."""


@dataclass(frozen=True, slots=True)
class Evaluation(Generic[AnswerT]):
    """What came out for one model."""

    predictions: dict[EvaluationEngine, tuple[AnswerT, ...]]
    seconds: dict[EvaluationEngine, float]
    unreadable: tuple[Unreadable, ...]


def evaluation_key(model: EvaluatedModel, sha256s: Sequence[str], images: Sequence[Sample]) -> str:
    """Return a hash of all that predictions depend on; chunks with the same key may be mixed."""
    facts = {
        "files": sha256s,
        "recipe": model.reading.key(),
        "images": [each.facts for each in images],
        "chunk": CHUNK_IMAGES,
        "pillow": version("pillow"),  # the engines' versions are in the fingerprint
        "engines": sorted(model.engines),
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()


def missing_chunks(count: int, there: Sequence[Chunk[AnswerT]]) -> list[tuple[int, int]]:
    """Return first place and number of images of each chunk that is not there.

    So it is with one of which the system refused an image.
    """
    made = {
        (chunk.first, chunk.count)
        for chunk in there
        if not any(each.may_pass for each in chunk.unreadable)
    }
    wanted = [(first, min(CHUNK_IMAGES, count - first)) for first in range(0, count, CHUNK_IMAGES)]
    return [each for each in wanted if each not in made]


def evaluate_images(
    model: EvaluatedModel,
    root: Path,
    images: Sequence[Sample],
    chunks: Chunks[AnswerT],
    jobs: int,
    on_chunk: Callable[[Chunk[AnswerT]], None],
) -> Evaluation[AnswerT]:
    """Put the images through the model's engines, those that ``chunks`` lacks, and return all.

    ``jobs`` processes work at a time. Each chunk is on disk before ``on_chunk`` hears of it, so
    Ctrl-C loses at most one for each process. Raises HarnessError if a process dies, UsageError if
    ``chunks`` is of others, UsageError or ConversionError if an engine can't load the model.
    """
    chunks.require_of(model.engines, images)
    todo = missing_chunks(len(images), chunks.all)
    if todo:
        with _workers(model, min(jobs, len(todo))) as pool:
            for chunk in _made(pool, root, images, todo, 2 * jobs):
                chunks.add(chunk)
                on_chunk(chunk)
    return gathered(chunks.all, model.engines)


def gathered(
    chunks: Sequence[Chunk[AnswerT]], engines: Sequence[EvaluationEngine]
) -> Evaluation[AnswerT]:
    """Return what chunks hold, as one."""
    return Evaluation(
        {engine: tuple(p for c in chunks for p in c.predictions[engine]) for engine in engines},
        {engine: sum(c.seconds[engine] for c in chunks) for engine in engines},
        tuple(each for chunk in chunks for each in chunk.unreadable),
    )


@contextmanager
def _workers(model: EvaluatedModel, count: int) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(
        count, fork_server_context(), initializer=image_worker.begin, initargs=(model,)
    )
    try:
        yield pool
    except BaseException:  # nobody waits for what is under way
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        raise
    pool.shutdown()


def _made(
    pool: ProcessPoolExecutor,
    root: Path,
    images: Sequence[Sample],
    todo: Sequence[tuple[int, int]],
    ahead: int,
) -> Iterator[Chunk[Any]]:
    """Yield the chunks as they end, at most ``ahead`` of them under way."""
    rest = iter(todo)
    running: dict[Future[Chunk[Any]], tuple[int, int]] = {}
    try:
        while True:
            for first, count in rest:
                with holding_back_ctrl_c():  # a process that is started hears it, too
                    future = pool.submit(
                        image_worker.run_chunk, root, images[first : first + count], first
                    )
                running[future] = (first, count)
                if len(running) >= ahead:
                    break
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda each: each.exception() is not None):
                chunk = future.result()  # what ended well comes first, lest it be lost
                del running[future]
                yield chunk
    except BrokenProcessPool as error:
        first = min(running.values())[0] if running else todo[0][0]
        raise HarnessError(
            "a process that runs the images died: an engine crashed, or memory ran out. It had "
            f"one of the images from {excerpt(images[first].name)} on",
            "repeat the command with --jobs 1: it goes on where it stopped; or leave an engine out "
            "with --engine, which begins anew",
        ) from error


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
            f"{model} tells {flat[0][1]} classes apart, and the images have {classes}",
            "list the model's classes in its order, one a line, in a file, and give it with "
            "--classes; folders of images may then be fewer",
        )
    raise UsageError(
        f"{model} has no single output with a value for each of {classes} classes: {told}",
        "evaluate a classifier; a model of another task needs its own evaluation",
    )


def values_in_a_row(shape: tuple[int, ...]) -> int | None:
    """Return how many values a shape with one side longer than 1 has; None for any other."""
    long = [side for side in shape if side != 1]
    return long[0] if len(long) == 1 else None
