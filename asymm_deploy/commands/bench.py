"""``asymm-deploy bench``."""

from __future__ import annotations

from pathlib import Path

import typer

from asymm_deploy.commands.options import bench_options as option
from asymm_deploy.commands.options.backend_options import (
    BackendName,
    BackendOption,
    refuse_beside_backend,
)
from asymm_deploy.commands.options.input_options import (
    ClassesOption,
    InputShapeOption,
    InputsOption,
    named_models_and_files,
)
from asymm_deploy.commands.options.shared_options import (
    ArtifactsOption,
    CpuOption,
    EngineName,
    FigureOption,
    LaunchTimeoutOption,
    PrecisionName,
    ReportFormat,
    ReportFormatOption,
    ResultsOption,
    RunnerOption,
    TableOption,
    WarmupOption,
    core,
    table_or_figure,
)


def bench_command(
    models: option.BenchModelsOption = None,
    table: TableOption = None,
    figure: FigureOption = None,
    device: option.BenchDevicesOption = None,
    engine: option.BenchEngineOption = EngineName.MNN,
    runs: option.BenchRunsOption = 1000,
    launches: option.BenchLaunchesOption = 10,
    warmup: WarmupOption = 20,
    threads: option.BenchThreadsOption = 1,
    cpu: CpuOption = "auto",
    precision: option.BenchPrecisionOption = PrecisionName.FP32,
    backend: BackendOption = BackendName.CPU,
    runner: RunnerOption = None,
    launch_timeout: LaunchTimeoutOption = 300.0,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: ResultsOption = Path("results"),
    paired: option.BenchPairedOption = False,
    fresh: option.BenchFreshOption = False,
    allow: option.BenchAllowOption = None,
    keep: option.BenchKeepOption = False,
    patience: option.BenchPatienceOption = 600.0,
    cool_down: option.BenchCoolDownOption = 90.0,
    classes: ClassesOption = None,
    input_shape: InputShapeOption = None,
    inputs: InputsOption = None,
    output_format: ReportFormatOption = ReportFormat.MARKDOWN,
) -> None:
    """Time models, pinned to one core; each launch is a new process, and models take turns.

    Exports first what is missing or out of date. Each launch is added to OUT/runs.jsonl as it
    ends, so the same command continues where an earlier one stopped. Writes OUT/latency.csv,
    OUT/tableN.csv with --table, and OUT/figureN.csv with --figure.

    \b
      asymm-deploy bench asymmnet_small_035
      asymm-deploy bench --table 5 --device auto
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.bench.phone.options import PhoneOptions
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.commands.bench_steps import BenchRequest, run_bench

    of_paper = table is not None or figure is not None
    refuse_beside_backend(backend, paired=paired, of_paper=of_paper)
    plan = Plan(
        engine=engine.value,
        precision=precision.value,
        backend=backend.value,
        runs=runs,
        launches=launches,
        warmup=warmup,
        threads=threads,
        cpu=core(cpu),
        allow=tuple(allow or ()),
        launch_timeout_s=launch_timeout,
        fresh=fresh,
    )
    which = table_or_figure(table, figure)
    exported, bare = named_models_and_files(
        models, which, input_shape, inputs, classes, done="timed"
    )
    request = BenchRequest(
        sources=[each.source for each in exported],
        samples={each.source.model: each.samples for each in exported if each.samples is not None},
        bare_files=bare,
        devices=device or (),
        runner=runner,
        phone_options=PhoneOptions(patience, cool_down, keep, plan.allow),
        artifacts=artifacts,
        out=out,
        plan=plan,
        paired=paired,
        which=which,
        output_format=output_format.value,
    )
    raise typer.Exit(run_bench(request))
