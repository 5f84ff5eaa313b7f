"""The options that say which variants to make, and of what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asymm_deploy.export.request import ExportRequest
    from asymm_deploy.models.naming.variant_names import VariantName

QuantizeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--quantize",
        metavar="VARIANT",
        help="Also make variants of each model, artifacts of their own that every command takes as "
        "MODEL@VARIANT: half keeps the weights in 16 bits, w8 in 8, w4 in 4; int8 computes in 8 "
        "bits as well, and needs --images. Repeat the option, or separate them by commas: "
        "--quantize half,w8.",
    ),
]


def chosen_variants(texts: Sequence[str]) -> tuple[VariantName, ...]:
    """Return the variants that ``--quantize`` names, once each; raise UsageError for others."""
    from asymm_deploy.models.naming.variant_names import variant_named

    names = [name.strip() for text in texts for name in text.split(",")]
    return tuple(dict.fromkeys(variant_named(name) for name in names))


def with_variants(
    asked: Sequence[tuple[ExportRequest, VariantName | None]], variants: Sequence[VariantName]
) -> list[ExportRequest]:
    """Return all that is to be made: each export or variant named, and ``variants`` of each model.

    Each export comes with the variant of it that was named; None stands for the export itself.
    """
    from asymm_deploy.export.quantize.variant_request import variant_of

    requests: dict[str, ExportRequest] = {}
    for base, named in asked:
        for variant in (named, *variants):
            made = base if variant is None else variant_of(base, variant)
            requests.setdefault(made.source.model, made)
    return list(requests.values())
