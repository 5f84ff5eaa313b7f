"""One model from its definition to its files, every step proven; runs in a worker process."""

from __future__ import annotations

import errno
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asymm_deploy.errors import ConversionError, NumericsError, UsageError
from asymm_deploy.export import freshness, manifest, untrained, weights
from asymm_deploy.export.inputs import recorded_bytes
from asymm_deploy.export.manifest import Manifest, OutputLimit
from asymm_deploy.export.mnn import run_mnn, to_mnn
from asymm_deploy.export.onnx_graph import external_files, load_onnx, run_onnx
from asymm_deploy.export.proof import parity
from asymm_deploy.export.proof.limits import output_limits
from asymm_deploy.export.proof.reference import (
    Reference,
    reference_of_graph,
    reference_of_module,
)
from asymm_deploy.export.proof.stage import prove_stage
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.simplify import simplify
from asymm_deploy.export.torch_to_onnx import to_onnx
from asymm_deploy.files import sha256_of, write_whole
from asymm_deploy.models.cost import least_multiplications
from asymm_deploy.models.source import CallableModule, NamedNetwork, OnnxFile, load_callable

if TYPE_CHECKING:
    import onnx
    import torch

_LEAST_FREE_BYTES = 1 << 20


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
                return _export(request, Path(name), notes)
            except (ConversionError, NumericsError) as error:
                # Converters hide that the disk is full, or cut their file short and say nothing.
                if shutil.disk_usage(name).free < _LEAST_FREE_BYTES:
                    raise _no_room(request, "no space left on device") from error
                raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise _no_room(request, str(error.strerror)) from error


def _export(request: ExportRequest, scratch: Path, notes: list[str]) -> Manifest:
    """Do the steps in their order; each is proven before the next begins."""
    if isinstance(request.source, OnnxFile):
        start = _start_from_file(request.source)
    else:
        start = _start_from_module(request, scratch)
    reference = start.reference
    notes += start.notes
    onnx_stage = prove_stage("onnx", reference, run_onnx(start.file, reference.samples))

    simplified, simplified_file = simplify(start.model, reference.inputs), scratch / manifest.ONNX
    simplified_file.write_bytes(simplified.SerializeToString())
    simplified_results = run_onnx(simplified_file, reference.samples)
    simplified_stage = prove_stage("simplified", reference, simplified_results)

    mnn_file = scratch / manifest.MNN
    to_mnn(simplified_file, mnn_file)
    mnn_results = run_mnn(mnn_file, reference.samples, reference.outputs, scratch)
    mnn_stage = prove_stage("mnn", reference, mnn_results)

    outputs: dict[str, Any] = {f"output_{i}": a for i, a in enumerate(reference.results[0])}
    np.savez(scratch / manifest.REFERENCE, allow_pickle=False, **outputs)
    (scratch / manifest.INPUTS).write_bytes(
        recorded_bytes([reference.samples[0][spec.name] for spec in reference.inputs])
    )
    uncounted = reference.complexity.uncounted
    if uncounted:
        notes.append("multiply-adds are not counted for: " + ", ".join(uncounted))
    limits = output_limits(
        reference, mnn_results, lambda: _first_as_timed(mnn_file, reference, scratch)
    )
    stages = manifest.Stages(onnx=onnx_stage, simplified=simplified_stage, mnn=mnn_stage)
    made = _manifest(request, start, _opset(simplified), limits, stages, scratch)
    _publish(made, scratch, request.folder, keep_exported=request.keep_exported)
    return made


@dataclass(frozen=True)
class _Start:
    """The graph before it is simplified, and what it must be equal to."""

    file: Path
    model: onnx.ModelProto
    reference: Reference
    sources: dict[str, str]
    """Path and SHA-256 of what the definition was made from, beyond what the request names."""
    notes: list[str] = field(default_factory=list)


def _start_from_file(source: OnnxFile) -> _Start:
    model = load_onnx(source.path)
    sources = external_files(source.path)
    return _Start(source.path, model, reference_of_graph(source, model), sources)


def _start_from_module(request: ExportRequest, scratch: Path) -> _Start:
    notes: list[str] = []
    with freshness.recorded_files() as sources:
        module = _build(request, notes)
    reference = reference_of_module(request, module)
    file = scratch / manifest.EXPORTED
    example = reference.probes[0].arrays
    notes += to_onnx(module, reference.inputs, reference.outputs, example, file)
    return _Start(file, load_onnx(file), reference, sources, notes)


def _build(request: ExportRequest, notes: list[str]) -> torch.nn.Module:
    import torch

    from asymm_deploy.models.build import build

    torch.manual_seed(request.seed)
    if isinstance(request.source, NamedNetwork):
        module = build(request.source.spec)
        if request.weights is None:
            untrained.initialise(module, request.seed)
    else:
        assert isinstance(request.source, CallableModule)
        module = load_callable(request.source)
    if request.weights is not None:
        if request.weights_sha256 not in (None, request.hash_of_weights()):
            raise UsageError(
                f"{request.weights} is not the file that {request.text} was exported from",
                f"export it again: asymm-deploy export {request.text} --weights FILE",
            )
        notes += weights.load_into(module, request.weights)
    return module.eval()


def _first_as_timed(mnn_file: Path, reference: Reference, scratch: Path) -> list[Any]:
    """Return MNN's outputs for the first probe, with the settings of a timed run."""
    first = reference.samples[:1]
    (timed,) = run_mnn(mnn_file, first, reference.outputs, scratch, as_timed=True)
    return timed


def _manifest(
    request: ExportRequest,
    start: _Start,
    opset: int,
    limits: tuple[OutputLimit, ...],
    stages: manifest.Stages,
    scratch: Path,
) -> Manifest:
    """Return the manifest of the files in ``scratch``."""
    reference, complexity = start.reference, start.reference.complexity
    return Manifest(
        schema_version=manifest.MANIFEST_SCHEMA_VERSION,
        model=request.source.model,
        source=request.text,
        input_shape=reference.inputs[0].shape if reference.inputs else (),
        inputs=reference.inputs,
        outputs=reference.outputs,
        opset=opset,
        madds=complexity.madds,
        madds_m=round(complexity.madds / 1e6, 3),
        floor_madds=least_multiplications(complexity),
        params=complexity.params,
        params_m=round(complexity.params / 1e6, 4),
        uncounted=complexity.uncounted,
        weights=reference.weights,
        seed=request.seed if request.uses_seed else None,
        weights_path=str(request.weights) if request.weights else None,
        weights_sha256=request.hash_of_weights(),
        statistics_set=reference.statistics_set,
        reference=reference.name,
        spread=parity.spread(reference.common_results),
        output_limits=limits,
        stages=stages,
        files={name: sha256_of(scratch / name) for name in manifest.EXPORT_FILES},
        tools=freshness.tool_versions(),
        fingerprint=request.fingerprint(),
        sources=start.sources,
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


def _no_room(request: ExportRequest, reason: str) -> UsageError:
    return UsageError(
        f"can't write the files of {request.source.model} to {request.out}: {reason}",
        "free some space or give another folder with --out; what was there is untouched",
    )
