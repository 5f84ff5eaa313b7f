"""The options that say which variants to make, and of what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy.commands.options.shared_options import within
from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    from asymm_deploy.export.quantize.int8_images import Int8Images
    from asymm_deploy.export.quantize.variant import Mixing
    from asymm_deploy.export.request import ExportRequest
    from asymm_deploy.models.naming.variant_names import VariantName

_OF_IMAGES = frozenset({"int8", "int8-mixed"})

QuantizeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--quantize",
        metavar="VARIANT",
        help="Also make variants of each model, artifacts of their own that every command takes as "
        "MODEL@VARIANT: half keeps the weights in 16 bits, w8 in 8, w4 in 4; int8 computes in 8 "
        "bits as well, and needs --images; int8-mixed leaves in fp32 what loses most. Repeat the "
        "option, or separate them by commas: "
        "--quantize half,w8.",
    ),
]


ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="FOLDER",
        help="For --quantize int8: images such as the model gets in use, in any folders below this "
        "one; the ranges of its 8 bits are taken from them.",
    ),
]
CountOption = Annotated[
    int | None,
    typer.Option(
        "--count",
        metavar="N",
        callback=within("--count", 1, 1024),
        help="For --quantize int8: how many of the images to take, drawn by a fixed seed. "
        "Default: 64.",
    ),
]
MeanOption = Annotated[
    str | None,
    typer.Option(
        "--mean",
        metavar="R,G,B",
        help="For --quantize int8, with --std: the values from 0 to 255 become (value - mean) / "
        "std, in place of --preprocess.",
    ),
]
StdOption = Annotated[str | None, typer.Option("--std", metavar="R,G,B", help="See --mean.")]
PreprocessOption = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="NAME",
        help="For --quantize int8: how an image becomes an input, `imagenet` (the authors') or a "
        "JSON file, as for `evaluate`. Default: imagenet.",
    ),
]


def int8_images(
    images: Path | None,
    count: int | None,
    preprocess: str | None,
    mean: str | None,
    std: str | None,
    variants: Sequence[VariantName],
) -> Int8Images | None:
    """Return the images that ``int8`` is made with; None where none are given.

    Raises UsageError for options that are given for nothing, or that exclude each other.
    """
    from asymm_deploy.export.quantize.int8_images import USUAL_COUNT, Int8Images
    from asymm_deploy.images.image_files import image_files, listing_sha256
    from asymm_deploy.images.preprocessing import Preprocessing, preprocessing_of

    options = {"count": count, "preprocess": preprocess, "mean": mean, "std": std}
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if not _OF_IMAGES & set(variants):
        for option in (["--images"] if images is not None else []) + given:
            raise UsageError(
                f"{option} is for int8, and no int8 is to be made",
                f"give --quantize int8 as well, or leave out {option}",
            )
        return None
    if images is None:
        for option in given:
            raise UsageError(
                f"{option} is for the images that int8 is made with, and none are given",
                f"give --images FOLDER as well, or leave out {option}",
            )
        return None
    if (mean is None) != (std is None):
        raise UsageError("--mean and --std belong together", "give both, or leave out both")
    if mean is not None and preprocess is not None:
        raise UsageError(
            "--mean and --std exclude --preprocess, which has a mean and a deviation of its own",
            "give the two, or the one",
        )
    recipe = preprocessing_of("imagenet" if preprocess is None else preprocess)
    if mean is not None and std is not None:
        try:
            recipe = Preprocessing(_three("--mean", mean), _three("--std", std))
        except ValueError as error:
            raise UsageError(f"--mean {mean} --std {std}: {error}", "see --help") from error
    listing = listing_sha256(image_files(images))
    return Int8Images(images, USUAL_COUNT if count is None else count, recipe, listing)


def _three(option: str, text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = map(float, text.split(","))
    except ValueError as error:
        raise UsageError(
            f"{option} {text} is not three numbers", f"write it as {option} 123.7,116.8,103.9"
        ) from error
    return red, green, blue


KeepFp32Option = Annotated[
    int | None,
    typer.Option(
        "--keep-fp32",
        metavar="N",
        callback=within("--keep-fp32", 0, 100_000),
        help="For --quantize int8-mixed: leave the N operators in fp32 that lose most in int8.",
    ),
]
SqnrGoalOption = Annotated[
    float | None,
    typer.Option(
        "--sqnr-goal",
        metavar="DB",
        callback=within("--sqnr-goal", 1.0, 120.0),
        help="For --quantize int8-mixed: leave as many operators in fp32 as it takes for outputs "
        "DB above their error. Default: 35.",
    ),
]


def chosen_mixing(
    keep_fp32: int | None, goal_db: float | None, variants: Sequence[VariantName]
) -> Mixing | None:
    """Return how ``int8-mixed`` is to be mixed; None where it isn't among ``variants``.

    Raises UsageError for options that exclude each other, or are given for nothing.
    """
    from asymm_deploy.export.quantize.variant import DEFAULT_GOAL_DB, Mixing

    if keep_fp32 is not None and goal_db is not None:
        raise UsageError("--keep-fp32 and --sqnr-goal exclude each other", "give one of them")
    if "int8-mixed" not in variants:
        if (keep_fp32, goal_db) != (None, None):
            raise UsageError(
                "--keep-fp32 and --sqnr-goal are for int8-mixed, and none is to be made",
                "give --quantize int8-mixed as well, or leave them out",
            )
        return None
    return Mixing(in_fp32=keep_fp32, goal_db=DEFAULT_GOAL_DB if goal_db is None else goal_db)


def chosen_variants(texts: Sequence[str]) -> tuple[VariantName, ...]:
    """Return the variants that ``--quantize`` names, once each; raise UsageError for others."""
    from asymm_deploy.models.naming.variant_names import variant_named

    names = [name.strip() for text in texts for name in text.split(",")]
    return tuple(dict.fromkeys(variant_named(name) for name in names))


def with_variants(
    asked: Sequence[tuple[ExportRequest, VariantName | None]],
    variants: Sequence[VariantName],
    images: Int8Images | None,
    mixing: Mixing | None,
) -> list[ExportRequest]:
    """Return all that is to be made: each export or variant named, and ``variants`` of each model.

    Each export comes with the variant of it that was named; None stands for the export itself.
    ``images`` are for ``int8`` and ``int8-mixed``, ``mixing`` for the latter. Without them those
    are made as the ones that are there; raises UsageError if there are none.
    """
    from asymm_deploy.export.quantize.variant_request import variant_of

    requests: dict[str, ExportRequest] = {}
    for base, named in asked:
        for variant in (named, *variants):
            made = (
                base
                if variant is None
                else variant_of(base, variant, images if variant in _OF_IMAGES else None, mixing)
            )
            if variant in _OF_IMAGES:
                _require_images(made)
            requests.setdefault(made.source.model, made)
    return list(requests.values())


def _require_images(request: ExportRequest) -> None:
    from asymm_deploy.export.quantize.variant_request import VariantRequest

    assert isinstance(request, VariantRequest)
    if request.calibration is None and request.recorded_calibration() is None:
        raise UsageError(
            f"{request.variant} needs images, from which its ranges are taken",
            "give a folder with --images FOLDER; half, w8 and w4 need none",
        )
