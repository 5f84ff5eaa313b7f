"""Which variants of which models are evaluated: those named, or every one that was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.lane import BASE_VARIANT
from asymm_deploy.export.manifest import MANIFEST_NAME
from asymm_deploy.export.quantize.variant_request import recorded_request
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.naming.variant_names import VARIANTS, VariantName, variant_named
from asymm_deploy.models.source import Source, as_variant


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model with those of its variants that are to be evaluated."""

    base: ExportRequest
    variants: dict[str, ExportRequest]
    """By name; ``fp32`` is the export itself."""

    @property
    def requests(self) -> list[ExportRequest]:
        """All that has to be there: the export too, which the variants are compared with."""
        return [self.base, *(each for each in self.variants.values() if each is not self.base)]


def chosen_variant_names(texts: Sequence[str]) -> list[str]:
    """Return the variants that ``--variant`` names, once each; raise UsageError for others."""
    names = [name.strip() for text in texts for name in text.split(",")]
    if "fp16" in names:
        raise UsageError(
            "fp16 is no variant: it is how the engine computes, whatever the file",
            "give --precision fp16; or --variant half, which keeps the weights in 16 bits",
        )
    return list(
        dict.fromkeys(name if name == BASE_VARIANT else variant_named(name) for name in names)
    )


def asked_models(
    sources: Sequence[Source], chosen: Sequence[str], artifacts: Path
) -> list[AskedModel]:
    """Return the models that ``sources`` name, each once, with the variants asked for.

    A model without ``@`` has those ``chosen``, or if there are none itself and every variant that
    was made. Raises UsageError where both are given, and as ``recorded_request`` does.
    """
    found: dict[Source, AskedModel] = {}
    for source in sources:
        plain = as_variant(source, None)
        if source.variant is not None and chosen:
            raise UsageError(
                f"{source.model} names a variant, and --variant names others",
                f"leave out --variant, or give {plain.model}",
            )
        if plain not in found:
            found[plain] = AskedModel(recorded_request(plain, artifacts), {})
        model = found[plain]
        names: Sequence[str] = chosen or [
            BASE_VARIANT,
            *(name for name in VARIANTS if _is_made(plain, name, artifacts)),
        ]
        for name in [source.variant] if source.variant is not None else names:
            model.variants[name] = (
                model.base
                if name == BASE_VARIANT
                else recorded_request(as_variant(source, variant_named(name)), artifacts)
            )
    return list(found.values())


def _is_made(source: Source, variant: VariantName, artifacts: Path) -> bool:
    return (artifacts / as_variant(source, variant).model / MANIFEST_NAME).is_file()
