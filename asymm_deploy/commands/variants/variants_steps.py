"""The steps of ``asymm-deploy variants``: files, accuracies, latencies, instructions, operators.

Each is a command's own steps on all variants; what they leave in the results folder is read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asymm_deploy.bench import store
from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.bench.emulated.emulator_home import find_emulator
from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.host.processor import CORTEX_A76, Processor, this_processor
from asymm_deploy.bench.judge.rows import latest_rows
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import Precision
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_steps import BenchRequest, run_bench
from asymm_deploy.commands.counting.cost_steps import CostRequest, run_cost
from asymm_deploy.commands.evaluating.evaluate_steps import EvaluationRequest, run_evaluation
from asymm_deploy.commands.evaluating.evaluated_device import evaluated_device
from asymm_deploy.commands.evaluating.evaluated_subject import DataOptions, read_subject
from asymm_deploy.commands.evaluating.model_lanes import has_fp16
from asymm_deploy.commands.explaining.explain_steps import ExplainRequest, run_explain
from asymm_deploy.commands.options.shared_options import no_data, print_data
from asymm_deploy.commands.variants.asked_files import (
    HALF_PRECISION,
    ComparedModel,
    compared_models,
    compared_variants,
)
from asymm_deploy.errors import DeployError, ExitCode, HarnessError, UsageError, worst
from asymm_deploy.evaluate.accuracy_rows import ACCURACIES
from asymm_deploy.evaluate.lane import BASE_VARIANT, HERE
from asymm_deploy.evaluate.tasks.task_choice import task_of
from asymm_deploy.explain.explained_store import read_explained
from asymm_deploy.explain.explanation import EXPLAINED_NAME
from asymm_deploy.files import ensure_folder, unwritable, write_whole
from asymm_deploy.jsonl import read_lines
from asymm_deploy.models.source import NamedNetwork, OnnxFile, Source
from asymm_deploy.report.variants.variant_facts import (
    VariantFacts,
    VariantRecords,
    facts_of,
)
from asymm_deploy.report.variants.variant_table import (
    COMPARED_VARIANTS,
    VariantsFormat,
    variant_rows,
    variants_text,
)
from asymm_deploy.text import ListRow, formatted

_EXPLAINED = (BASE_VARIANT, "int8", "int8-mixed")
"""The variants whose line says where the time goes: what stores its weights otherwise runs the
export's operators."""
_EXPLAIN_RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantsRequest:
    """What to compare, on what, and what to print of it."""

    sources: Sequence[Source]
    chosen: Sequence[str]
    """Variants; none for all."""
    images: Path | None
    calibration: Path | None
    classes: Path | None
    preprocess: str | None
    limit: int | None
    seed: int
    device: str
    runner: Path | None
    plan: Plan
    times: bool
    counts: bool
    jobs: int | None
    artifacts: Path
    out: Path
    output_format: VariantsFormat


@dataclass(frozen=True, slots=True)
class _Place:
    """Where variants run, as each kind of record calls it."""

    lane: str
    """In accuracy.csv."""
    recorded: str
    """In the others."""
    processor: Processor | None

    @property
    def is_emulated(self) -> bool:
        return self.lane == EMULATED


@dataclass(slots=True)
class _Done:
    """What became of the steps."""

    codes: list[ExitCode] = field(default_factory=list)
    evaluated: set[str] = field(default_factory=set)
    """The models whose accuracies are those of this command."""

    def note(self, error: DeployError) -> None:
        console.complain(error)
        self.codes.append(error.exit_code)


def run_variants(asked: VariantsRequest) -> ExitCode:
    """Compare the variants, write variants.csv and print the table; return the worst exit code."""
    compared_variants(asked.chosen)
    _refuse_variants_and_tasks(asked)
    place = _place(asked)
    data = _data(asked)
    if data is not None:
        read_subject(None, data, data.limit)  # before an export takes minutes
    ensure_folder(asked.out, "results")
    COMPARED_VARIANTS.read(asked.out)
    models = compared_models(
        asked.sources,
        asked.chosen,
        fp16=has_fp16(place.lane),
        calibration=asked.calibration or asked.images,
        artifacts=asked.artifacts,
    )
    done = _Done([code for model in models for code in model.codes])
    there = [model for model in models if model.made and model.base.missing is None]
    with no_data():
        if data is not None:
            _evaluate(asked, data, there, done)
        if asked.times and not place.is_emulated:
            _time(asked, there, done)
        if asked.counts:
            _count(asked, there, done)
        if asked.times:
            _explain(asked, there, done)
    rows = _rows(asked, place, models, done)
    _write(asked.out, rows)
    print_data(variants_text(rows, asked.output_format))
    return worst(done.codes)


def _refuse_variants_and_tasks(asked: VariantsRequest) -> None:
    for source in asked.sources:
        if source.variant is not None:
            raise UsageError(
                f"{source.model} names a variant, and variants compares those of a model",
                f"give {source.model.removesuffix(f'@{source.variant}')}, with --variant "
                f"{source.variant}",
            )
        task = task_of(source.spec) if isinstance(source, NamedNetwork) else None
        if asked.images is not None and task is not None:
            raise UsageError(
                f"variants evaluates classifiers, and {source.model} is for another task",
                "leave out --images: outputs are then compared with fp32's; or evaluate with "
                f"`asymm-deploy evaluate {source.model}`, which takes variants",
            )


def _place(asked: VariantsRequest) -> _Place:
    """Return where to run, ready; raise UsageError or HarnessError as commands do."""
    device = evaluated_device(asked.device)
    if device.name == HERE:
        facts = HostDevice(asked.runner).facts(())
        return _Place(HERE, facts.device, this_processor())
    if device.name != EMULATED:
        return _Place(device.name, device.name, None)
    if asked.runner is not None or asked.plan.cpu is not None:
        raise UsageError(
            "--runner and --cpu are for timing, and a76 counts instructions", "leave them out"
        )
    if not asked.counts:
        raise UsageError("--no-cost leaves out what a76 counts", "leave it out")
    return _Place(EMULATED, EMULATED, CORTEX_A76)


def _data(asked: VariantsRequest) -> DataOptions | None:
    if asked.images is None:
        return None
    return DataOptions(
        images=asked.images,
        classes=asked.classes,
        task=None,
        pairs=None,
        annotations=None,
        detections=None,
        split=None,
        frames=None,
        limit=asked.limit,
        seed=asked.seed,
    )


def _evaluate(
    asked: VariantsRequest,
    data: DataOptions,
    models: Sequence[ComparedModel],
    done: _Done,
) -> None:
    """Evaluate each model on MNN: its variants in fp32, and the export in fp16 where that is."""
    for model in models:
        made = [each.variant for each in model.made]
        settings: list[tuple[list[str], Precision]] = [(made, "fp32")]
        if _measures_fp16(model):
            settings.append(([BASE_VARIANT], "fp16"))
        codes = [_evaluated(asked, data, model, *setting) for setting in settings]
        if all(code == ExitCode.OK for code in codes):
            done.evaluated.add(model.source.model)
        done.codes += codes


def _evaluated(
    asked: VariantsRequest,
    data: DataOptions,
    model: ComparedModel,
    variants: Sequence[str],
    precision: Precision,
) -> ExitCode:
    return run_evaluation(
        EvaluationRequest(
            sources=[model.source],
            data=data,
            variants=variants,
            engines=["onnxruntime" if isinstance(model.source, OnnxFile) else "torch", "mnn"],
            device=asked.device,
            precisions=[precision],
            preprocess=asked.preprocess,
            jobs=asked.jobs,
            artifacts=asked.artifacts,
            out=asked.out,
            fresh=asked.plan.fresh,
            output_format="csv",
        )
    )


def _time(asked: VariantsRequest, models: Sequence[ComparedModel], done: _Done) -> None:
    """Time all variants launch by launch, and each in turns with its export."""
    sources = [source for model in models for source in model.sources()]
    pairs = [(each.artifact, model.base.artifact) for model in models for each in model.made[1:]]
    half = [model.source for model in models if _measures_fp16(model)]
    settings: list[tuple[list[Source], Precision, list[tuple[str, str]]]] = [
        (sources, "fp32", pairs),
        (half, "fp16", []),
    ]
    for given, precision, in_turns in settings:
        if not given:
            continue
        try:
            code = run_bench(
                BenchRequest(
                    sources=given,
                    bare_files=(),
                    devices=[asked.device],
                    runner=asked.runner,
                    phone_options=PhoneOptions(600.0, 90.0, keep=False, allow=asked.plan.allow),
                    artifacts=asked.artifacts,
                    out=asked.out,
                    plan=replace(asked.plan, precision=precision),
                    pairs=in_turns,
                    which=None,
                    output_format="csv",
                )
            )
            done.codes.append(code)
        except DeployError as error:
            done.note(error)


def _count(asked: VariantsRequest, models: Sequence[ComparedModel], done: _Done) -> None:
    """Count ARM instructions, if the emulator is set up."""
    try:
        find_emulator()
    except HarnessError as error:
        console.say(f"ARM instructions are left out: {error.what} ({error.hint})")
        return
    half = [m.source for m in models if any(f.variant == HALF_PRECISION for f in m.files)]
    settings: list[tuple[list[Source], Precision]] = [
        ([source for model in models for source in model.sources()], "fp32"),
        (half, "fp16"),
    ]
    for sources, precision in settings:
        if not sources:
            continue
        try:
            code = run_cost(
                CostRequest(
                    sources=sources,
                    bare_files=(),
                    precision=precision,
                    cpu="cortex-a76",
                    caches=False,
                    by_operator=False,
                    jobs=asked.jobs,
                    artifacts=asked.artifacts,
                    out=asked.out,
                    fresh=asked.plan.fresh,
                    calibration=None,
                    output_format="csv",
                )
            )
            done.codes.append(code)
        except DeployError as error:
            done.note(error)


def _explain(asked: VariantsRequest, models: Sequence[ComparedModel], done: _Done) -> None:
    sources = [source for model in models for source in model.sources(*_EXPLAINED)]
    if not sources:
        return
    try:
        code = run_explain(
            ExplainRequest(
                sources=sources,
                bare_files=(),
                device=asked.device,
                runner=asked.runner,
                plan=replace(asked.plan, runs=_EXPLAIN_RUNS, launches=1),
                launches=None,
                reference=None,
                against=None,
                times=True,
                errors=False,
                artifacts=asked.artifacts,
                out=asked.out,
                by="operator",
                depth=2,
                output_format="csv",
                trace=None,
                graph=None,
            )
        )
        done.codes.append(code)
    except DeployError as error:
        done.note(error)


def _measures_fp16(model: ComparedModel) -> bool:
    return any(
        each.variant == HALF_PRECISION and each.missing is None and each.unmeasured is None
        for each in model.files
    )


def _rows(
    asked: VariantsRequest, place: _Place, models: Sequence[ComparedModel], done: _Done
) -> list[ListRow]:
    """Return a row for each variant, from what the results folder holds."""
    out = asked.out
    times = asked.times and (out / store.NAME).is_file()
    records = VariantRecords(
        rows=latest_rows(store.load(out)) if times else (),
        costs=read_lines(out / COSTS_NAME, CostRecord, COSTS_SCHEMA_VERSION).records
        if asked.counts
        else (),
        explained=read_explained(out / EXPLAINED_NAME).records if asked.times else (),
        accuracies=[row for row in ACCURACIES.read(out) if row["model"] in done.evaluated],
    )
    rows: list[ListRow] = []
    for model in models:
        facts: list[VariantFacts] = [
            facts_of(each, place.recorded, records, place.lane) for each in model.files
        ]
        rows += variant_rows(facts[0], facts, place.processor)
        if model.base.weights == "untrained" and model.base.missing is None:
            console.say(
                f"{model.source.model}: its weights are random, so its accuracy means nothing"
            )
    return rows


def _write(out: Path, rows: Sequence[ListRow]) -> None:
    path = out / COMPARED_VARIANTS.name
    try:
        write_whole(path, formatted(COMPARED_VARIANTS.with_earlier(out, rows), "csv").encode())
    except OSError as error:
        raise unwritable(
            str(path),
            error,
            "make it writable, with space left, and repeat the command: nothing is measured again",
        ) from error
    console.say(f"wrote {path}")
