"""The steps of ``asymm-deploy variants``: files, accuracies, latencies, instructions, operators.

Each is a command's own steps on all variants; what they leave in the results folder is read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench import store
from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.host.processor import CORTEX_A76, Processor, this_processor
from asymm_deploy.bench.judge.rows import latest_rows
from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.evaluated_device import evaluated_device
from asymm_deploy.commands.evaluating.evaluated_subject import DataOptions, read_subject
from asymm_deploy.commands.evaluating.model_lanes import has_fp16
from asymm_deploy.commands.options.shared_options import no_data, print_data
from asymm_deploy.commands.variants.asked_files import (
    ComparedModel,
    compared_models,
    compared_variants,
)
from asymm_deploy.commands.variants.measured_variants import (
    VariantsDone,
    VariantsRequest,
    count_variants,
    evaluate_variants,
    explain_variants,
    time_variants,
)
from asymm_deploy.errors import DeployError, ExitCode, UsageError, worst
from asymm_deploy.evaluate.accuracy_rows import ACCURACIES
from asymm_deploy.evaluate.lane import HERE
from asymm_deploy.evaluate.tasks.task_choice import task_of
from asymm_deploy.explain.explained_store import read_explained
from asymm_deploy.explain.explanation import EXPLAINED_NAME
from asymm_deploy.files import ensure_folder, unwritable, write_whole
from asymm_deploy.jsonl import read_lines
from asymm_deploy.models.source import NamedNetwork
from asymm_deploy.report.variants.variant_facts import (
    VariantFacts,
    VariantRecords,
    facts_of,
)
from asymm_deploy.report.variants.variant_table import (
    COMPARED_VARIANTS,
    variant_rows,
    variants_text,
)
from asymm_deploy.text import ListRow, formatted


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


def run_variants(asked: VariantsRequest) -> ExitCode:
    """Compare the variants, write variants.csv and print the table; return the worst exit code."""
    compared_variants(asked.chosen)
    _refuse_variants_and_tasks(asked)
    place = _place(asked)
    data = _data(asked)
    if data is None:
        console.say("without --images there is no top-1: outputs are compared with fp32's")
    else:
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
    done = VariantsDone([code for model in models for code in model.codes])
    there = [model for model in models if model.made and model.base.missing is None]
    try:
        with no_data():
            _measure(asked, place, data, there, done)
    except KeyboardInterrupt:  # variants.csv tells of all that was finished
        with suppress(DeployError):
            _write(asked.out, _rows(asked, place, models, done))
        raise
    rows = _rows(asked, place, models, done)
    _write(asked.out, rows)
    print_data(variants_text(rows, asked.output_format))
    return worst(done.codes)


def _measure(
    asked: VariantsRequest,
    place: _Place,
    data: DataOptions | None,
    models: Sequence[ComparedModel],
    done: VariantsDone,
) -> None:
    if data is not None:
        evaluate_variants(asked, data, models, done)
    if asked.times and not place.is_emulated:
        time_variants(asked, models, done)
    if asked.counts:
        count_variants(asked, models, done)
    if asked.times:
        explain_variants(asked, models, done)


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


def _rows(
    asked: VariantsRequest, place: _Place, models: Sequence[ComparedModel], done: VariantsDone
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
