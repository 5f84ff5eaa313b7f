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
from asymm_deploy.commands.options.cold_options import ColdOption, refuse_beside_cold
from asymm_deploy.commands.options.input_options import (
    ClassesOption,
    InputShapeOption,
    InputsOption,
    named_models_and_files,
)
from asymm_deploy.commands.options.lab_bench_options import (
    LabCountOption,
    LabOption,
    LabWaitOption,
    TlsCaFileOption,
    TlsCertOption,
    TlsKeyOption,
    lab_request,
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
from asymm_deploy.commands.options.sustained_options import EveryOption, ForOption, lasting


def bench_command(
    ctx: typer.Context,
    models: option.BenchModelsOption = None,
    table: TableOption = None,
    figure: FigureOption = None,
    device: option.BenchDevicesOption = None,
    lab: LabOption = None,
    count: LabCountOption = None,
    wait: LabWaitOption = False,
    tls_ca_file: TlsCaFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
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
    cold: ColdOption = False,
    for_: ForOption = None,
    every: EveryOption = None,
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
    OUT/tableN.csv with --table, and OUT/figureN.csv with --figure. With --cold it is OUT/cold.jsonl
    and OUT/cold.csv. With --for each model has one launch, which lasts; it goes to
    OUT/sustained.jsonl and OUT/sustained.csv, second by second.

    \b
      asymm-deploy bench asymmnet_small_035
      asymm-deploy bench asymmnet_small_035 --for 30m --every 33ms --device auto
      asymm-deploy bench --table 5 --device auto
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.bench.phone.options import PhoneOptions
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.commands.bench_steps import BenchRequest, run_bench

    of_paper = table is not None or figure is not None
    refuse_beside_backend(ctx, backend, of_paper=of_paper)
    if cold:
        from asymm_deploy.bench.cold.cold_records import COLD_WARMUP
        from asymm_deploy.bench.cold.time_cold import cold_runs

        refuse_beside_cold(ctx)
        runs, warmup = cold_runs(launches), COLD_WARMUP
    long = lasting(ctx, for_, every)
    plan = Plan(
        engine=engine.value,
        precision=precision.value,
        backend=backend.value,
        runs=runs if long is None else 1,
        launches=launches if long is None else 1,
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
        lab=lab_request(
            lab,
            device or (),
            count=count,
            wait=wait,
            runner=runner,
            certificate_files=(tls_ca_file, tls_cert, tls_key),
        ),
        runner=runner,
        phone_options=PhoneOptions(patience, cool_down, keep, plan.allow),
        artifacts=artifacts,
        out=out,
        plan=plan,
        paired=paired,
        which=which,
        output_format=output_format.value,
    )
    if cold:
        from asymm_deploy.commands.timing.cold_steps import run_cold

        raise typer.Exit(run_cold(request))
    if long is not None:
        from asymm_deploy.commands.timing.sustained_steps import run_sustained

        raise typer.Exit(run_sustained(request, long))
    raise typer.Exit(run_bench(request))
