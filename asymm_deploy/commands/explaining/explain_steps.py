"""The steps of ``asymm-deploy explain``, in order: device, export, explanations, tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asymm_deploy.bench import flags
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.emulator_home import engine_version, find_emulator
from asymm_deploy.bench.find_devices import EMULATED, device_makers, only_device
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.observed.operator_times import require_enough_runs
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.subjects import bare_files, exported_subject
from asymm_deploy.commands import console
from asymm_deploy.commands.explaining.explain_outputs import (
    complain_of_accused,
    complain_of_failure,
    require_writable,
    write_explain_csv,
    write_views,
)
from asymm_deploy.commands.explaining.explain_progress import ExplainProgress
from asymm_deploy.commands.explaining.other_side import OtherSide, find_other
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import ExitCode, UsageError, worst
from asymm_deploy.explain.explain_models import (
    ExplainPlan,
    explain_emulated,
    explain_on_device,
)
from asymm_deploy.explain.explained_store import Explained, opened_explained
from asymm_deploy.explain.explained_subject import ExplainSubject, require_reference, subject_of
from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.explain.views.operator_groups import By
from asymm_deploy.export.quantize.variant_request import recorded_request
from asymm_deploy.models.source import Source
from asymm_deploy.signals import ending_like_ctrl_c
from asymm_deploy.text import Format

_AGAINST_LAUNCHES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """What to explain and how, and what to print and write of it."""

    sources: Sequence[Source]
    samples: Mapping[str, Path] = field(default_factory=dict)
    """Files of samples that the command gives, by the sources' folders."""
    bare_files: Sequence[Path]
    """.mnn files, explained as they are."""
    device: str
    runner: Path | None
    plan: Plan
    """Its runs are those of one launch."""
    launches: int | None
    reference: Path | None
    against: str | None
    classes: int | None = None
    """What ``--classes`` says, for a network that it is compared with as well."""
    times: bool
    errors: bool
    artifacts: Path
    out: Path
    by: By
    depth: int
    output_format: Format
    trace: Path | None
    graph: Path | None


def run_explain(asked: ExplainRequest) -> ExitCode:
    """Explain what was asked for, write and print it; return the gravest exit code."""
    home = _home(asked)  # before an export takes minutes
    require_writable(asked.trace, asked.graph)
    if asked.reference is not None:
        require_reference(asked.reference)
    other = None if asked.against is None else find_other(asked.against, asked.classes)
    with opened_explained(asked.out, console.say) as folder:
        subjects, failed = _subjects(asked)
        beside, refused = _other_subject(asked, other)
        earlier = None
        if other is not None and other.records and subjects:
            model = subjects[0].artifact.model
            earlier = other.record_for(model, _device_name(home), asked.plan.precision)
        try:
            made, problems = _explained(asked, home, subjects, beside, folder)
        finally:  # Ctrl-C too: explain.csv tells of every model on disk
            write_explain_csv(asked.out, folder)
    ours = made[: len(subjects)]
    baseline = made[len(subjects)] if beside is not None else earlier
    text = write_views(asked, ours, baseline) if ours else ""
    if text:
        print_data(text)
    for each in made:
        if each.model not in problems:
            complain_of_failure(each)
    for each in ours:
        complain_of_accused(each, asked.reference)
    codes = [_code(each, asked.plan.allow) for each in made]
    return worst([*codes, *failed, *refused, *problems.values()])


def _home(asked: ExplainRequest) -> Device | Emulator:
    """Return the device, ready, or the emulator."""
    if asked.device.lower().removeprefix("cortex-") == EMULATED:
        if asked.runner is not None or asked.plan.cpu is not None or (asked.launches or 1) > 1:
            raise UsageError(
                "--runner, --cpu and --launches are for timing, and a76 counts instructions",
                "leave them out: counts are the same every time",
            )
        return find_emulator()
    if asked.times:
        require_enough_runs(asked.plan)
    options = PhoneOptions(600.0, 90.0, keep=False, allow=asked.plan.allow)
    return only_device(
        device_makers([asked.device], asked.runner, options, console.say), console.say
    )


def _device_name(home: Device | Emulator) -> str:
    return EMULATED if isinstance(home, Emulator) else home.facts(()).device


def _subjects(asked: ExplainRequest) -> tuple[list[ExplainSubject], list[ExitCode]]:
    """Export what is missing or stale; return what there is to explain, and how exports failed."""
    found = bare_files(asked.bare_files, asked.plan)
    exported, failed = _exported(asked, asked.sources, asked.samples)
    subjects = [subject_of(each, asked.reference) for each in (*found, *exported)]
    for subject in subjects if not asked.times else ():
        _require_errors(subject)
    return subjects, failed


def _require_errors(subject: ExplainSubject) -> None:
    if subject.reference is None:
        raise UsageError(
            f"{subject.artifact.path} has no reference, so there are no errors to find, and "
            "--no-time leaves out the times",
            "give the ONNX file that it was made from, with --reference, or leave out --no-time",
        )


def _exported(
    asked: ExplainRequest, sources: Sequence[Source], samples: Mapping[str, Path]
) -> tuple[list[Artifact], list[ExitCode]]:
    found, failed = [], []
    requests = [
        recorded_request(each, asked.artifacts, samples.get(each.model)) for each in sources
    ]
    for outcome in export_with_progress(requests) if requests else ():
        subject = exported_subject(outcome, asked.plan)
        if isinstance(subject, Missing):
            if outcome.failure is not None:
                console.complain(outcome.failure.about(outcome.request.text))
            failed.append(subject.exit_code)
        else:
            found.append(subject)
    return found, failed


def _other_subject(
    asked: ExplainRequest, other: OtherSide | None
) -> tuple[ExplainSubject | None, list[ExitCode]]:
    """Return the model to compare with, exported; None if it is a record, or there is none."""
    if other is None or other.records:
        return None, []
    if other.artifact is not None:
        return subject_of(other.artifact, None), []
    found, failed = _exported(asked, [other.source] if other.source else [], {})
    return (subject_of(found[0], None) if found else None), failed


def _explained(
    asked: ExplainRequest,
    home: Device | Emulator,
    subjects: Sequence[ExplainSubject],
    beside: ExplainSubject | None,
    folder: Explained,
) -> tuple[list[Explanation], dict[str, ExitCode]]:
    """Return the explanation of each subject, one that is there already or a new one."""
    several = asked.against is not None and not isinstance(home, Emulator)
    plan = ExplainPlan(
        bench=asked.plan,
        launches=asked.launches or (_AGAINST_LAUNCHES if several else 1),
        times=asked.times,
        errors=asked.errors,
    )
    name = _device_name(home)
    judges = asked.errors and (asked.plan.precision == "fp32" or not isinstance(home, HostDevice))
    known = {} if asked.plan.fresh else _kept(folder, subjects, plan, name, judges=judges)
    if beside is not None:
        known = {}
    wanted = [each for each in subjects if id(each) not in known]
    if known:
        count = f"{len(known)} of {len(subjects)} models" if subjects[1:] else "the model"
        console.say(f"{count}: explained before, and not again (--fresh does)")
    everything = [*wanted, *([beside] if beside is not None else [])]
    steps = len(everything) * (1 + plan.launches * plan.times)
    problems: dict[str, ExitCode] = {}
    made: list[Explanation] = []
    if everything:
        with console.progress("explaining", steps) as advance, ending_like_ctrl_c():
            watcher = ExplainProgress(advance, folder, keep=wanted)
            if isinstance(home, Emulator):
                made = explain_emulated(home, everything, plan, os.cpu_count() or 1, watcher)
            else:
                made = explain_on_device(
                    home, everything, plan, watcher, in_turns=beside is not None
                )
            problems = watcher.problems
    new = {id(subject): found for subject, found in zip(everything, made, strict=True)}
    ours = [known.get(id(each)) or new[id(each)] for each in subjects]
    return [*ours, *([new[id(beside)]] if beside is not None else [])], problems


def _kept(
    folder: Explained,
    subjects: Sequence[ExplainSubject],
    plan: ExplainPlan,
    device: str,
    *,
    judges: bool,
) -> dict[int, Explanation]:
    """Return what was explained before just so, by the subject's id."""
    found = {}
    for subject in subjects:
        for record in folder.records:
            may_judge = judges and subject.reference is not None
            judged = any(each.own is not None for each in record.operators)
            if judged == may_judge and _is_of(record, subject, plan, device):
                found[id(subject)] = record
    return found


def _is_of(record: Explanation, subject: ExplainSubject, plan: ExplainPlan, device: str) -> bool:
    """Whether a record says what explaining ``subject`` would find out."""
    artifact, bench = subject.artifact, plan.bench
    counted = device == EMULATED
    same_files = (
        record.model,
        record.artifact_sha256,
        record.inputs_sha256,
        record.reference_sha256,
    ) == (artifact.model, artifact.sha256, artifact.inputs_sha256, subject.reference_sha256)
    same_way = (record.device, record.precision, record.engine_version) == (
        *(device, bench.precision, engine_version()),
    ) and bench.cpu in (None, int(record.cpu) if record.cpu.isdigit() else None)
    launches = max((len(each.launches_ms) for each in record.operators), default=1) or 1
    has_cost = any(each.insn is not None for each in record.operators)
    same_times = (
        has_cost == plan.times
        if counted
        else (record.median_ms is not None) == plan.times
        and (not plan.times or (record.runs, launches) == (bench.runs, plan.launches))
    )
    is_good = record.error is None and flags.leave_valid(record.flags, bench.allow)
    return same_files and same_way and same_times and is_good


def _code(explanation: Explanation, allow: Sequence[str]) -> ExitCode:
    """Return what one explanation asks for: numerics if an operator is accused."""
    code = flags.exit_code_for(explanation.flags, allow)
    return worst([code, *([ExitCode.NUMERICS] if explanation.first_accused else [])])
