"""What is measured of variants: by the steps of `evaluate`, `bench`, `cost` and `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asymm_deploy.bench.emulated.emulator_home import find_emulator
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import Precision
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_steps import BenchRequest, run_bench
from asymm_deploy.commands.counting.cost_steps import CostRequest, run_cost
from asymm_deploy.commands.evaluating.evaluate_steps import EvaluationRequest, run_evaluation
from asymm_deploy.commands.evaluating.evaluated_subject import DataOptions
from asymm_deploy.commands.explaining.explain_steps import ExplainRequest, run_explain
from asymm_deploy.commands.variants.asked_files import HALF_PRECISION, ComparedModel
from asymm_deploy.errors import DeployError, ExitCode, HarnessError
from asymm_deploy.evaluate.lane import BASE_VARIANT
from asymm_deploy.models.source import OnnxFile, Source
from asymm_deploy.report.variants.variant_table import VariantsFormat

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


@dataclass(slots=True)
class VariantsDone:
    """What became of the steps."""

    codes: list[ExitCode] = field(default_factory=list)
    evaluated: set[str] = field(default_factory=set)
    """The models whose accuracies are those of this command."""

    def note(self, error: DeployError) -> None:
        """Tell of a step that failed; the others go on."""
        console.complain(error)
        self.codes.append(error.exit_code)


def evaluate_variants(
    asked: VariantsRequest,
    data: DataOptions,
    models: Sequence[ComparedModel],
    done: VariantsDone,
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


def time_variants(
    asked: VariantsRequest, models: Sequence[ComparedModel], done: VariantsDone
) -> None:
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


def count_variants(
    asked: VariantsRequest, models: Sequence[ComparedModel], done: VariantsDone
) -> None:
    """Count ARM instructions, if the emulator is set up."""
    try:
        find_emulator()
    except HarnessError as error:
        console.say(f"ARM instructions are left out: {error.what} (`{error.hint}`)")
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


def explain_variants(
    asked: VariantsRequest, models: Sequence[ComparedModel], done: VariantsDone
) -> None:
    """Find out where the time goes, of those whose line says so."""
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
