"""A request for a variant of an export: what it is made of, and whether it is there already."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.export import freshness, manifest
from asymm_deploy.export.manifest import DamagedManifestError, Manifest
from asymm_deploy.export.quantize.int8_images import Int8Images
from asymm_deploy.export.quantize.variant import Mixing, Variant
from asymm_deploy.export.reading.recorded_request import as_recorded
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.naming.variant_names import VariantName
from asymm_deploy.models.source import Source, as_variant


@dataclass(frozen=True)
class VariantRequest(ExportRequest):
    """One variant to make of a model; all else is of the export that it is made of."""

    calibration: Int8Images | None = None
    """The images for ``int8``; None: those of the variant that is there."""
    mixing: Mixing | None = None
    """For ``int8-mixed``; None: as the variant that is there, or the default."""

    @property
    def variant(self) -> VariantName:
        """Which one."""
        assert self.source.variant is not None
        return self.source.variant

    @property
    def base(self) -> ExportRequest:
        """The request for the fp32 files."""
        given = {each.name: getattr(self, each.name) for each in fields(ExportRequest)}
        return ExportRequest(**(given | {"source": as_variant(self.source, None)}))

    def fingerprint(self) -> str:
        """Return one hash of everything that the variant depends on; its export must be there.

        Raises UsageError if that can't be read.
        """
        base = self.base_manifest()
        used = self.calibration or self.recorded_calibration()
        return freshness.fingerprint(
            {
                "variant": self.variant,
                "files": base.files,
                "of": base.fingerprint,
                "images": None if used is None else used.key(),
                "mixing": self.wanted_mixing().key() if self.variant == "int8-mixed" else None,
            }
        )

    def wanted_mixing(self) -> Mixing:
        """Return how ``int8-mixed`` is to be mixed."""
        if self.mixing is not None:
            return self.mixing
        found = self._recorded()
        return Mixing() if found is None or found.mixed is None else found.mixed.wanted

    def base_manifest(self) -> Manifest:
        """Return the manifest of the fp32 files; raise UsageError if it can't be read."""
        folder = self.base.folder
        try:
            return manifest.load_manifest(folder)
        except (OSError, DamagedManifestError) as error:
            raise UsageError(
                f"can't read {folder / manifest.MANIFEST_NAME}: {error}",
                f"export the model again: {self.base.again('--force')}",
            ) from error

    def recorded_calibration(self) -> Int8Images | None:
        """Return the images that the variant in the folder was made with, if there are any."""
        found = self._recorded()
        images = None if found is None else found.images
        return None if images is None else Int8Images.recorded(images)

    def _recorded(self) -> Variant | None:
        try:
            return manifest.load_manifest(self.folder).variant
        except (OSError, DamagedManifestError):
            return None

    def fresh_manifest(self) -> Manifest | None:
        """Return the variant's manifest if its files are whole and what this request would make.

        Raises UsageError as an export's does.
        """
        wanted = self.fingerprint()
        found = manifest.manifest_there(self.folder)
        if found is None or found.variant is None or found.fingerprint != wanted:
            return None
        return None if manifest.damaged_files(found, self.folder) else found


def variant_of(
    base: ExportRequest,
    variant: VariantName,
    calibration: Int8Images | None = None,
    mixing: Mixing | None = None,
) -> VariantRequest:
    """Return the request for a variant of what ``base`` exports.

    ``calibration``: the images for ``int8`` and ``int8-mixed``; ``mixing``: for the latter.
    """
    given = {each.name: getattr(base, each.name) for each in fields(ExportRequest)}
    given["source"] = as_variant(base.source, variant)
    return VariantRequest(**given, calibration=calibration, mixing=mixing)


def recorded_request(source: Source, out: Path, samples: Path | None = None) -> ExportRequest:
    """Return the request that made the export in ``out``, or the default one if there is none.

    Of a variant, the one for the variant of what was exported. Raises UsageError as ``as_recorded``
    does.
    """
    base = as_recorded(as_variant(source, None), out, samples)
    return base if source.variant is None else variant_of(base, source.variant)
