"""The steps of ``asymm-deploy evaluate``, in order: images, export, predictions, rows."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from asymm_deploy.commands import console
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import DeployError, ExitCode, UsageError, worst
from asymm_deploy.evaluate.accuracy import ACCURACY_CSV
from asymm_deploy.evaluate.accuracy_rows import (
    EvaluatedSetting,
    accuracy_rows,
    read_accuracy,
    with_earlier,
)
from asymm_deploy.evaluate.chunk_store import PREDICTIONS_NAME, opened_chunks
from asymm_deploy.evaluate.evaluation import (
    Evaluation,
    class_output,
    evaluate_images,
    evaluation_key,
    missing_chunks,
)
from asymm_deploy.evaluate.image_folder import (
    ImageFolder,
    LabelledImage,
    labelled_images,
    sampled,
)
from asymm_deploy.evaluate.image_worker import EvaluatedModel
from asymm_deploy.evaluate.prediction import ENGINES, NO_CLASS, Chunk, EvaluationEngine
from asymm_deploy.evaluate.prediction_table import write_predictions
from asymm_deploy.export.jobs import ExportOutcome, cores
from asymm_deploy.export.manifest import MNN, ONNX, damaged_files
from asymm_deploy.export.quantize.variant_request import recorded_request
from asymm_deploy.files import ensure_folder, unwritable, write_whole
from asymm_deploy.images.preprocessing import Preprocessing, image_input, preprocessing_of
from asymm_deploy.models.source import OnnxFile, Source
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import ending_like_ctrl_c
from asymm_deploy.text import Format, ListRow, formatted

if TYPE_CHECKING:
    from asymm_deploy.export.manifest import Manifest

_SHOWN = (
    *("model", "engine", "images", "top1_percent", "top1_low_percent", "top1_high_percent"),
    *("top5_percent", "agreement_percent", "became_wrong", "became_right", "ms_per_image"),
)
"""Columns of the table for people; accuracy.csv has all."""
_MOST_LISTED = 10
_NEEDED = (("PIL", "Pillow"), ("pyarrow", "pyarrow"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate, on what, and what to print of it."""

    sources: Sequence[Source]
    images: Path
    classes: Path | None
    engines: Sequence[str]
    preprocess: str
    limit: int | None
    seed: int
    jobs: int | None
    artifacts: Path
    out: Path
    fresh: bool
    output_format: Format


def run_evaluation(asked: EvaluationRequest) -> ExitCode:
    """Evaluate what was asked for, write accuracy.csv and print rows; return the exit code."""
    _require_libraries()
    engines = _engines(asked.engines)
    recipe = preprocessing_of(asked.preprocess)
    folder = labelled_images(asked.images, asked.classes)
    images = sampled(folder.images, asked.limit, asked.seed)
    read_accuracy(asked.out)  # what can't be added to is told before minutes of work
    ensure_folder(asked.out, "results")
    _tell_of(folder, len(images))
    requests = [recorded_request(each, asked.artifacts) for each in asked.sources]
    rows: list[ListRow] = []
    codes: list[ExitCode] = []
    for outcome in export_with_progress(requests):
        try:
            made = _of_model(asked, outcome, engines, recipe, folder, images)
            _write_rows(asked.out, made)
            rows += made
        except DeployError as error:
            console.complain(error.about(outcome.request.text))
            codes.append(error.exit_code)
    if rows:
        console.say(f"wrote {asked.out / ACCURACY_CSV}")
    shown = (
        [{column: row[column] for column in _SHOWN} for row in rows]
        if asked.output_format == "table"
        else rows
    )
    print_data(formatted(shown, asked.output_format))
    return worst(codes)


def _require_libraries() -> None:
    missing = [name for module, name in _NEEDED if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(
            f"evaluate needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} "
            "not installed",
            "pip install 'asymm-deploy[evaluate]'",
        )


def _engines(given: Sequence[str]) -> tuple[EvaluationEngine, ...]:
    unknown = [name for name in given if name not in ENGINES]
    if unknown:
        raise UsageError(
            f"--engine {excerpt(unknown[0], 40)} is none that can evaluate",
            f"give {', '.join(ENGINES[:-1])} or {ENGINES[-1]}",
        )
    return tuple(each for each in ENGINES if not given or each in given)


def _tell_of(folder: ImageFolder, count: int) -> None:
    chosen = "" if count == len(folder.images) else f"{count} of "
    console.say(f"{chosen}{len(folder.images)} images of {len(folder.classes)} classes")
    if folder.empty:
        console.say(f"without an image: {_some(folder.empty)}")
    if folder.other_files:
        console.say(f"left out, not images by their names: {folder.other_files} files")
    if folder.unseen:
        console.say(f"folders that could not be listed: {_some(folder.unseen)}")


def _of_model(
    asked: EvaluationRequest,
    outcome: ExportOutcome,
    engines: Sequence[EvaluationEngine],
    recipe: Preprocessing,
    folder: ImageFolder,
    images: Sequence[LabelledImage],
) -> list[ListRow]:
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
    output, classes = class_output(
        [(each.name, each.shape) for each in made.outputs], len(folder.classes), made.model
    )
    model = EvaluatedModel(
        request=outcome.request,
        onnx=at / ONNX,
        mnn=at / MNN,
        api=made.api,
        inputs=made.inputs,
        output_names=tuple(each.name for each in made.outputs),
        output=output,
        taken=image_input(made.inputs),
        recipe=recipe,
        engines=tuple(engines),
    )
    key = evaluation_key(model, [made.fingerprint, *made.files.values()], images)
    found = _predictions(asked, model, made.model, key, images)
    _tell_unreadable(made.model, found)
    if not any(found.predictions.values()):
        raise UsageError("none of the images can be decoded", "see the reasons above")
    target = asked.out / PREDICTIONS_NAME / f"{made.model}-{key[:16]}.parquet"
    with _telling_of_writing(target):
        write_predictions(target, made.model, folder.classes, found)
    _tell_of_nan(made.model, found)
    weights = _weights(made)
    if weights == "untrained":
        console.say(f"{made.model}: its weights are random, so its accuracy means nothing")
    return accuracy_rows(
        EvaluatedSetting(
            model=made.model,
            variant="fp32",
            weights=weights,
            classes=classes,
            preprocess=asked.preprocess,
            key=key,
        ),
        found,
    )


def _predictions(
    asked: EvaluationRequest,
    model: EvaluatedModel,
    name: str,
    key: str,
    images: Sequence[LabelledImage],
) -> Evaluation:
    path = asked.out / PREDICTIONS_NAME / f"{name}-{key[:16]}.jsonl"
    with opened_chunks(path, console.say, fresh=asked.fresh) as chunks:
        todo = missing_chunks(len(images), chunks.all)
        left = sum(count for _, count in todo)
        if left < len(images):
            console.say(f"{name}: {len(images) - left} of {len(images)} images were done before")
        with (
            console.progress(f"evaluating {name}", len(todo)) as advance,
            ending_like_ctrl_c(),
        ):

            def tell(chunk: Chunk) -> None:
                advance(f"image {chunk.first + chunk.count} of {len(images)}")

            return evaluate_images(model, asked.images, images, chunks, asked.jobs or cores(), tell)


def _weights(made: Manifest) -> str:
    """Return where a model's weights come from, in a word."""
    return {"file": "trained", "seed": "untrained"}.get(made.weights, "given")


def _tell_unreadable(model: str, found: Evaluation) -> None:
    bad = found.unreadable
    if not bad:
        return
    reasons = Counter(each.reason for each in bad)
    console.say(f"{model}: {len(bad)} images can't be decoded and are in no figure:")
    for each in bad[:_MOST_LISTED]:
        console.say(f"  {excerpt(each.image)}: {excerpt(each.reason)}")
    if len(bad) > _MOST_LISTED:
        told = "; ".join(f"{count} x {excerpt(why)}" for why, count in reasons.most_common(5))
        console.say(f"  ... all are in the Parquet file. In all: {told}")


def _tell_of_nan(model: str, found: Evaluation) -> None:
    for engine, predictions in found.predictions.items():
        count = sum(each.top1 == NO_CLASS for each in predictions)
        if count:
            console.say(f"{model}: {engine} answers NaN alone for {count} images: counted as wrong")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(excerpt, names[:_MOST_LISTED]))
    return shown + (f" and {len(names) - _MOST_LISTED} more" if names[_MOST_LISTED:] else "")


def _write_rows(out: Path, rows: Sequence[ListRow]) -> None:
    path = out / ACCURACY_CSV
    # Another evaluation into the same folder must not write between our reading and writing.
    lock = FileLock(out / PREDICTIONS_NAME / "accuracy.lock", timeout=60)
    with _telling_of_writing(path), lock:
        write_whole(path, formatted(with_earlier(out, rows), "csv").encode())


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
