"""``asymm-deploy explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands.options import explain_options as option
from asymm_deploy.commands.options.backend_options import (
    BackendName,
    OnlyCpuOption,
    refuse_other_backends,
)
from asymm_deploy.commands.options.input_options import (
    ClassesOption,
    InputShapeOption,
    InputsOption,
    named_models_and_files,
)
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    ArtifactsOption,
    CpuOption,
    LaunchTimeoutOption,
    PrecisionName,
    RunnerOption,
    TableOption,
    TextFormat,
    TextFormatOption,
    core,
)
from asymm_deploy.errors import UsageError

_DEPTH = 2


def explain_command(
    models: option.ExplainModelsOption = None,
    table: TableOption = None,
    device: option.ExplainDeviceOption = "host",
    precision: Annotated[
        PrecisionName, typer.Option(help="Precision of the arithmetic.")
    ] = PrecisionName.FP32,
    backend: OnlyCpuOption = BackendName.CPU,
    reference: option.ExplainReferenceOption = None,
    against: option.ExplainAgainstOption = None,
    by: option.ExplainByOption = option.ExplainBy.OPERATOR,
    depth: option.ExplainDepthOption = None,
    output_format: TextFormatOption = TextFormat.TABLE,
    trace: option.ExplainTraceOption = None,
    graph: option.ExplainGraphOption = None,
    runs: option.ExplainRunsOption = 50,
    launches: option.ExplainLaunchesOption = None,
    cpu: CpuOption = "auto",
    no_time: option.ExplainNoTimeOption = False,
    no_error: option.ExplainNoErrorOption = False,
    runner: RunnerOption = None,
    launch_timeout: LaunchTimeoutOption = 300.0,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Results folder, where explain.csv goes."),
    ] = Path("results"),
    fresh: option.ExplainFreshOption = False,
    allow: option.ExplainAllowOption = None,
    classes: ClassesOption = None,
    input_shape: InputShapeOption = None,
    inputs: InputsOption = None,
) -> None:
    """Say which operators take the time, and which one computes something else.

    Exports first what is missing or out of date. An operator's own error is that of this operator
    alone, fed with the reference's values, so that only the one at fault is accused: the command
    then exits with 5 and names it. Each model is added to OUT/explained.jsonl as it is done, and
    OUT/explain.csv has a row for each operator.

    \b
      asymm-deploy explain asymmnet_large_100
      asymm-deploy explain asymmnet_large_100 --by kind
      asymm-deploy explain mine.onnx --reference theirs.onnx
      asymm-deploy explain asymmnet_small_100 --against mbv3_small_100 --by kind
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.commands.explaining.explain_steps import ExplainRequest, run_explain

    refuse_other_backends(backend, "explain watches operators")
    if no_time and no_error:
        raise UsageError(
            "--no-time and --no-error leave nothing to find out", "leave out one of them"
        )
    if depth is not None and by != option.ExplainBy.MODULE:
        raise UsageError("--depth is about modules", "add --by module, or leave out --depth")
    if no_time and against is None and launches is not None:
        raise UsageError("--launches is for times, and --no-time leaves them out", "leave it out")
    chosen, bare = named_models_and_files(
        models, table, input_shape, inputs, classes, done="explained"
    )
    several = len(bare) + len(chosen) > 1
    for name, given in (("--reference", reference), ("--against", against), ("--graph", graph)):
        if several and given is not None:
            raise UsageError(
                f"{name} is for one model, and {len(bare) + len(chosen)} are named",
                "explain them one at a time",
            )
    plan = Plan(
        precision=precision.value,
        runs=runs,
        launches=1,
        cpu=core(cpu),
        allow=tuple(allow or ()),
        launch_timeout_s=launch_timeout,
        fresh=fresh,
    )
    request = ExplainRequest(
        sources=[each.source for each in chosen],
        samples={each.source.model: each.samples for each in chosen if each.samples is not None},
        bare_files=bare,
        device=device,
        runner=runner,
        plan=plan,
        launches=launches,
        reference=reference,
        against=against,
        classes=classes,
        times=not no_time,
        errors=not no_error,
        artifacts=artifacts,
        out=out,
        by=by.value,
        depth=depth or _DEPTH,
        output_format=FORMATS[output_format],
        trace=trace,
        graph=graph,
    )
    raise typer.Exit(run_explain(request))
