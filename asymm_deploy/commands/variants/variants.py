"""``asymm-deploy variants``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.bounds import MOST_CORES
from asymm_deploy.commands.options.input_options import (
    InputShapeOption,
    classes_count,
    named_models,
)
from asymm_deploy.commands.options.shared_options import (
    ArtifactsOption,
    CpuOption,
    DrawnSeedOption,
    LaunchTimeoutOption,
    ModelsArgument,
    RunnerOption,
    TableOption,
    within,
)
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt


class VariantsFormatName(StrEnum):
    """How the table is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"


def variants_command(
    models: ModelsArgument = None,
    table: TableOption = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="ROOT",
            help="Folder with the images to evaluate on, those of a class in a folder of its name: "
            "ROOT/CLASS/*.jpg. Without it the outputs are compared with fp32's.",
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="fp32|fp16|half|w8|w4|int8|int8-mixed",
            help="Which variants. fp16 is the export's file, computed in fp16. Repeat the option, "
            "or separate them by commas. Default: all. fp32 is always there.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="host|auto|SERIAL|HOST:PORT|a76",
            help="Where variants are timed and evaluated. host is this machine; auto is the one "
            "phone that is attached; a76 is the emulated Cortex-A76, which counts instructions and "
            "has no latency.",
        ),
    ] = "host",
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Images from which int8 learns its ranges: training images, not those of "
            "--images. Default: those of --images, which the table then says.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=within("--count", 1, 1024),
            help="How many of them int8 learns from, drawn by a fixed seed. Default: 64.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="N|FILE",
            help="The model's classes, as `evaluate` takes them: a file with the name of a folder "
            "a line, or a number for a network of the paper that isn't exported yet.",
        ),
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            metavar="imagenet|FILE.json",
            help="How an image becomes the input, as `evaluate` takes it. Default: imagenet.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=within("--limit", 1, 10**9),
            help="Evaluate N of the images, drawn at random by --seed. Default: all, 64 on a76.",
        ),
    ] = None,
    seed: DrawnSeedOption = 0,
    runs: Annotated[
        int, typer.Option(metavar="N", help="Timed runs of each variant, over all launches.")
    ] = 1000,
    launches: Annotated[
        int, typer.Option(metavar="N", help="Launches of each variant, in turns with the others.")
    ] = 10,
    cpu: CpuOption = "auto",
    no_time: Annotated[
        bool, typer.Option("--no-time", help="Leave out latencies, and what they are spent on.")
    ] = False,
    no_cost: Annotated[
        bool, typer.Option("--no-cost", help="Leave out the ARM instructions.")
    ] = False,
    runner: RunnerOption = None,
    launch_timeout: LaunchTimeoutOption = 300.0,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=within("--jobs", 1, MOST_CORES),
            help="Processes that evaluate and count. Default: one for each core.",
        ),
    ] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Results folder, where variants.csv goes."),
    ] = Path("results"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure again what OUT already has.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FLAG",
            help="A flag that does not make a row invalid, as in --allow stolen-time. Repeatable.",
        ),
    ] = None,
    input_shape: InputShapeOption = None,
    output_format: Annotated[
        VariantsFormatName, typer.Option("--format", help="Format of the table.")
    ] = VariantsFormatName.TABLE,
) -> None:
    """Compare a model's variants: size, accuracy, latency, ARM instructions, memory, and why.

    Makes the variants that are missing, evaluates them on images, times them in turns with fp32,
    counts their ARM instructions where the emulator is set up, and explains where their time goes.
    Everything is added to OUT as by `evaluate`, `bench`, `cost` and `explain`, and what is there is
    not measured again: repeat the command after Ctrl-C. OUT/variants.csv has a row for each.

    \b
      asymm-deploy variants asymmnet_large_100 --images imagenet/val --calibration imagenet/train
      asymm-deploy variants asymmnet_large_100 --images imagenet/val --device a76 --limit 64
      asymm-deploy variants net.onnx --variant half,w8
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.commands.options.shared_options import core
    from asymm_deploy.commands.variants.measured_variants import VariantsRequest
    from asymm_deploy.commands.variants.variants_steps import run_variants

    if count is not None and images is None and calibration is None:
        raise UsageError(
            "--count is for images, and there are none", "give --calibration FOLDER, or --images"
        )
    for name, given in (("--limit", limit), ("--preprocess", preprocess)):
        if images is None and given is not None:
            raise UsageError(
                f"{name} is for images, and there are none", "give --images ROOT, or leave it out"
            )
    told_apart = classes_count(classes)
    if images is None and classes is not None and told_apart is None:
        raise UsageError("--classes FILE is for images, and there are none", "give --images ROOT")
    plan = Plan(
        runs=runs,
        launches=launches,
        cpu=core(cpu),
        allow=tuple(allow or ()),
        launch_timeout_s=launch_timeout,
        fresh=fresh,
    )
    bare = next((each for each in models or () if each.lower().endswith(".mnn")), None)
    if bare is not None:
        raise UsageError(
            f"{excerpt(bare)} is taken as it is, and has no variants",
            "name the network, the .onnx file or the callable that it was made from",
        )
    named = named_models(models, table, input_shape, classes=told_apart)
    request = VariantsRequest(
        sources=[each.source for each in named],
        chosen=variant or [],
        images=images,
        calibration=calibration,
        count=count,
        classes=Path(classes) if classes is not None and told_apart is None else None,
        preprocess=preprocess,
        limit=limit,
        seed=seed,
        device=device,
        runner=runner,
        plan=plan,
        times=not no_time,
        counts=not no_cost,
        jobs=jobs,
        artifacts=artifacts,
        out=out,
        output_format=output_format.value,
    )
    raise typer.Exit(run_variants(request))
