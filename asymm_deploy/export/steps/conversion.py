"""The graph -> its simplified form and MNN's file, both proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.errors import ConversionError, NumericsError
from asymm_deploy.export import manifest
from asymm_deploy.export.mnn import Api, MnnTimeoutError, run_mnn, to_mnn
from asymm_deploy.export.onnx_graph import run_onnx
from asymm_deploy.export.proof.reference import Reference
from asymm_deploy.export.proof.refusal.difference import StageName
from asymm_deploy.export.proof.refusal.inside_module import culprit_in_module
from asymm_deploy.export.proof.refusal.suspects import Suspects
from asymm_deploy.export.proof.stage import Explain, StageProof, prove_stage
from asymm_deploy.export.proof.uncertain import without_masked_probes, without_uncertain_probes
from asymm_deploy.export.proof.user_module import two_runs_differ
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.simplify import Simplified, simplifications
from asymm_deploy.export.steps.start import Start
from asymm_deploy.models.source import NamedNetwork

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Converted:
    """The files of the last two steps, proven."""

    graph: onnx.ModelProto
    simplified: StageProof
    mnn: StageProof
    mnn_outputs: tuple[Array, ...]
    """MNN's, for the recorded input."""
    api: Api
    inputs: tuple[TensorSpec, ...]
    """Those of the definition that the files have."""
    unused: tuple[str, ...]
    """The others, which nothing depends on."""
    notes: tuple[str, ...]


def prove_graph(request: ExportRequest, start: Start, scratch: Path) -> tuple[Start, StageProof]:
    """Prove the graph before it is simplified; raise NumericsError where it differs.

    Returns ``start`` without the probes that the reference is not sure of, if that takes leaving
    some out.
    """

    def prove(start: Start, explain: Explain | None) -> StageProof:
        results[:] = run_onnx(start.file, start.reference.samples)
        return _prove("onnx", request, start, results, explain)

    results: list[list[Array]] = []
    try:
        return start, prove(start, None)
    except NumericsError:
        again = results if start.module is None else None
        sure = without_masked_probes(start.reference, results) or without_uncertain_probes(
            start.reference, again
        )
    if sure is not None:
        start = replace(start, reference=sure)
    return start, prove(start, suspects_of(start, None, scratch).explain)


def convert_graph(request: ExportRequest, start: Start, scratch: Path) -> tuple[Start, Converted]:
    """Return what comes of the most simplified graph that converts and is proven.

    Raises the failure of the first one where none is. ``start`` comes back as from ``prove_graph``.
    """
    try:
        return start, _converted(request, start, scratch, told=False)
    except NumericsError:
        sure = without_uncertain_probes(start.reference)
    except MnnTimeoutError:
        raise
    except ConversionError:
        sure = None
    if sure is not None:
        start = replace(start, reference=sure)
    return start, _converted(request, start, scratch, told=True)


def _converted(request: ExportRequest, start: Start, scratch: Path, *, told: bool) -> Converted:
    """Do the work of ``convert_graph`` with all probes; ``told`` says why where it fails."""
    trusted = isinstance(request.source, NamedNetwork)
    graphs = simplifications(start.model, start.reference.inputs, trusted=trusted)
    failure: ConversionError | NumericsError | None = None
    first: Simplified | None = None
    for simplified in graphs:
        first = first or simplified
        try:
            made = _proven(request, start, simplified, scratch, told=False)
        except MnnTimeoutError:
            raise
        except (ConversionError, NumericsError) as error:
            failure = failure or error
            continue
        if failure is None:
            return made
        note = f"a graph that went through {simplified.how} was taken, since the one before failed"
        note += f": {failure.what}"
        return replace(made, notes=(*made.notes, note))
    assert first is not None
    assert failure is not None
    if told:
        return _proven(request, start, first, scratch, told=True)  # fails again, and says why
    raise failure


def _proven(
    request: ExportRequest, start: Start, simplified: Simplified, scratch: Path, *, told: bool
) -> Converted:
    """Write, convert and prove one graph; ``told`` looks for the operator where that fails."""
    reference, graph = start.reference, simplified.model
    explain = suspects_of(start, graph, scratch).explain if told else None
    file, mnn_file = scratch / manifest.ONNX, scratch / manifest.MNN
    mnn_file.unlink(missing_ok=True)
    file.write_bytes(graph.SerializeToString())
    again = run_onnx(file, reference.samples)
    proof = _prove("simplified", request, start, again, explain)
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
            last = api == apis[-1]
            mnn = _prove("mnn", request, start, results, explain if last else None)
        except MnnTimeoutError:
            raise
        except (ConversionError, NumericsError) as error:
            failure = error if failure is None or isinstance(error, NumericsError) else failure
            continue
        unused = simplified.unused_inputs
        first = tuple(results[0])
        return Converted(graph, proof, mnn, first, api, inputs, unused, simplified.notes)
    assert failure is not None
    raise failure


def _prove(
    stage: StageName,
    request: ExportRequest,
    start: Start,
    results: Sequence[Sequence[Array]],
    explain: Explain | None,
) -> StageProof:
    return prove_stage(
        stage,
        start.reference,
        results,
        graph=start.model,
        limit=request.tolerance,
        explain=explain,
    )


def suspects_of(start: Start, simplified: onnx.ModelProto | None, scratch: Path) -> Suspects:
    """Return what is looked into where a stage differs; ``simplified`` may not be made yet."""
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


def first_as_timed(made: Converted, reference: Reference, scratch: Path) -> list[Any]:
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
