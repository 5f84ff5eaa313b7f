"""``asymm-deploy export``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.input_options import (
    ClassesOption,
    InputShapeOption,
    InputsOption,
    named_models,
)
from asymm_deploy.commands.options.shared_options import (
    FigureOption,
    ModelsArgument,
    TableOption,
    print_data,
    table_or_figure,
    within,
)
from asymm_deploy.commands.options.variant_options import (
    CountOption,
    ImagesOption,
    KeepFp32Option,
    MeanOption,
    PreprocessOption,
    QuantizeOption,
    SqnrGoalOption,
    StdOption,
    chosen_mixing,
    chosen_variants,
    int8_images,
    with_variants,
)
from asymm_deploy.errors import DeployError, UsageError, worst

if TYPE_CHECKING:
    from asymm_deploy.commands.options.input_options import NamedModel
    from asymm_deploy.export.jobs import ExportOutcome
    from asymm_deploy.export.manifest import Manifest
    from asymm_deploy.export.request import ExportRequest
    from asymm_deploy.text import ListRow

ExportedFolder = Annotated[
    Path,
    typer.Option(
        "--out",
        "--artifacts",
        metavar="FOLDER",
        help="Folder for the exported models, one folder a model; the same folder as "
        "`bench --artifacts`. (`bench --out` is the results folder.)",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Trained weights for a single model: a checkpoint of PyTorch, .safetensors, or "
        "MXNet's .params; or hf://ORG/REPO/FILE[@REVISION], which is fetched from the Hugging Face "
        "hub. Default: random weights.",
    ),
]
WeightsKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Which entry of the --weights file to take, where it holds several sets of weights, "
        "as in --weights-key ema. Default: the one that fits; the export says which it took.",
    ),
]
StripPrefix = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What to cut off where the names in the --weights file begin with it, as in "
        "--strip-prefix backbone. (with the dot). Usual prefixes are found by themselves.",
    ),
]
WeightsSeed = Annotated[
    int,
    typer.Option(
        metavar="N",
        callback=within("--seed", -(2**63), 2**64 - 1, "what torch takes"),
        help="Seed of the random weights; unused with --weights.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Models to export at the same time. Default: one per core.",
        callback=within("--jobs", 1, 1024),
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Export again even if nothing has changed.")]
KeepExported = Annotated[
    bool,
    typer.Option(
        "--keep-exported",
        help="Also keep exported.onnx, the graph as it was before it was simplified.",
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Accept outputs that differ from the reference by up to X of its standard deviation, "
        "as in --tolerance 1e-3. It is recorded, and benches flag it. Default: a limit for each "
        "output, from its own rounding.",
    ),
]
Opset = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="ONNX opset of the exported graph, from 9 to 20, for an operator that needs another. "
        "Default: 17.",
        # Below 9 the exporter doesn't fold constants, and ONNX Runtime lacks operators. It was made
        # for 20 at most; MNN reads all of them.
        callback=within("--opset", 9, 20),
    ),
]


def export_command(
    models: ModelsArgument = None,
    table: TableOption = None,
    figure: FigureOption = None,
    out: ExportedFolder = Path("artifacts"),
    weights: Weights = None,
    weights_key: WeightsKey = None,
    strip_prefix: StripPrefix = None,
    seed: WeightsSeed = 0,
    jobs: Jobs = None,
    force: Force = False,
    keep_exported: KeepExported = False,
    classes: ClassesOption = None,
    input_shape: InputShapeOption = None,
    inputs: InputsOption = None,
    tolerance: Tolerance = None,
    opset: Opset = None,
    quantize: QuantizeOption = None,
    images: ImagesOption = None,
    count: CountOption = None,
    preprocess: PreprocessOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    keep_fp32: KeepFp32Option = None,
    sqnr_goal: SqnrGoalOption = None,
) -> None:
    """Export models to ONNX and MNN, and prove each step equal to the PyTorch module.

    Writes model.onnx, model.mnn, reference.npz and manifest.json to OUT/MODEL/, and to
    OUT/MODEL@VARIANT/ for each variant. What has not changed since its last export is left alone.

    \b
      asymm-deploy export asymmnet_small_035
      asymm-deploy export my_package.nets:make_net --input-shape 1,3,224,224
      asymm-deploy export text.onnx --input-shape ids=1,128:int64:0..29999
      asymm-deploy export asymmnet_small_035 --quantize half,w8,w4
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.export.reading.recorded_request import as_recorded
    from asymm_deploy.export.request import ExportRequest
    from asymm_deploy.export.weights.hub_name import parsed_weights
    from asymm_deploy.export.weights.hub_request import with_weights_here
    from asymm_deploy.models.source import as_variant, require_shapes
    from asymm_deploy.signals import ending_like_ctrl_c

    named = named_models(models, table_or_figure(table, figure), input_shape, inputs, classes)
    variants = chosen_variants(quantize or ())
    sources = {as_variant(each.source, None) for each in named}
    if weights is not None and len(sources) != 1:
        raise UsageError(
            f"--weights is for one model, and {len(sources)} are named", "export them one by one"
        )
    file = None if weights is None else parsed_weights(weights)
    says_how = seed != 0 or any(
        each is not None for each in (weights, weights_key, strip_prefix, tolerance, opset)
    )

    def request(each: NamedModel) -> ExportRequest:
        if (variants or each.source.variant) and not says_how:
            # A variant is of the export that is there, and asks for no other.
            there = as_recorded(as_variant(each.source, None), out, each.samples)
            return replace(there, keep_exported=keep_exported)
        require_shapes(each.source, each.samples)
        return ExportRequest(
            as_variant(each.source, None),
            out,
            file,
            seed,
            keep_exported=keep_exported,
            samples=each.samples,
            tolerance=tolerance,
            opset=opset,
            weights_key=weights_key,
            strip_prefix=strip_prefix,
        )

    with ending_like_ctrl_c():
        given = [
            (with_weights_here(request(each), console.say, force=force), each.source.variant)
            for each in named
        ]
    for asked, _ in given:
        _tell_of_other_classes(asked)
    wanted = (*variants, *(variant for _, variant in given if variant is not None))
    calibration = int8_images(images, count, preprocess, mean, std, wanted)
    mixing = chosen_mixing(keep_fp32, sqnr_goal, wanted)
    if calibration is None and keep_fp32 is None and sqnr_goal is None:
        mixing = None  # as the variant that is there: of the same images, in the same way
    requests = with_variants(given, variants, calibration, mixing)
    outcomes = export_with_progress(requests, jobs, force=force)
    told: list[DeployError] = []
    for outcome in outcomes:
        failure = outcome.failure
        # Variants of what can't be exported fail with it, all of one failure.
        if failure is not None and not any(failure is each for each in told):
            console.complain(failure.about(outcome.request.text))
            told.append(failure)
    print_data(_summary(outcomes))
    raise typer.Exit(worst([outcome.exit_code for outcome in outcomes]))


def _tell_of_other_classes(request: ExportRequest) -> None:
    """Say so if the export that is there has other classes: it may have been trained for them."""
    from asymm_deploy.export.manifest import DamagedManifestError, load_manifest
    from asymm_deploy.models.source import NamedNetwork, own_classes

    source = request.source
    if not isinstance(source, NamedNetwork) or source.spec.told_apart is None:
        return
    try:
        found = load_manifest(request.folder).given_classes
    except (OSError, DamagedManifestError):
        return
    if found is not None and found != own_classes(source):
        console.say(
            f"{request.folder} was exported with {found} classes; this export of "
            f"{source.model} has {source.spec.told_apart} (--classes {found} keeps them)"
        )


def export_with_progress(
    requests: Sequence[ExportRequest], jobs: int | None = None, *, force: bool = False
) -> list[ExportOutcome]:
    """Export what is missing or stale, with a progress bar; failures are in the outcomes."""
    from asymm_deploy.export.jobs import cores, export_all
    from asymm_deploy.signals import ending_like_ctrl_c

    with console.progress("exporting", len(requests)) as advance, ending_like_ctrl_c():

        def tell(outcome: ExportOutcome) -> None:
            for note in outcome.notes:
                console.say(f"{outcome.request.text}: {note}")
            advance(outcome.request.text)

        return export_all(
            requests,
            jobs=jobs or cores(),
            force=force,
            on_outcome=tell,
            on_wait=lambda out: console.say(f"waiting for another export to {out} to end"),
        )


def _summary(outcomes: Sequence[ExportOutcome]) -> str:
    from asymm_deploy.text import formatted

    any_variant = any(each.request.source.variant for each in outcomes)
    rows: list[ListRow] = []
    for outcome in outcomes:
        made = outcome.manifest
        row: dict[str, str | int] = {
            "model": outcome.request.source.model,
            "status": outcome.status,
            "madds_m": f"{made.madds_m:.1f}" if made else "",
            "params_m": f"{made.params_m:.2f}" if made else "",
            "spread": f"{made.spread:.2f}" if made else "",
            "onnx_error": f"{made.stages.onnx.relative_error:.1e}" if made else "",
            "simplified_error": f"{made.stages.simplified.relative_error:.1e}" if made else "",
            "mnn_error": f"{made.stages.mnn.relative_error:.1e}" if made else "",
        }
        rows.append({**row, **_of_variant(made)} if any_variant else row)
    return formatted(rows, "table")


def _of_variant(made: Manifest | None) -> ListRow:
    """Return the columns of a list with variants in it; an export has them empty."""
    variant = None if made is None else made.variant
    if variant is None:
        return {"size": "", "sqnr_db": ""}
    sqnr = "" if variant.sqnr_db is None else f"{variant.sqnr_db:.1f}"
    return {"size": f"{variant.mnn_bytes / variant.of_mnn_bytes:.0%}", "sqnr_db": sqnr}
