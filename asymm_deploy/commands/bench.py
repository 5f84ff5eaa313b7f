"""``asymm-deploy bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.arguments import (
    MODEL_HELP,
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
    complete_model,
    core,
    model_sources,
    print_data,
    table_or_figure,
)
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.errors import worst


def bench_command(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help=MODEL_HELP + " Or a .mnn file, which is timed as it is.",
            autocompletion=complete_model,
        ),
    ] = None,
    table: TableOption = None,
    figure: FigureOption = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="host|auto|all|SERIAL|HOST:PORT",
            help="Where to time. host is this machine, the default; auto is the one phone that is "
            "attached; all is every phone. Repeat the option to time on several side by side.",
        ),
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="Engine to time.")] = EngineName.MNN,
    runs: Annotated[
        int, typer.Option(metavar="N", help="Timed runs of each model, over all launches.")
    ] = 1000,
    launches: Annotated[
        int,
        typer.Option(
            metavar="N", help="Launches of each model, each a new process; they share the runs."
        ),
    ] = 10,
    warmup: WarmupOption = 20,
    threads: Annotated[
        int, typer.Option(metavar="N", help="Threads of the engine, each on a core of its own.")
    ] = 1,
    cpu: CpuOption = "auto",
    precision: Annotated[
        PrecisionName,
        typer.Option(
            help="Precision of the arithmetic. The runner reads back what the engine really used; "
            "a difference is flagged."
        ),
    ] = PrecisionName.FP32,
    runner: RunnerOption = None,
    launch_timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Time after which a launch counts as hung."),
    ] = 300.0,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: ResultsOption = Path("results"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Time again what OUT already has timings of.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FLAG",
            help="A flag that shall leave a row valid, as in --allow launch-spread. Repeatable.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the pushed files on the phone for the next bench.")
    ] = False,
    patience: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="How long to wait for a phone whose connection is lost.", min=1
        ),
    ] = 600.0,
    cool_down: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Pause before a throttled launch is repeated.", min=0),
    ] = 90.0,
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
