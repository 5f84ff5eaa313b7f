"""What is explained: a model's file, and the ONNX file and the input that give the right values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench import artifact as artifacts
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.recorded import read_recorded
from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_file import MnnFile, read_mnn
from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.export.inputs import bench_inputs
from asymm_deploy.export.manifest import DamagedManifestError, Manifest
from asymm_deploy.files import read_regular, sha256_of
from asymm_deploy.models.source import OnnxFile

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, eq=False)
class ExplainSubject:
    """A model to explain; without a reference its operators can be timed, and not judged."""

    artifact: Artifact
    reference: Path | None
    reference_sha256: str | None
    reference_is_own: bool
    """Whether it is the export's own, and not one that the user named."""
    sample_file: Path | None = None
    """The recorded input; without it, the one that a runner makes from its seed."""
    sample_inputs: tuple[TensorSpec, ...] = ()
    """Of the input; the order in the file."""

    @property
    def reference_name(self) -> str | None:
        """Its path from the folder above it, as explained.jsonl has it; None without one."""
        if self.reference is None:
            return None
        path = self.reference.absolute()
        return f"{path.parent.name}/{path.name}"

    def sample(self) -> Arrays:
        """Return the input that is judged; raise UsageError if the recorded one is damaged."""
        if self.sample_file is None:
            return bench_inputs(self.sample_inputs)
        try:
            return read_recorded(str(self.sample_file), self.sample_inputs)
        except RefusedError as error:
            raise UsageError(
                f"{self.sample_file} is damaged: {error}", "export the model again, with --force"
            ) from error


def require_reference(reference: Path) -> None:
    """Raise UsageError unless ``--reference`` names an .onnx file that can be read."""
    if not reference.name.lower().endswith(".onnx"):
        raise UsageError(
            f"--reference {reference} is no .onnx file",
            "give the ONNX file whose tensors have the right values, as in "
            "--reference artifacts/asymmnet_small_100/model.onnx",
        )
    _hash(reference)


def subject_of(artifact: Artifact, reference: Path | None) -> ExplainSubject:
    """Return what to explain of an exported model or of an .mnn file as it is.

    ``reference`` is what the user named; else it is the export's own. An .mnn file has one if it is
    the file of the export that it lies in. Raises UsageError if a file can't be read.
    """
    beside = _manifest_of(artifact.path)
    if beside is not None and beside.files.get(manifests.MNN) == artifact.sha256:
        exported = artifacts.exported(artifact.path.parent, "mnn")
        # Of the row that describes it, only what a bare file doesn't know is taken.
        artifact = exported if artifact.reference is None else artifact
    if reference is not None:
        return _with_named(artifact, reference)
    if artifact.reference is None:
        return ExplainSubject(artifact, None, None, reference_is_own=False)
    own = artifact.path.with_name(manifests.ONNX)
    return ExplainSubject(
        artifact,
        own,
        _hash(own),
        reference_is_own=True,
        sample_file=artifact.inputs_file,
        sample_inputs=artifact.inputs or (),
    )


def _with_named(artifact: Artifact, reference: Path) -> ExplainSubject:
    """Return a subject that is compared with the values of a file that the user named.

    The input is the model's own recorded one, or else the reference's.
    """
    from asymm_deploy.export.onnx_graph import load_onnx

    model = load_onnx(reference)
    file = _file_of(artifact.path)
    _require_common_tensors(artifact.path, file, reference, model)
    found = ExplainSubject(artifact, reference, _hash(reference), reference_is_own=False)
    if artifact.inputs and artifact.reference is not None:
        _require_same_inputs(artifact, reference, model)
        return replace(found, sample_file=artifact.inputs_file, sample_inputs=artifact.inputs)
    specs, recorded = _inputs_of(reference, found.reference_sha256, model)
    _require_own_inputs(artifact.path, file, reference, specs)
    known = replace(  # so that wherever it runs it gets these values
        artifact,
        inputs=specs,
        inputs_file=recorded,
        inputs_sha256=None if recorded is None else _hash(recorded),
    )
    return replace(found, artifact=known, sample_file=recorded, sample_inputs=specs)


def _inputs_of(
    reference: Path, sha256: str | None, model: onnx.ModelProto
) -> tuple[tuple[TensorSpec, ...], Path | None]:
    """Return a reference's inputs, and the file of recorded ones if an export lies beside it."""
    from asymm_deploy.export.onnx_graph import graph_inputs

    beside = _manifest_of(reference)
    if beside is None or beside.files.get(manifests.ONNX) != sha256:
        return graph_inputs(model, OnnxFile(reference, ())), None
    recorded = reference.with_name(manifests.INPUTS)
    return beside.inputs, recorded if manifests.INPUTS in beside.files else None


def _require_same_inputs(artifact: Artifact, reference: Path, model: onnx.ModelProto) -> None:
    """Raise UsageError if the reference needs what the model has no input of."""
    from onnx import helper

    ours = {spec.name: spec for spec in artifact.inputs or ()}
    constants = {tensor.name for tensor in model.graph.initializer}
    for entry in model.graph.input:
        if entry.name in constants:
            continue
        tensor = entry.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        sizes = [dim.dim_value or None for dim in tensor.shape.dim]
        own = ours.get(entry.name)
        if own is None or own.dtype != dtype or not _fits(own.shape, sizes):
            has = "no such input" if own is None else _text(own.name, own.shape, own.dtype)
            raise UsageError(
                f"{reference} needs the input {_text(entry.name, sizes, dtype)}, and "
                f"{artifact.model} has {has}",
                "give a reference with the same inputs: the same names, shapes and types",
            )


def _file_of(path: Path) -> MnnFile:
    """Return what stands in an .mnn file; raise UsageError if it is damaged."""
    try:
        return read_mnn(read_regular(path))
    except (OSError, EngineError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(
            f"can't read {path}: {why}", "give another .mnn file, or export the model again"
        ) from error


def _require_common_tensors(
    path: Path, file: MnnFile, reference: Path, model: onnx.ModelProto
) -> None:
    """Raise UsageError if no tensor that the model computes has a name in the reference."""
    theirs = {name for node in model.graph.node for name in node.output if name}
    if theirs.isdisjoint(file.tensors):
        raise UsageError(
            f"{reference} has no tensor with a name that one of {path.name} has, so there is "
            "nothing to compare",
            "give the ONNX file that the model was made from, or another one of the same names",
        )


def _require_own_inputs(
    path: Path, file: MnnFile, reference: Path, specs: Sequence[TensorSpec]
) -> None:
    """Raise UsageError unless an .mnn file has the inputs of the reference, as far as it says."""
    ours = {each.name for each in file.operators if each.type == "Input"}
    theirs = {spec.name for spec in specs}
    if ours and ours != theirs:
        raise UsageError(
            f"{reference} has the inputs {', '.join(sorted(theirs))}, and {path.name} has "
            f"{', '.join(sorted(ours))}",
            "give a reference with the same inputs: the same names, shapes and types",
        )


def _fits(shape: Sequence[int], sizes: Sequence[int | None]) -> bool:
    """Whether a shape is one of those that a graph takes; None is an open size."""
    pairs = zip(shape, sizes, strict=False)
    return len(shape) == len(sizes) and all(wanted in (None, size) for size, wanted in pairs)


def _text(name: str, shape: Sequence[int | None], dtype: str) -> str:
    return f"{name}={','.join('?' if size is None else str(size) for size in shape)}:{dtype}"


def _manifest_of(path: Path) -> Manifest | None:
    """Return the manifest beside a file, if there is one that can be read."""
    try:
        return manifests.load_manifest(path.parent)
    except (OSError, DamagedManifestError, UsageError):
        return None


def _hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "check the path and its permissions"
        ) from error
