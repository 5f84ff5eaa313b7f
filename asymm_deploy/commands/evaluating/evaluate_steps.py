"""The steps of ``asymm-deploy evaluate``, in order: images, export, predictions, rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.evaluated_subject import (
    DataOptions,
    chosen_task,
    default_recipe,
    read_subject,
)
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import DeployError, ExitCode, UsageError, worst
from asymm_deploy.evaluate.accuracy_rows import EvaluatedSetting
from asymm_deploy.evaluate.chunk_store import PREDICTIONS_NAME, opened_chunks
from asymm_deploy.evaluate.evaluation import (
    Evaluation,
    evaluate_images,
    evaluation_key,
    missing_chunks,
)
from asymm_deploy.evaluate.image_worker import EvaluatedModel
from asymm_deploy.evaluate.prediction import ENGINES, Chunk, EvaluationEngine
from asymm_deploy.evaluate.subject import MOST_LISTED, Subject
from asymm_deploy.export.jobs import ExportOutcome, cores
from asymm_deploy.export.manifest import MNN, ONNX, damaged_files
from asymm_deploy.export.request import as_recorded
from asymm_deploy.files import ensure_folder, unwritable, write_whole
from asymm_deploy.images.preprocessing import Preprocessing, preprocessing_of
from asymm_deploy.models.source import OnnxFile, Source
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import ending_like_ctrl_c
from asymm_deploy.text import Format, ListRow, formatted

if TYPE_CHECKING:
    from asymm_deploy.export.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate, on what, and what to print of it."""

    sources: Sequence[Source]
    data: DataOptions
    engines: Sequence[str]
    preprocess: str | None
    """None for the one of the task."""
    jobs: int | None
    artifacts: Path
    out: Path
    fresh: bool
    output_format: Format


def run_evaluation(asked: EvaluationRequest) -> ExitCode:
    """Evaluate what was asked for, write its rows and print them; return the exit code."""
    task = chosen_task(asked.sources, asked.data)
    engines = _engines(asked.engines)
    preprocess = asked.preprocess or default_recipe(task)
    recipe = preprocessing_of(preprocess)
    subject = read_subject(task, asked.data)
    subject.table.read(asked.out)  # what can't be added to is told before minutes of work
    ensure_folder(asked.out, "results")
    for line in subject.told():
        console.say(line)
    requests = [as_recorded(each, asked.artifacts) for each in asked.sources]
    rows: list[ListRow] = []
    codes: list[ExitCode] = []
    for outcome in export_with_progress(requests):
        try:
            made = _of_model(asked, outcome, engines, (preprocess, recipe), subject)
            _write_rows(asked.out, subject, made)
            rows += made
        except DeployError as error:
            console.complain(error.about(outcome.request.text))
            codes.append(error.exit_code)
    if rows:
        console.say(f"wrote {asked.out / subject.table.name}")
    shown = subject.for_people(rows) if asked.output_format == "table" else rows
    print_data(formatted(shown, asked.output_format))
    return worst(codes)


def _engines(given: Sequence[str]) -> tuple[EvaluationEngine, ...]:
    unknown = [name for name in given if name not in ENGINES]
    if unknown:
        raise UsageError(
            f"--engine {excerpt(unknown[0], 40)} is none that can evaluate",
            f"give {', '.join(ENGINES[:-1])} or {ENGINES[-1]}",
        )
    return tuple(each for each in ENGINES if not given or each in given)


def _of_model(
    asked: EvaluationRequest,
    outcome: ExportOutcome,
    engines: Sequence[EvaluationEngine],
    preprocess: tuple[str, Preprocessing],
    subject: Subject,
) -> Sequence[ListRow]:
    """Return the rows of one model; raise DeployError where it can't be evaluated."""
    if outcome.manifest is None:
        assert outcome.failure is not None
        raise outcome.failure
    made, at = outcome.manifest, outcome.request.folder
    if isinstance(outcome.request.source, OnnxFile):
        if "torch" in engines and asked.engines:
            raise UsageError(
                "an .onnx file has no PyTorch module to evaluate", "leave out --engine torch"
            )
        engines = [each for each in engines if each != "torch"]
    changed = damaged_files(made, at)
    if changed:
        raise UsageError(
            f"{at / changed[0]} is not the file that was exported", "export again, with --force"
        )
    reading = subject.reading(made, preprocess[1])
    model = EvaluatedModel(
        request=outcome.request,
        onnx=at / ONNX,
        mnn=at / MNN,
        api=made.api,
        inputs=made.inputs,
        output_names=tuple(each.name for each in made.outputs),
        reading=reading,
        engines=tuple(engines),
    )
    key = evaluation_key(model, [made.fingerprint, *made.files.values()], subject.samples)
    found = _predictions(asked, model, made.model, key, subject)
    _tell_unreadable(made.model, subject.noun, found)
    if not any(found.predictions.values()):
        raise UsageError(f"none of the {subject.noun} can be decoded", "see the reasons above")
    target = asked.out / PREDICTIONS_NAME / f"{made.model}-{key[:16]}.parquet"
    with _telling_of_writing(target):
        subject.write(target, made.model, found)
    for engine, answers in found.predictions.items():
        for remark in subject.remarks(answers):
            console.say(f"{made.model}: {engine} {remark}")
    weights = _weights(made)
    if weights == "untrained":
        console.say(f"{made.model}: its weights are random, so its accuracy means nothing")
    return subject.rows(
        EvaluatedSetting(
            model=made.model,
            variant="fp32",
            weights=weights,
            preprocess=preprocess[0],
            key=key,
        ),
        reading,
        found,
    )


def _predictions(
    asked: EvaluationRequest,
    model: EvaluatedModel,
    name: str,
    key: str,
    subject: Subject,
) -> Evaluation[Any]:
    images = subject.samples
    path = asked.out / PREDICTIONS_NAME / f"{name}-{key[:16]}.jsonl"
    with opened_chunks(path, subject.chunk_kind, console.say, fresh=asked.fresh) as chunks:
        todo = missing_chunks(len(images), chunks.all)
        left = sum(count for _, count in todo)
        if left < len(images):
            console.say(
                f"{name}: {len(images) - left} of {len(images)} {subject.noun} were done before"
            )
        with (
            console.progress(f"evaluating {name}", len(todo)) as advance,
            ending_like_ctrl_c(),
        ):

            def tell(chunk: Chunk[Any]) -> None:
                advance(f"{chunk.first + chunk.count} of {len(images)} {subject.noun}")

            return evaluate_images(model, subject.root, images, chunks, asked.jobs or cores(), tell)


def _weights(made: Manifest) -> str:
    """Return where a model's weights come from, in a word."""
    return {"file": "trained", "seed": "untrained"}.get(made.weights, "given")


def _tell_unreadable(model: str, noun: str, found: Evaluation[Any]) -> None:
    bad = found.unreadable
    if not bad:
        return
    reasons = Counter(each.reason for each in bad)
    console.say(f"{model}: {len(bad)} {noun} can't be decoded and are in no figure:")
    for each in bad[:MOST_LISTED]:
        console.say(f"  {excerpt(each.image)}: {excerpt(each.reason)}")
    if len(bad) > MOST_LISTED:
        told = "; ".join(f"{count} x {excerpt(why)}" for why, count in reasons.most_common(5))
        console.say(f"  ... all are in the Parquet file. In all: {told}")


def _write_rows(out: Path, subject: Subject, rows: Sequence[ListRow]) -> None:
    path = out / subject.table.name
    # Another evaluation into the same folder must not write between our reading and writing.
    lock = FileLock(out / PREDICTIONS_NAME / "accuracy.lock", timeout=60)
    with _telling_of_writing(path), lock:
        write_whole(path, formatted(subject.table.with_earlier(out, rows), "csv").encode())


@contextmanager
def _telling_of_writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(
            str(path),
            error,
            "make it writable, with space left, and repeat the command: nothing is run again",
        ) from error
