"""The request of an export that somebody made: what a later command leaves open is as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest
from asymm_deploy.export.manifest import DamagedManifestError, Manifest
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.weights.hub_name import recorded_weights
from asymm_deploy.models.input_shape import InputShape, parse_input_shapes
from asymm_deploy.models.source import (
    NamedNetwork,
    OnnxFile,
    Source,
    own_classes,
    require_shapes,
    with_input_shapes,
    with_recorded_classes,
)


def as_recorded(source: Source, out: Path, samples: Path | None = None) -> ExportRequest:
    """Return the request that made the export in ``out``, or the default one if there is none.

    With it, ``bench`` times what somebody exported, from those weights and on those inputs, and
    exports it again if a tool has changed since. Shapes and samples that are given here count
    before recorded ones. Raises UsageError if the manifest can't be read, since nobody knows then
    which weights were used, and where nothing tells the shapes of a callable's inputs.
    """
    request = ExportRequest(source, out, samples=samples)
    try:
        found = manifest.load_manifest(request.folder)
        request = _restored(request, found)
    except FileNotFoundError:
        pass
    except (OSError, DamagedManifestError) as error:
        unread = f"can't be read: {error.strerror}" if isinstance(error, OSError) else None
        weights = (
            "" if isinstance(request.source, OnnxFile) else ", with its --weights if it has any"
        )
        raise UsageError(
            f"{request.folder / manifest.MANIFEST_NAME} {unread or f'is damaged: {error}'}",
            f"export the model again{weights}: {request.again('--force')}",
        ) from error
    require_shapes(request.source, request.samples)
    return request


def _restored(request: ExportRequest, found: Manifest) -> ExportRequest:
    """Return ``request`` with all that it leaves open as it was for the export ``found``."""
    request = replace(
        request,
        weights=recorded_weights(found.weights_path, found.weights_revision),
        weights_sha256=found.weights_sha256,
        seed=found.seed or 0,
        weights_key=found.weights_key,
        strip_prefix=found.strip_prefix,
    )
    if not _is_source_of(found, request):  # another file of that name
        return request
    request = replace(
        request,
        source=with_recorded_classes(request.source, found.given_classes, request.folder),
        tolerance=found.given_tolerance,
        opset=found.given_opset,
    )
    try:
        shapes = parse_input_shapes(found.given_shapes)
    except UsageError as error:
        raise DamagedManifestError(error.what) from error
    given = request.given_shapes
    if not given and shapes and _keeps_resolution(request.source, shapes, found):
        request = replace(request, source=with_input_shapes(request.source, shapes))
    if request.samples is None and found.samples_path is not None and _fit(request, found):
        request = replace(
            request, samples=Path(found.samples_path), samples_sha256=found.samples_sha256
        )
    return request


def _is_source_of(found: Manifest, request: ExportRequest) -> bool:
    if isinstance(request.source, OnnxFile):
        return Path(found.source).absolute() == request.source.path.absolute()
    return found.source == request.text


def _keeps_resolution(source: Source, shapes: Sequence[InputShape], found: Manifest) -> bool:
    """Whether ``shapes`` are of the source as it is named: a network has a resolution of its own.

    ``bench --table 5`` times the paper's, whatever was exported. With other classes it isn't that.
    """
    if not isinstance(source, NamedNetwork) or shapes[0].shape == source.spec.input_shape:
        return True
    return found.given_classes is not None and found.given_classes == own_classes(source)


def _fit(request: ExportRequest, found: Manifest) -> bool:
    """Whether the recorded samples are of the shapes that ``request`` asks for."""
    if isinstance(request.source, NamedNetwork):
        return request.source.spec.input_shape == found.input_shape
    recorded = {spec.name: spec.shape for spec in found.inputs}
    return all(
        shape.shape == recorded.get(shape.name, shape.shape)
        if shape.name is not None
        else shape.shape in recorded.values()
        for shape in request.given_shapes
    )
