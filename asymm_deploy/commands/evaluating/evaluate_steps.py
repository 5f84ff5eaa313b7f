"""The steps of ``asymm-deploy evaluate``, in order: images, export, predictions, rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from asymm_deploy.bench.answered.emulated_answers import EmulatedAnswering
from asymm_deploy.bench.records import Precision
from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.asked_variants import (
    AskedModel,
    asked_models,
    chosen_variant_names,
)
from asymm_deploy.commands.evaluating.evaluate_notes import tell_remarks, tell_unreadable
from asymm_deploy.commands.evaluating.evaluated_device import evaluated_device
from asymm_deploy.commands.evaluating.evaluated_subject import (
    DataOptions,
    chosen_task,
    default_recipe,
    read_subject,
)
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
from asymm_deploy.evaluate.accuracy_rows import EvaluatedSetting
from asymm_deploy.evaluate.chunk_store import PREDICTIONS_NAME
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.lane import BASE_VARIANT, HERE, EvaluatedModel, Lane
from asymm_deploy.evaluate.prediction import ENGINES, EvaluationEngine
from asymm_deploy.evaluate.sample_reading import SampleReading
from asymm_deploy.evaluate.subject import Subject
from asymm_deploy.export.jobs import ExportOutcome, cores
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.files import ensure_folder, unwritable, write_whole
from asymm_deploy.images.preprocessing import (
    RECORDED_NAME,
    Preprocessing,
    preprocessing_of,
    record_preprocessing,
)
from asymm_deploy.models.input_shape import shape_text
from asymm_deploy.models.source import Source
from asymm_deploy.safe import excerpt
from asymm_deploy.text import Format, ListRow, formatted

if TYPE_CHECKING:
    from asymm_deploy.export.manifest import Manifest

_NOT_MEASURED = (
    "fp16 is not measured here: on x86 MNN computes in fp32 where fp16 is asked for. Measure it "
    "with --device a76 (`asymm-deploy emulator setup`), or on a phone, with --device auto"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate, on what, and what to print of it."""

    sources: Sequence[Source]
    data: DataOptions
    variants: Sequence[str]
    """None for every one that was made."""
    engines: Sequence[str]
    """None for all."""
    device: str
    precisions: Sequence[Precision]
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
    engines = _engines(asked.engines, asked.device)
    preprocess = asked.preprocess or default_recipe(task)
    recipe = preprocessing_of(preprocess)
    models = asked_models(asked.sources, chosen_variant_names(asked.variants), asked.artifacts)
    device = evaluated_device(asked.device)
    subject = read_subject(task, asked.data, device.default_limit)
    subject.table.read(asked.out)  # what can't be added to is told before minutes of work
    ensure_folder(asked.out, "results")
    for line in subject.told():
        console.say(line)
    if asked.data.limit is None and subject.is_drawn:
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
            made = _of_model(asked, each.base, files, wanted, (preprocess, recipe), subject)
            _write_rows(asked.out, subject, made)
            _record(each.base.folder, recipe)
            rows += made
        except DeployError as error:
            console.complain(error.about(each.base.text))
            codes.append(error.exit_code)
    if rows:
        console.say(f"wrote {asked.out / subject.table.name}")
    shown = subject.for_people(rows) if asked.output_format == "table" else rows
    print_data(formatted(shown, asked.output_format))
    return worst(codes)


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


def _record(folder: Path, recipe: Preprocessing) -> None:
    """Keep with the artifact how its images were made; an artifact may be read-only."""
    try:
        record_preprocessing(folder, recipe)
    except OSError as error:
        console.say(f"{folder / RECORDED_NAME} is not written: {error.strerror or error}")


def _of_model(
    asked: EvaluationRequest,
    request: ExportRequest,
    files: Sequence[Files],
    wanted: AskedLanes,
    preprocess: tuple[str, Preprocessing],
    subject: Subject,
) -> list[ListRow]:
    """Return the rows of one model; raise DeployError where it can't be evaluated."""
    made = files[0].made
    subject, note = subject.for_model(made)
    if note is not None:
        console.say(f"{made.model}: {note}")
    reading = subject.reading(made, preprocess[1])
    lanes = lanes_of(wanted, files, request.source)
    emulator = wanted.device.emulator
    model = EvaluatedModel(
        request=request,
        inputs=made.inputs,
        reading=reading,
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
        out=asked.out,
        jobs=asked.jobs or cores(),
        fresh=asked.fresh,
    )
    found = answers_of(shared, model, made.model, subject)
    tell_unreadable(made.model, subject.noun, [each.evaluation for each in found.values()])
    if found and not any(each.evaluation.predictions for each in found.values()):
        raise UsageError(f"none of the {subject.noun}s can be decoded", "see the reasons above")
    for lane, answers in found.items():
        with _telling_of_writing(answers.parquet):
            subject.write(answers.parquet, lane, answers.evaluation)
    tell_remarks(made.model, subject, found)
    weights = _weights(made)
    if weights == "untrained":
        console.say(f"{made.model}: its weights are random, so its accuracy means nothing")
    setting = EvaluatedSetting(
        weights=weights, preprocess=preprocess[0], input_shape=shape_text(made.input_shape)
    )
    return _rows(subject, setting, reading, lanes, found)


def _rows(
    subject: Subject,
    setting: EvaluatedSetting,
    reading: SampleReading,
    lanes: ChosenLanes,
    found: Mapping[Lane, LaneAnswers],
) -> list[ListRow]:
    rows: list[ListRow] = []
    reference = lanes.run[0] if lanes.run else None
    for lane in lanes.shown:
        answers = found.get(lane)
        if answers is None:
            rows.append(subject.unmeasured(setting, reading, lane))
        elif answers.evaluation.predictions:
            against: tuple[Lane, Evaluation[Any]] | None = None
            if reference is not None and lane != reference:
                against = (reference, found[reference].evaluation)
            rows += subject.rows(setting, reading, lane, answers.key, answers.evaluation, against)
    if any(lane not in found for lane in lanes.shown):
        console.say(_NOT_MEASURED)
    return rows


def _weights(made: Manifest) -> str:
    """Return where a model's weights come from, in a word."""
    return {"file": "trained", "seed": "untrained"}.get(made.weights, "given")


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
