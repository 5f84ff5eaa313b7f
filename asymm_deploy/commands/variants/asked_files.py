"""Which variants are compared, and their files: made if they are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from asymm_deploy.bench.records import Precision
from asymm_deploy.commands import console
from asymm_deploy.commands.evaluating.asked_variants import chosen_variant_names
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.commands.options.variant_options import int8_images
from asymm_deploy.errors import ExitCode
from asymm_deploy.evaluate.lane import BASE_VARIANT
from asymm_deploy.export.manifest import MANIFEST_NAME, MNN
from asymm_deploy.export.quantize.int8_images import USUAL_COUNT
from asymm_deploy.export.quantize.variant import Variant
from asymm_deploy.export.quantize.variant_request import VariantRequest, recorded_request
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.naming.variant_names import VARIANTS, variant_named
from asymm_deploy.models.source import Source, as_variant
from asymm_deploy.report.variants.variant_facts import VariantFile

if TYPE_CHECKING:
    from asymm_deploy.export.jobs import ExportOutcome

HALF_PRECISION = "fp16"
"""The variant that is no file of its own: the export, computed in fp16."""
EVERYTHING = (BASE_VARIANT, HALF_PRECISION, *VARIANTS)
_NO_FP16 = "not measured here: on x86 MNN computes in fp32 where fp16 is asked for"
_WEIGHTS = {"file": "trained", "seed": "untrained"}
_Request: TypeAlias = "ExportRequest | str"
"""What to export, or why that can't be."""


@dataclass(frozen=True, slots=True)
class LearningImages:
    """Where int8 learns its ranges from, if it has to be made."""

    given: Path | None
    """``--calibration``: what is made with other images is made anew."""
    evaluated: Path | None
    """``--images``."""
    preprocess: str | None
    count: int | None
    """``--count``."""

    @property
    def is_given(self) -> bool:
        """Whether the user says which."""
        return self.given is not None or self.count is not None

    @property
    def folder(self) -> Path | None:
        """The folder, None if there is none."""
        return self.given or self.evaluated


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A model with its variants, as far as there are files."""

    source: Source
    files: tuple[VariantFile, ...]
    """The export comes first."""
    codes: tuple[ExitCode, ...] = field(default=())
    """Of variants that could not be made."""

    @property
    def base(self) -> VariantFile:
        """The export, in fp32."""
        return self.files[0]

    @property
    def made(self) -> list[VariantFile]:
        """The variants that there are files of, the export first; fp16 is none of its own."""
        return [
            each for each in self.files if each.missing is None and each.variant != HALF_PRECISION
        ]

    def sources(self, *variants: str) -> list[Source]:
        """Return the sources of those that were made; of all, if none are named."""
        return [
            self.source
            if each.variant == BASE_VARIANT
            else as_variant(self.source, variant_named(each.variant))
            for each in self.made
            if not variants or each.variant in variants
        ]


def compared_variants(texts: Sequence[str]) -> list[str]:
    """Return the variants that ``--variant`` names, fp32 first, all if it names none.

    Raises UsageError for one that there isn't.
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    known = set(chosen_variant_names([name for name in names if name != HALF_PRECISION]))
    known |= {name for name in names if name == HALF_PRECISION}
    return [each for each in EVERYTHING if each in known or each == BASE_VARIANT or not names]


def compared_models(
    sources: Sequence[Source],
    chosen: Sequence[str],
    *,
    fp16: bool,
    learning: LearningImages,
    artifacts: Path,
) -> list[ComparedModel]:
    """Export the models and make their variants, and return what there is of each.

    ``chosen`` are the variants named by the user, none for all; ``fp16``: whether the device has
    such arithmetic. Complains of what could not be made. Raises UsageError for unknown variants.
    """
    names = compared_variants(chosen)
    asked: list[tuple[Source, dict[str, _Request]]] = [
        (source, {name: _request(source, name, learning, artifacts) for name in names})
        for source in sources
    ]
    requests = {
        each.folder: each
        for _, found in asked
        for each in found.values()
        if not isinstance(each, str)
    }
    outcomes = {each.request.folder: each for each in export_with_progress(list(requests.values()))}
    for outcome in outcomes.values():
        if outcome.failure is not None:
            console.complain(outcome.failure.about(outcome.request.text))
    models = []
    for source, found in asked:
        files = [_file(source, name, found[name], outcomes, learning.evaluated) for name in names]
        codes = [
            outcomes[each.folder].exit_code for each in found.values() if not isinstance(each, str)
        ]
        # Who names int8 wants it; among all variants it is only told what it lacks.
        codes += [ExitCode.USAGE for each in found.values() if isinstance(each, str) and chosen]
        told = [
            _without_fp16(each) if each.variant == HALF_PRECISION and not fp16 else each
            for each in files
        ]
        models.append(ComparedModel(source, tuple(told), tuple(codes)))
    return models


def _request(source: Source, name: str, learning: LearningImages, artifacts: Path) -> _Request:
    if name in (BASE_VARIANT, HALF_PRECISION):
        return recorded_request(source, artifacts)
    variant = as_variant(source, variant_named(name))
    found = recorded_request(variant, artifacts)
    if not name.startswith("int8"):
        return found
    is_there = (artifacts / variant.model / MANIFEST_NAME).is_file()
    if learning.folder is None or (is_there and not learning.is_given):
        if is_there:
            return found
        return (
            f"not made: {name} learns its ranges from images (give --images ROOT, or --calibration "
            "FOLDER with training images)"
        )
    count = learning.count or USUAL_COUNT
    recipe = learning.preprocess or "imagenet"
    images = int8_images(learning.folder, count, recipe, None, None, ("int8",))
    assert isinstance(found, VariantRequest)
    return replace(found, calibration=images)


def _file(
    source: Source,
    name: str,
    request: _Request,
    outcomes: dict[Path, ExportOutcome],
    evaluated: Path | None,
) -> VariantFile:
    precision: Precision = "fp16" if name == HALF_PRECISION else "fp32"
    if isinstance(request, str):
        return VariantFile(model=source.model, variant=name, missing=request)
    outcome = outcomes[request.folder]
    made = outcome.manifest
    if outcome.failure is not None or made is None:
        why = "it was not made" if outcome.failure is None else outcome.failure.what
        return VariantFile(model=source.model, variant=name, precision=precision, missing=why)
    return VariantFile(
        model=source.model,
        variant=name,
        precision=precision,
        artifact=made.model,
        sha256=made.files[MNN],
        size=(request.folder / MNN).stat().st_size,
        made=made.variant,
        note=_overlap(made.variant, evaluated),
        weights=_WEIGHTS.get(made.weights, "given"),
    )


def _overlap(made: Variant | None, evaluated: Path | None) -> str | None:
    """Return that int8 knows the images that it is evaluated on, if it does."""
    if made is None or made.images is None or evaluated is None:
        return None
    ours, theirs = Path(made.images.path).resolve(), evaluated.resolve()
    if ours != theirs and ours not in theirs.parents and theirs not in ours.parents:
        return None
    return f"its ranges are from {made.images.count} of the images in the folder that is evaluated"


def _without_fp16(file: VariantFile) -> VariantFile:
    return file if file.missing is not None else replace(file, unmeasured=_NO_FP16)
