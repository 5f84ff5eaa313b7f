"""The steps of ``asymm-deploy cost``, in order: emulator, export, counts, rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asymm_deploy.bench import flags
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.emulated.cost_store import Costs, opened_costs
from asymm_deploy.bench.emulated.counted_launch import CountPlan, count_models
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.emulator_home import find_emulator
from asymm_deploy.bench.emulated.qemu import require_cpu
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration
from asymm_deploy.bench.predicted.cost_table import cost_row, latest_costs, operator_rows
from asymm_deploy.bench.predicted.phone_calibration import MeasuredModel
from asymm_deploy.bench.records import Precision
from asymm_deploy.bench.subjects import bare_files, exported_subject
from asymm_deploy.commands import console
from asymm_deploy.commands.counting.cost_calibrating import calibrate
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import ExitCode, HarnessError, UsageError, worst
from asymm_deploy.export.quantize.variant_request import recorded_request
from asymm_deploy.files import unwritable, write_whole
from asymm_deploy.models.source import Source
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import ending_like_ctrl_c
from asymm_deploy.text import Format, formatted

COST_CSV = "cost.csv"
_SHOWN = (
    *("model", "precision", "insn_m", "fma_m", "load_mb", "store_mb"),
    *("l2_miss_m", "l3_miss_m", "predicted_ms", "valid"),
)
"""Columns of the table for people; cost.csv has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRequest:
    """What to count and how, and what to print of it."""

    sources: Sequence[Source]
    samples: Mapping[str, Path] = field(default_factory=dict)
    """Files of samples that the command gives, by the sources' folders."""
    bare_files: Sequence[Path]
    """.mnn files, counted as they are."""
    precision: Precision
    cpu: str
    caches: bool
    by_operator: bool
    jobs: int | None
    artifacts: Path
    out: Path
    fresh: bool
    calibration: str | None
    output_format: Format


def run_cost(asked: CostRequest) -> ExitCode:
    """Count what was asked for, write cost.csv and print rows; return the worst row's exit code."""
    _refuse_same_names(asked)
    name = calibrations.SHIPPED if asked.calibration is None else asked.calibration
    calibration = calibrations.named(name)
    emulator = _ready(asked)  # before an export takes minutes
    subjects, failed = _subjects(asked)
    with opened_costs(asked.out, console.say) as costs:
        try:
            records = _counted(asked, emulator, subjects, costs)
        finally:  # Ctrl-C too: cost.csv tells of every model on disk
            _write_rows(asked.out, costs, calibration)
    _print_rows(asked, records, calibration)
    codes = [flags.exit_code_for(record.flags, ()) for record in records]
    return worst([*codes, *failed])


def run_calibration(asked: CostRequest, results: Path) -> ExitCode:
    """Fit a calibration to what was measured, counting what lacks counts; keep it by its name."""
    with opened_costs(asked.out, console.say) as costs:

        def count(models: Sequence[MeasuredModel]) -> Sequence[CostRecord]:
            emulator = _ready(asked)
            exports = [_of_measured(asked, each) for each in models]
            found = [each for each in exports if each is not None]
            return _counted(asked, emulator, found, costs)

        there = _comparable(asked, costs.records)
        made = calibrate(results, asked.calibration, asked.precision, there, count)
        _write_rows(asked.out, costs, made)
    print_data(made.name)
    return ExitCode.OK


def _refuse_same_names(asked: CostRequest) -> None:
    """Raise UsageError if two models have one name; ``named_models`` knows no .mnn files."""
    names = [path.stem for path in asked.bare_files] + [each.model for each in asked.sources]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two of the models are called {name}, and would share one row",
                "count them into different folders with --out, or rename one of the files",
            )


def _comparable(asked: CostRequest, records: Sequence[CostRecord]) -> Sequence[CostRecord]:
    """Return what the emulator that is there has counted; any emulator's, if there is none."""
    if asked.fresh:
        return []
    try:
        key = find_emulator().key(asked.cpu)
    except HarnessError:
        return [record for record in records if record.key.cpu == asked.cpu]
    return [record for record in records if record.key == key]


def _ready(asked: CostRequest) -> Emulator:
    emulator = find_emulator()
    require_cpu(emulator.qemu, asked.cpu)
    return emulator


def _subjects(asked: CostRequest) -> tuple[list[Artifact], list[ExitCode]]:
    """Export what is missing or stale; return what there is to count, and how exports failed."""
    plan = Plan(precision=asked.precision)
    subjects = bare_files(asked.bare_files, plan)
    failed = []
    requests = [
        recorded_request(each, asked.artifacts, asked.samples.get(each.model))
        for each in asked.sources
    ]
    for outcome in export_with_progress(requests) if requests else ():
        subject = exported_subject(outcome, plan)
        if isinstance(subject, Missing):
            if outcome.failure is not None:
                console.complain(outcome.failure.about(outcome.request.text))
            failed.append(subject.exit_code)
        else:
            subjects.append(subject)
    return subjects, failed


def _of_measured(asked: CostRequest, measured: MeasuredModel) -> Artifact | None:
    """Return the export that was measured, if it is still there."""
    from asymm_deploy.bench import artifact

    try:
        found = artifact.exported(asked.artifacts / measured.model, "mnn")
    except UsageError:
        return None
    return found if found.sha256 == measured.artifact_sha256 else None


def _counted(
    asked: CostRequest, emulator: Emulator, subjects: Sequence[Artifact], costs: Costs
) -> list[CostRecord]:
    """Return the counts of each subject, those that are there already or new ones."""
    plan = CountPlan(precision=asked.precision, cpu=asked.cpu, caches=asked.caches)
    known = {} if asked.fresh else _kept(costs, emulator, plan)
    wanted = [each for each in subjects if _identity(each) not in known]
    if len(wanted) < len(subjects):
        there = len(subjects) - len(wanted)
        console.say(f"{there} of {len(subjects)} were counted before (--fresh counts them again)")
    if wanted:
        with console.progress("counting", len(wanted)) as advance, ending_like_ctrl_c():

            def keep(record: CostRecord) -> None:
                costs.add(record)
                advance(record.model)

            made = count_models(
                emulator, wanted, plan, jobs=asked.jobs or os.cpu_count() or 1, on_counted=keep
            )
        known |= {_identity(each): record for each, record in zip(wanted, made, strict=True)}
    return [known[_identity(each)] for each in subjects]


def _identity(subject: Artifact) -> tuple[str, str, str | None]:
    return subject.model, subject.sha256, subject.inputs_sha256


def _kept(
    costs: Costs, emulator: Emulator, plan: CountPlan
) -> dict[tuple[str, str, str | None], CostRecord]:
    key = emulator.key(plan.cpu)
    return {
        (record.model, record.artifact_sha256, record.inputs_sha256): record
        for record in costs.records
        if record.key == key
        and record.precision == plan.precision
        and record.counts is not None
        and (record.counts.l2_misses is not None or not plan.caches)
    }


def _write_rows(out: Path, costs: Costs, calibration: CostCalibration) -> None:
    """Write cost.csv of all that the folder has counts of."""
    rows = [cost_row(record, calibration) for record in latest_costs(costs.records)]
    if not rows:
        return
    path = out / COST_CSV
    try:
        write_whole(path, formatted(rows, "csv").encode())
    except OSError as error:
        raise unwritable(
            str(path),
            error,
            "make it writable, with space left, and repeat the command: nothing is counted again",
        ) from error
    console.say(f"wrote {path}")


def _print_rows(
    asked: CostRequest, records: Sequence[CostRecord], calibration: CostCalibration
) -> None:
    for record in records:
        for name in record.flags:
            why = record.error or flags.FLAGS[name].meaning
            console.say(f"{record.model}: {name}: {excerpt(why)}")
    if asked.by_operator:
        rows = operator_rows(records)
    else:
        rows = [cost_row(record, calibration) for record in records]
        if asked.output_format == "table":
            rows = [{column: row[column] for column in _SHOWN} for row in rows]
    print_data(formatted(rows, asked.output_format))
    shown = asked.output_format == "table" and not asked.by_operator
    if shown and any(row["predicted_ms"] for row in rows):
        console.say(
            f"predicted_ms is a prediction for one thread of {calibration.device}, not measured; "
            f"models left out of its fit were off by {calibration.mean_error:.0%} on average"
        )
