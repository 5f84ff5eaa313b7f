"""``asymm-deploy bench``."""

from __future__ import annotations

from pathlib import Path

import typer

from asymm_deploy.commands import bench_options as option
from asymm_deploy.commands import console
from asymm_deploy.commands.arguments import (
    ArtifactsOption,
    CpuOption,
    EngineName,
    FigureOption,
    InputShapeOption,
    PrecisionName,
    ReportFormat,
    ReportFormatOption,
    ResultsOption,
    RunnerOption,
    TableOption,
    WarmupOption,
    core,
    model_sources,
    print_data,
    table_or_figure,
)
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.errors import worst


def bench_command(
    models: option.Models = None,
    table: TableOption = None,
    figure: FigureOption = None,
    device: option.Devices = None,
    engine: option.Engine = EngineName.MNN,
    runs: option.Runs = 1000,
    launches: option.Launches = 10,
    warmup: WarmupOption = 20,
    threads: option.Threads = 1,
    cpu: CpuOption = "auto",
    precision: option.Precision = PrecisionName.FP32,
    runner: RunnerOption = None,
    launch_timeout: option.LaunchTimeout = 300.0,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: ResultsOption = Path("results"),
    fresh: option.Fresh = False,
    allow: option.Allow = None,
    keep: option.Keep = False,
    patience: option.Patience = 600.0,
    cool_down: option.CoolDown = 90.0,
    input_shape: InputShapeOption = None,
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
    from asymm_deploy.bench.phone.options import Conduct
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.commands import benching

    plan = Plan(
        engine=engine.value,
        precision=precision.value,
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
    names = list(dict.fromkeys(models or ()))
    bare = [Path(name) for name in names if name.endswith(".mnn")]
    named = [name for name in names if not name.endswith(".mnn")]
    only_bare = bool(bare) and not named and which is None
    sources = [] if only_bare else model_sources(named, which, input_shape)
    conduct = Conduct(patience, cool_down, keep, plan.allow)
    makers = benching.devices(device or (), runner, conduct)
    subjects = [
        *benching.bare_files(bare, plan),
        *benching.exported_models(sources, artifacts, plan, export_with_progress),
    ]
    rows, failures = benching.time_all(makers, subjects, plan, out)
    print_data(benching.written(rows, which, out, plan, output_format.value))
    for failure in failures:
        console.complain(failure)
    codes = [row.exit_code for row in rows] + [failure.exit_code for failure in failures]
    raise typer.Exit(worst(codes))
