"""What the lanes of a model answer: what was done before, and the rest is run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.evaluated_device import EvaluatedDevice
from asymm_deploy.commands.evaluating.model_lanes import artifact_of
from asymm_deploy.evaluate.chunk_store import PREDICTIONS_NAME, opened_chunks
from asymm_deploy.evaluate.evaluation import (
    Evaluation,
    evaluate_images,
    gathered,
    missing_work,
)
from asymm_deploy.evaluate.image_worker import Work
from asymm_deploy.evaluate.lane import EvaluatedModel, Lane, lane_key
from asymm_deploy.evaluate.subject import Subject
from asymm_deploy.signals import ending_like_ctrl_c
from asymm_deploy.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAnswers:
    """What all models of an evaluation share."""

    device: EvaluatedDevice
    out: Path
    jobs: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class LaneAnswers:
    """What a lane said of all images."""

    key: str
    evaluation: Evaluation[Any]
    parquet: Path


def answers_of(
    asked: AskedAnswers,
    model: EvaluatedModel,
    name: str,
    subject: Subject,
) -> dict[Lane, LaneAnswers]:
    """Return what each of the model's lanes says, those that were done before included."""
    folder = asked.out / PREDICTIONS_NAME
    images = subject.samples
    chunk_images = max(1, asked.device.chunk_images // subject.runs_each)
    keys = [lane_key(model, lane, images, chunk_images) for lane in model.lanes]
    paths = [
        folder / f"{lane.file_stem}-{key[:16]}.jsonl"
        for lane, key in zip(model.lanes, keys, strict=True)
    ]
    with ExitStack() as stack:
        stores = [
            stack.enter_context(
                opened_chunks(path, subject.chunk_kind, console.say, fresh=asked.fresh)
            )
            for path in paths
        ]
        for store in stores:
            store.require_of(images)
        todo = missing_work(images, [store.all for store in stores], chunk_images)
        lacking = {lane for work in todo for lane in work.lanes}
        _tell_done(name, subject, model, todo)
        phones = {
            at: (lane, artifact_of(lane))
            for at, lane in enumerate(model.lanes)
            if at in lacking and not lane.is_here and at not in model.emulated
        }
        stack.enter_context(ending_like_ctrl_c())
        with asked.device.held(phones) as answering:
            advance = stack.enter_context(console.progress(f"evaluating {name}", len(todo)))

            def tell(work: Work) -> None:
                advance(f"{work.first + len(work.images)} of {counted(len(images), subject.noun)}")

            evaluate_images(model, subject.root, todo, stores, asked.jobs, tell, answering)
        return {
            lane: LaneAnswers(key, gathered(store.all), path.with_suffix(".parquet"))
            for lane, key, store, path in zip(model.lanes, keys, stores, paths, strict=True)
        }


def _tell_done(name: str, subject: Subject, model: EvaluatedModel, todo: Sequence[Work]) -> None:
    count = len(subject.samples)
    left = sum(len(work.images) for work in todo)
    if model.lanes and left < count:
        console.say(f"{name}: {count - left} of {counted(count, subject.noun)} were done before")
    lacking = {lane for work in todo for lane in work.lanes}
    there = [lane.text for at, lane in enumerate(model.lanes) if at not in lacking]
    if todo and there:
        console.say(f"{name}: done before on {'; '.join(there)}")
