"""The steps of ``asymm-deploy evaluate``, in order: images, export, predictions, rows."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from asymm_deploy.bench.answered.emulated_answers import EmulatedAnswering
from asymm_deploy.bench.records import Precision
from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.asked_variants import (
    AskedModel,
    asked_models,
    chosen_variant_names,
)
from asymm_deploy.commands.evaluating.evaluate_notes import (
    tell_of_folder,
    tell_of_nan,
    tell_unreadable,
)
from asymm_deploy.commands.evaluating.evaluated_device import evaluated_device
from asymm_deploy.commands.evaluating.lane_answers import AskedAnswers, LaneAnswers, answers_of
from asymm_deploy.commands.evaluating.model_lanes import (
    AskedLanes,
    ChosenLanes,
    Files,
    artifact_of,
    lanes_of,
)
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import DeployError, ExitCode, UsageError, worst
from asymm_deploy.evaluate.accuracy import ACCURACY_CSV
from asymm_deploy.evaluate.accuracy_rows import (
    EvaluatedSetting,
    accuracy_row,
    read_accuracy,
    unmeasured_row,
    with_earlier,
)
from asymm_deploy.evaluate.chunk_store import PREDICTIONS_NAME
from asymm_deploy.evaluate.class_output import class_output
from asymm_deploy.evaluate.ilsvrc2012 import in_models_order
from asymm_deploy.evaluate.image_folder import (
    ImageFolder,
    LabelledImage,
    labelled_images,
    sampled,
)
from asymm_deploy.evaluate.lane import BASE_VARIANT, HERE, EvaluatedModel, Lane
from asymm_deploy.evaluate.prediction import ENGINES, EvaluationEngine
from asymm_deploy.evaluate.prediction_table import write_predictions
from asymm_deploy.export.jobs import ExportOutcome, cores
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.files import ensure_folder, unwritable, write_whole
from asymm_deploy.images.preprocessing import Preprocessing, image_input, preprocessing_of
from asymm_deploy.models.source import Source
from asymm_deploy.safe import excerpt
from asymm_deploy.text import Format, ListRow, formatted

if TYPE_CHECKING:
    from asymm_deploy.export.manifest import Manifest

_SHOWN = (
    *(
        "model",
        "variant",
        "engine",
        "device",
        "precision",
        "images",
        "top1_percent",
        "top1_low_percent",
        "top1_high_percent",
    ),
    *("top5_percent", "agreement_percent", "became_wrong", "became_right", "ms_per_image"),
)
"""Columns of the table for people; accuracy.csv has all."""
_NOT_MEASURED = (
    "fp16 is not measured here: on x86 MNN computes in fp32 where fp16 is asked for. Measure it "
    "with --device a76 (`asymm-deploy emulator setup`), or on a phone, with --device auto"
)
_NEEDED = (("PIL", "Pillow"), ("pyarrow", "pyarrow"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate, on what, and what to print of it."""

    sources: Sequence[Source]
    images: Path
    classes: Path | None
    variants: Sequence[str]
    """None for every one that was made."""
    engines: Sequence[str]
    """None for all."""
    device: str
    precisions: Sequence[Precision]
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
    engines = _engines(asked.engines, asked.device)
    recipe = preprocessing_of(asked.preprocess)
    models = asked_models(asked.sources, chosen_variant_names(asked.variants), asked.artifacts)
    device = evaluated_device(asked.device)
    folder = labelled_images(asked.images, asked.classes)
    images = sampled(folder.images, asked.limit or device.default_limit, asked.seed)
    read_accuracy(asked.out)  # what can't be added to is told before minutes of work
    ensure_folder(asked.out, "results")
    tell_of_folder(folder, len(images))
    if asked.limit is None and len(images) < len(folder.images):
        console.say(
            f"drawn for {device.name}, which takes seconds for an image; --limit takes more"
        )
    wanted = AskedLanes(engines, tuple(dict.fromkeys(asked.precisions)), device)
    outcomes = {
        each.request.folder: each
        for each in export_with_progress([x for model in models for x in model.requests])
    }
    rows: list[ListRow] = []
    codes: list[ExitCode] = []
    for each in models:
        try:
            files, failed = _files_of(each, outcomes)
            codes += failed
            if not any(file.is_asked_for for file in files):
                continue
            made = _of_model(asked, each.base, files, wanted, recipe, folder, images)
            _write_rows(asked.out, made)
            rows += made
        except DeployError as error:
            console.complain(error.about(each.base.text))
            codes.append(error.exit_code)
    if rows:
        console.say(f"wrote {asked.out / ACCURACY_CSV}")
    shown = [_for_people(row) for row in rows] if asked.output_format == "table" else rows
    print_data(formatted(shown, asked.output_format))
    return worst(codes)


def _for_people(row: ListRow) -> ListRow:
    shown = {column: row[column] for column in _SHOWN}
    return shown if row["images"] else shown | {"top1_percent": "not measured here"}


def _require_libraries() -> None:
    missing = [name for module, name in _NEEDED if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(
            f"evaluate needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} "
            "not installed",
            "pip install 'asymm-deploy[evaluate]'",
        )


def _engines(given: Sequence[str], device: str) -> tuple[EvaluationEngine, ...]:
    unknown = [name for name in given if name not in ENGINES]
    if unknown:
        raise UsageError(
            f"--engine {excerpt(unknown[0], 40)} is none that can evaluate",
            f"give {', '.join(ENGINES[:-1])} or {ENGINES[-1]}",
        )
    if given and "mnn" not in given and device != HERE:
        raise UsageError(
            f"on {excerpt(device, 40)} MNN alone is evaluated, not {given[0]}",
            "leave out --engine, or give mnn too: the other is what it is compared with",
        )
    return tuple(each for each in ENGINES if each in given)


def _files_of(
    asked: AskedModel, outcomes: Mapping[Path, ExportOutcome]
) -> tuple[list[Files], list[ExitCode]]:
    """Return the export, and then each variant asked for that could be made.

    The export is named ``fp32``, and is there even if only variants are asked for. Complains of
    those that could not be made; raises the failure of the export itself.
    """
    base = outcomes[asked.base.folder]
    if base.failure is not None:
        raise base.failure
    assert base.manifest is not None
    found = [Files(BASE_VARIANT, asked.base.folder, base.manifest, BASE_VARIANT in asked.variants)]
    codes = []
    for name, request in asked.variants.items():
        outcome = outcomes[request.folder]
        if outcome.failure is not None:
            console.complain(outcome.failure.about(request.text))
            codes.append(outcome.failure.exit_code)
        elif name != BASE_VARIANT:
            assert outcome.manifest is not None
            found.append(Files(name, request.folder, outcome.manifest))
    return found, codes


def _of_model(
    asked: EvaluationRequest,
    request: ExportRequest,
    files: Sequence[Files],
    wanted: AskedLanes,
    recipe: Preprocessing,
    folder: ImageFolder,
    images: Sequence[LabelledImage],
) -> list[ListRow]:
    """Return the rows of one model; raise DeployError where it can't be evaluated."""
    made = files[0].made
    folder, images, note = in_models_order(folder, images, [each.shape for each in made.outputs])
    if note is not None:
        console.say(f"{made.model}: {note}")
    output, classes = class_output(
        [(each.name, each.shape) for each in made.outputs], len(folder.classes), made.model
    )
    lanes = lanes_of(wanted, files, request.source)
    emulator = wanted.device.emulator
    model = EvaluatedModel(
        request=request,
        inputs=made.inputs,
        output=output,
        taken=image_input(made.inputs),
        recipe=recipe,
        lanes=lanes.run,
        emulated={}
        if emulator is None
        else {
            at: EmulatedAnswering(emulator, artifact_of(lane), lane.precision)
            for at, lane in enumerate(lanes.run)
            if not lane.is_here
        },
    )
    shared = AskedAnswers(
        device=wanted.device,
        root=asked.images,
        out=asked.out,
        jobs=asked.jobs or cores(),
        fresh=asked.fresh,
    )
    found = answers_of(shared, model, made.model, images)
    tell_unreadable(made.model, [each.evaluation for each in found.values()])
    if found and not any(each.evaluation.predictions for each in found.values()):
        raise UsageError("none of the images can be decoded", "see the reasons above")
    for lane, answers in found.items():
        with _telling_of_writing(answers.parquet):
            write_predictions(answers.parquet, lane, folder.classes, answers.evaluation)
    tell_of_nan(made.model, found)
    weights = _weights(made)
    if weights == "untrained":
        console.say(f"{made.model}: its weights are random, so its accuracy means nothing")
    setting = EvaluatedSetting(weights=weights, classes=classes, preprocess=asked.preprocess)
    return _rows(setting, lanes, found)


def _rows(
    setting: EvaluatedSetting, lanes: ChosenLanes, found: Mapping[Lane, LaneAnswers]
) -> list[ListRow]:
    rows = []
    reference = lanes.run[0] if lanes.run else None
    for lane in lanes.shown:
        answers = found.get(lane)
        if answers is None:
            rows.append(unmeasured_row(setting, lane))
        elif answers.evaluation.predictions:
            against = None
            if reference is not None and lane != reference:
                against = (reference, found[reference].evaluation)
            rows.append(accuracy_row(setting, lane, answers.key, answers.evaluation, against))
    if any(lane not in found for lane in lanes.shown):
        console.say(_NOT_MEASURED)
    return rows


def _weights(made: Manifest) -> str:
    """Return where a model's weights come from, in a word."""
    return {"file": "trained", "seed": "untrained"}.get(made.weights, "given")


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
