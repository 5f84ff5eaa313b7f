"""One model from its definition to its files, every step proven; runs in a worker process."""

from __future__ import annotations

import errno
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ConversionError, NumericsError, UsageError
from asymm_deploy.export import freshness, manifest, untrained, weights
from asymm_deploy.export.inputs import recorded_bytes
from asymm_deploy.export.manifest import Manifest, OutputLimit
from asymm_deploy.export.mnn import Api, run_mnn, to_mnn
from asymm_deploy.export.onnx_graph import external_files, load_onnx, run_onnx
from asymm_deploy.export.probing.chosen import proven_in_words
from asymm_deploy.export.proof import parity
from asymm_deploy.export.proof.inside_module import culprit_in_module
from asymm_deploy.export.proof.limits import output_limits
from asymm_deploy.export.proof.reference import (
    Reference,
    reference_of_graph,
    reference_of_module,
    require_spread,
)
from asymm_deploy.export.proof.refusal import Suspects
from asymm_deploy.export.proof.samples import shaped_by_samples
from asymm_deploy.export.proof.stage import StageProof, prove_stage
from asymm_deploy.export.proof.user_module import two_runs_differ
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.simplify import Simplified, simplifications
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
        start = _start_from_file(request, request.source)
    else:
        start = _start_from_module(request, scratch)
    reference = start.reference
    notes += [*start.notes, *reference.notes, *require_spread(reference, start.model)]
    onnx_results = run_onnx(start.file, reference.samples)
    onnx_stage = prove_stage(
        "onnx",
        reference,
        onnx_results,
        graph=start.model,
        limit=request.tolerance,
        explain=_suspects(start, None, scratch).explain,
    )
    made = _converted(request, start, scratch)
    notes += [*made.notes, *onnx_stage.remarks, *made.simplified.remarks, *made.mnn.remarks]

    outputs: dict[str, Any] = {f"output_{i}": a for i, a in enumerate(reference.results[0])}
    np.savez(scratch / manifest.REFERENCE, allow_pickle=False, **outputs)
    (scratch / manifest.INPUTS).write_bytes(
        recorded_bytes([reference.samples[0][spec.name] for spec in made.inputs])
    )
    uncounted = reference.complexity.uncounted
    if uncounted:
        notes.append("multiply-adds are not counted for: " + ", ".join(uncounted))
    notes.append(proven_in_words([p for p in reference.proven if p.name not in made.unused]))
    limits = output_limits(reference, made.mnn, lambda: _first_as_timed(made, reference, scratch))
    told = _manifest(request, start, made, onnx_stage, limits, scratch)
    _publish(told, scratch, request.folder, keep_exported=request.keep_exported)
    return told


@dataclass(frozen=True)
class _Converted:
    """The files of the last two steps, proven."""

    graph: onnx.ModelProto
    simplified: StageProof
    mnn: StageProof
    api: Api
    inputs: tuple[TensorSpec, ...]
    """Those of the definition that the files have."""
    unused: tuple[str, ...]
    """The others, which nothing depends on."""
    notes: tuple[str, ...]


def _converted(request: ExportRequest, start: _Start, scratch: Path) -> _Converted:
    """Return what comes of the most simplified graph that converts and is proven.

    Raises the failure of the first one where none is.
    """
    trusted = isinstance(request.source, NamedNetwork)
    graphs = simplifications(start.model, start.reference.inputs, trusted=trusted)
    failure: ConversionError | NumericsError | None = None
    first: Simplified | None = None
    for simplified in graphs:
        first = first or simplified
        try:
            made = _proven(request, start, simplified, scratch, told=False)
        except (ConversionError, NumericsError) as error:
            failure = failure or error
            continue
        if failure is None:
            return made
        note = f"a graph that went through {simplified.how} was taken, since the one before failed"
        note += f": {failure.what}"
        return replace(made, notes=(*made.notes, note))
    assert first is not None
    return _proven(request, start, first, scratch, told=True)  # fails again, and says why


def _proven(
    request: ExportRequest, start: _Start, simplified: Simplified, scratch: Path, *, told: bool
) -> _Converted:
    """Write, convert and prove one graph; ``told`` looks for the operator where that fails."""
    reference, graph = start.reference, simplified.model
    explain = _suspects(start, graph, scratch).explain if told else None
    file, mnn_file = scratch / manifest.ONNX, scratch / manifest.MNN
    mnn_file.unlink(missing_ok=True)
    file.write_bytes(graph.SerializeToString())
    proof = prove_stage(
        "simplified",
        reference,
        run_onnx(file, reference.samples),
        graph=start.model,
        limit=request.tolerance,
        explain=explain,
    )
    to_mnn(file, mnn_file)
    inputs = tuple(s for s in reference.inputs if s.name not in simplified.unused_inputs)
    failure: ConversionError | NumericsError | None = None
    apis: tuple[Api, ...] = ("session", "module")
    for api in apis:
        try:
            results = run_mnn(
                mnn_file,
                reference.samples,
                reference.outputs,
                scratch,
                inputs=inputs,
                api=api,
            )
            mnn = prove_stage(
                "mnn",
                reference,
                results,
                graph=start.model,
                limit=request.tolerance,
                explain=explain if api == "module" else None,
            )
        except (ConversionError, NumericsError) as error:
            failure = error if failure is None or isinstance(error, NumericsError) else failure
            continue
        unused = simplified.unused_inputs
        return _Converted(graph, proof, mnn, api, inputs, unused, simplified.notes)
    assert failure is not None
    raise failure


def _suspects(start: _Start, simplified: onnx.ModelProto | None, scratch: Path) -> Suspects:
    module = start.module
    if module is None:
        return Suspects(start.reference, start.model, simplified, scratch)
    return Suspects(
        start.reference,
        start.model,
        simplified,
        scratch,
        from_module=True,
        is_random=lambda sample: two_runs_differ(module, sample),
        inside_module=lambda sample: culprit_in_module(module, start.model, sample),
    )


@dataclass(frozen=True)
class _Start:
    """The graph before it is simplified, and what it must be equal to."""

    file: Path
    model: onnx.ModelProto
    reference: Reference
    sources: dict[str, str]
    """Path and SHA-256 of what the definition was made from, beyond what the request names."""
    notes: list[str] = field(default_factory=list)
    module: torch.nn.Module | None = None
    """What the file was exported from; None where it was given."""


def _start_from_file(request: ExportRequest, source: OnnxFile) -> _Start:
    model = load_onnx(source.path)
    source = shaped_by_samples(model, source, request.samples_file())
    sources = external_files(source.path)
    return _Start(source.path, model, reference_of_graph(request, source, model), sources)


def _start_from_module(request: ExportRequest, scratch: Path) -> _Start:
    with freshness.recorded_files() as sources:
        module = _build(request)
    reference = reference_of_module(request, module)
    file = scratch / manifest.EXPORTED
    example = reference.probes[0].arrays
    notes = to_onnx(module, reference.inputs, reference.outputs, example, file)
    return _Start(file, load_onnx(file), reference, sources, notes, module)


def _build(request: ExportRequest) -> torch.nn.Module:
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
        weights.load_into(module, request.weights)
    module.eval()  # a module's own eval may return nothing
    return module


def _first_as_timed(made: _Converted, reference: Reference, scratch: Path) -> list[Any]:
    """Return MNN's outputs for the first probe, with the settings of a timed run."""
    (timed,) = run_mnn(
        scratch / manifest.MNN,
        reference.samples[:1],
        reference.outputs,
        scratch,
        inputs=made.inputs,
        api=made.api,
        as_timed=True,
    )
    return timed


def _manifest(
    request: ExportRequest,
    start: _Start,
    made: _Converted,
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
        weights_sha256=request.hash_of_weights(),
        statistics_set=reference.statistics_set,
        reference=reference.name,
        spread=parity.spread(reference.common_results),
        output_limits=limits,
        stages=manifest.Stages(
            onnx=onnx_stage.report, simplified=made.simplified.report, mnn=made.mnn.report
        ),
        proven_inputs=tuple(p for p in reference.proven if p.name not in made.unused),
        unused_inputs=made.unused,
        api=made.api,
        given_shapes=tuple(shape.text for shape in request.given_shapes),
        samples_path=str(request.samples) if request.samples else None,
        samples_sha256=request.hash_of_samples(),
        given_tolerance=request.tolerance,
        given_opset=request.opset,
        weights_key=request.weights_key,
        strip_prefix=request.strip_prefix,
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
