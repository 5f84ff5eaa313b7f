"""One model, or a variant, to its files, every step proven; runs in a worker process."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asymm_deploy.errors import ConversionError, NumericsError, UsageError
from asymm_deploy.export import freshness, manifest
from asymm_deploy.export.inputs import recorded_bytes
from asymm_deploy.export.manifest import Manifest, OutputLimit
from asymm_deploy.export.probing.chosen import proven_in_words
from asymm_deploy.export.proof.limits import output_limits, settled_otherwise
from asymm_deploy.export.proof.reference import require_spread
from asymm_deploy.export.proof.stage import StageProof
from asymm_deploy.export.quantize.make_variant import make_variant
from asymm_deploy.export.quantize.variant_request import VariantRequest
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.steps.conversion import (
    Converted,
    convert_graph,
    first_as_timed,
    prove_graph,
)
from asymm_deploy.export.steps.start import Start, start_from_file, start_from_module
from asymm_deploy.export.weights.hub_name import HubFile
from asymm_deploy.files import sha256_of, write_whole
from asymm_deploy.models.cost import least_multiplications
from asymm_deploy.models.source import OnnxFile, own_classes

if TYPE_CHECKING:
    import onnx

_LEAST_FREE_BYTES = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def export_model(request: ExportRequest, work: Path, notes: list[str]) -> Manifest:
    """Make, prove and write the files of ``request``; return their manifest.

    ``work`` is a scratch folder on the same file system as the artifacts; remarks for the user are
    appended to ``notes``. Raises UsageError (unreadable definition or weights, full disk),
    ConversionError (a step failed) or NumericsError (a step's outputs differ). In that case no
    file of the model has been touched.
    """
    try:
        with tempfile.TemporaryDirectory(dir=work) as name:
            try:
                if isinstance(request, VariantRequest):
                    return make_variant(request, Path(name), notes)
                return _export(request, Path(name), notes)
            except (ConversionError, NumericsError) as error:
                # Converters hide that the disk is full, or cut their file short and say nothing.
                if shutil.disk_usage(name).free < _LEAST_FREE_BYTES:
                    raise _no_room(request, "no space left on device") from error
                if (reason := _full(error)) is not None:
                    raise _no_room(request, reason) from error
                raise
    except OSError as error:
        if error.errno not in (*_FULL, errno.EROFS, errno.EACCES):
            raise
        raise _no_room(request, str(error.strerror)) from error


def _export(request: ExportRequest, scratch: Path, notes: list[str]) -> Manifest:
    """Do the steps in their order; each is proven before the next begins."""
    request = request.as_files_are_now()
    fingerprint = request.fingerprint()  # first: what changes while we work is another export
    if isinstance(request.source, OnnxFile):
        start = start_from_file(request, request.source)
    else:
        start = start_from_module(request, scratch, notes)
    notes += [*start.notes, *require_spread(start.reference, start.model)]
    start, onnx_stage = prove_graph(request, start, scratch)
    start, made = convert_graph(request, start, scratch)
    reference = start.reference
    notes += reference.notes
    notes += [*made.notes, *onnx_stage.remarks, *made.simplified.remarks, *made.mnn.remarks]

    limits = output_limits(reference, made.mnn, lambda: first_as_timed(made, reference, scratch))
    outputs: dict[str, Any] = {f"output_{i}": a for i, a in enumerate(reference.results[0])}
    own = settled_otherwise(reference, limits, made.mnn_outputs)
    outputs |= {f"mnn_{i}": a for i, a in own.items()}
    np.savez(scratch / manifest.REFERENCE, allow_pickle=False, **outputs)
    (scratch / manifest.INPUTS).write_bytes(
        recorded_bytes([reference.samples[0][spec.name] for spec in made.inputs])
    )
    uncounted = reference.complexity.uncounted
    if uncounted:
        notes.append("multiply-adds are not counted for: " + ", ".join(uncounted))
    notes.append(proven_in_words([p for p in reference.proven if p.name not in made.unused]))
    told = _manifest(request, fingerprint, start, made, onnx_stage, limits, scratch)
    _publish(told, scratch, request.folder, keep_exported=request.keep_exported)
    return told


def _manifest(
    request: ExportRequest,
    fingerprint: str,
    start: Start,
    made: Converted,
    onnx_stage: StageProof,
    limits: tuple[OutputLimit, ...],
    scratch: Path,
) -> Manifest:
    """Return the manifest of the files in ``scratch``."""
    reference, complexity = start.reference, start.reference.complexity
    return Manifest(
        schema_version=manifest.MANIFEST_SCHEMA_VERSION,
        model=request.source.model,
        source=request.text,
        input_shape=made.inputs[0].shape if made.inputs else (),
        inputs=made.inputs,
        outputs=reference.outputs,
        opset=_opset(made.graph),
        madds=complexity.madds,
        madds_m=round(complexity.madds / 1e6, 3),
        floor_madds=least_multiplications(complexity),
        params=complexity.params,
        params_m=round(complexity.params / 1e6, 4),
        uncounted=complexity.uncounted,
        weights=reference.weights,
        seed=request.seed if request.uses_seed else None,
        weights_path=str(request.weights) if request.weights else None,
        weights_sha256=request.weights_sha256,
        weights_revision=request.weights.commit if isinstance(request.weights, HubFile) else None,
        statistics_set=reference.statistics_set,
        reference=reference.name,
        spread=reference.spread,
        output_limits=limits,
        stages=manifest.Stages(
            onnx=onnx_stage.report, simplified=made.simplified.report, mnn=made.mnn.report
        ),
        proven_inputs=tuple(p for p in reference.proven if p.name not in made.unused),
        unused_inputs=made.unused,
        api=made.api,
        given_shapes=tuple(shape.text for shape in request.given_shapes),
        samples_path=str(request.samples) if request.samples else None,
        samples_sha256=request.samples_sha256,
        given_tolerance=request.tolerance,
        given_classes=own_classes(request.source),
        given_opset=request.opset,
        weights_key=request.weights_key,
        strip_prefix=request.strip_prefix,
        files={name: sha256_of(scratch / name) for name in manifest.EXPORT_FILES},
        tools=freshness.tool_versions(),
        fingerprint=fingerprint,
        sources=start.dependencies.files,
        relative_sources=start.dependencies.relative,
        absent_sources=start.dependencies.absent,
        modules=start.dependencies.modules,
        folders=start.dependencies.folders,
        environment=start.dependencies.environment,
    )


def _opset(model: onnx.ModelProto) -> int:
    return max(
        int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")
    )


def _publish(made: Manifest, scratch: Path, folder: Path, *, keep_exported: bool) -> None:
    """Move the files to their place one by one, the manifest last: it vouches for the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in manifest.EXPORT_FILES:
        (scratch / name).replace(folder / name)
    exported = scratch / manifest.EXPORTED  # there is none where the definition is a file
    if keep_exported and exported.exists():
        write_whole(folder / manifest.EXPORTED, exported.read_bytes())
    manifest.save_manifest(made, folder)


def _full(error: BaseException | None) -> str | None:
    """Return the system's words if an error comes of a file that found no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error.strerror
        error = error.__cause__ or error.__context__
    return None


def _no_room(request: ExportRequest, reason: str) -> UsageError:
    return UsageError(
        f"can't write the files of {request.source.model} to {request.out}: {reason}",
        "free some space or give another folder with --out; what was there is untouched",
    )
