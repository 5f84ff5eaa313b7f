"""``asymm-deploy cost``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.bounds import MOST_CORES
from asymm_deploy.commands.options.input_options import (
    ClassesOption,
    InputShapeOption,
    InputsOption,
    named_models_and_files,
)
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    MODEL_HELP,
    ArtifactsOption,
    PrecisionName,
    TableOption,
    TextFormat,
    TextFormatOption,
    complete_model,
    given_options,
    within,
)
from asymm_deploy.errors import UsageError


def cost_command(
    ctx: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help=MODEL_HELP + " Or a .mnn file, which is counted as it is.",
            autocompletion=complete_model,
        ),
    ] = None,
    table: TableOption = None,
    precision: Annotated[
        PrecisionName,
        typer.Option(help="Precision of the arithmetic; fp16 is computed as the processor does."),
    ] = PrecisionName.FP32,
    cpu: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="QEMU's name of the processor. Predictions are for cortex-a76 alone, the cache "
            "sizes too.",
        ),
    ] = "cortex-a76",
    caches: Annotated[
        bool,
        typer.Option("--caches/--no-caches", help="Count misses of caches, which takes longer."),
    ] = True,
    by_operator: Annotated[
        bool,
        typer.Option("--by-operator", help="Print a row for each operator instead of each model."),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=within("--jobs", 1, MOST_CORES),
            help="Models counted at a time. Default: as many as there are cores.",
        ),
    ] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Results folder, where cost.csv goes."),
    ] = Path("results"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Count again what OUT already has counts of.")
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS",
            help="Fit predictions to your own phone: the results folder of a bench on it. Models "
            "are those of the folder, and keep their counts in OUT.",
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Predict with this calibration; with --calibrate, the name to keep the new one "
            "by. Default: snapdragon-855-paper, fitted to the paper's Table 5.",
        ),
    ] = None,
    classes: ClassesOption = None,
    input_shape: InputShapeOption = None,
    inputs: InputsOption = None,
    output_format: TextFormatOption = TextFormat.TABLE,
) -> None:
    """Count a model's ARM instructions on an emulated Cortex-A76: exact, without a phone.

    Exports first what is missing or out of date. Counts are the same on every machine and under
    any load; outputs are compared with the reference. Each model is added to OUT/costs.jsonl as it
    is counted, and OUT/cost.csv has a row for each. predicted_ms is a prediction, never measured.
    Needs `asymm-deploy emulator setup` once.

    \b
      asymm-deploy cost asymmnet_small_035 --by-operator
      asymm-deploy cost --table 5
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.commands.counting.cost_steps import CostRequest, run_calibration, run_cost

    if calibrate is not None and (models or table is not None):
        raise UsageError(
            "--calibrate takes the models that its RESULTS have, and others are named",
            "leave out the models, or --calibrate",
        )
    meaningless = given_options(ctx, "by_operator", "classes", "input_shape", "inputs")
    if calibrate is not None and meaningless:
        raise UsageError(
            f"{meaningless[0]} is not for --calibrate: it fits models that a bench measured",
            "leave it out",
        )
    chosen, bare = (
        ([], [])
        if calibrate is not None
        else named_models_and_files(models, table, input_shape, inputs, classes, done="counted")
    )
    request = CostRequest(
        sources=[each.source for each in chosen],
        samples={each.source.model: each.samples for each in chosen if each.samples is not None},
        bare_files=bare,
        precision=precision.value,
        cpu=cpu.strip(),
        caches=caches,
        by_operator=by_operator,
        jobs=jobs,
        artifacts=artifacts,
        out=out,
        fresh=fresh,
        calibration=calibration,
        output_format=FORMATS[output_format],
    )
    if calibrate is not None:
        raise typer.Exit(run_calibration(request, calibrate))
    raise typer.Exit(run_cost(request))
