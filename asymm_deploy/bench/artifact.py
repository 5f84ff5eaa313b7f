"""What is timed: a model file, the output it should compute, and how much work that is."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import Engine
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ExitCode, UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.export.mnn import Api, module_ends_if_needed
from asymm_deploy.export.proof import parity
from asymm_deploy.files import is_in_the_way, opened_regular, require_text, sha256_of
from asymm_deploy.models.spec import NetSpec

_DAMAGED = (BadZipFile, zlib.error, EOFError, RuntimeError, KeyError, TypeError, ValueError)
"""What numpy and zipfile raise for a damaged .npz; TypeError if it is a single array."""
_FILES: dict[Engine, str] = {"mnn": manifests.MNN, "onnxruntime": manifests.ONNX}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file and what is known about it; None is unknown."""

    model: str
    path: Path
    sha256: str
    """What the file's hash should be; checked before anything is timed."""
    inputs: tuple[TensorSpec, ...] | None = None
    """None if unknown: then the model's own inputs, in the engine's order."""
    reference: dict[str, npt.NDArray[np.generic]] | None = None
    """Outputs by name for the recorded input; without, the row is ``unverified``."""
    inputs_file: Path | None = None
    """The recorded input (see ``manifests.INPUTS``); None: ``bench_inputs(inputs, seed=0)``."""
    inputs_sha256: str | None = None
    """What that file's hash should be; checked as the model's is."""
    api: Api = "session"
    output_names: tuple[str, ...] = ()
    """Those of the file; MNN's Module API has to be told."""
    tolerance_raised: bool = False
    """The export was allowed larger errors than ours: the row is ``tolerance-raised``."""
    is_variant: bool = False
    """It has fewer bits than fp32, and ``output_limits`` of its own: the row is ``variant``."""
    settled_otherwise: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    """MNN's outputs for the recorded input where they rightly differ: ties, the order of rows."""
    output_limits: Mapping[str, manifests.OutputLimit] = field(default_factory=dict)
    """Limits by output; an output that is not listed has the usual limit."""
    madds: int | None = None
    floor_madds: int | None = None
    """Multiplications that even the fastest known algorithms can't avoid."""
    params: int | None = None
    network: str | None = None
    scale: str | None = None
    multiplier: float | None = None
    classes: int | None = None
    """Of a network of ours: how many classes it tells apart, if its name doesn't say so."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a launch needs on the device."""
        return (self.path,) if self.inputs_file is None else (self.path, self.inputs_file)

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Shape of the first input, if the inputs are known."""
        return self.inputs[0].shape if self.inputs else None


@dataclass(frozen=True, slots=True)
class Missing:
    """A model without a file to time; its row says why."""

    model: str
    reason: str
    exit_code: ExitCode
    """The exit code of the failed export, which ``bench`` passes on."""
    network: str | None = None
    scale: str | None = None
    multiplier: float | None = None
    input_shape: tuple[int, ...] | None = None
    classes: int | None = None


def exported(folder: Path, engine: Engine, spec: NetSpec | None = None) -> Artifact:
    """Return the artifact that ``export`` left in ``folder``; ``spec`` describes a network of ours.

    Raises UsageError if the export is incomplete or a newer program wrote it.
    """
    try:
        require_text(folder, "rename the folder, or move the export to another one")
        manifest = manifests.load_manifest(folder)
        if manifest.variant is not None and engine != "mnn":
            raise UsageError(
                f"{manifest.model} is a variant, which MNN alone can run",
                f"leave out --engine, or name {manifest.variant.of}",
            )
        names = [output.name for output in manifest.outputs]
        reference, own = _outputs(folder / manifests.REFERENCE, names)
        file = _FILES[engine]
        recorded = manifest.files.get(manifests.INPUTS)  # none before version 2
        return Artifact(
            model=manifest.model,
            path=folder / file,
            sha256=manifest.files[file],
            inputs=manifest.inputs,
            reference=reference,
            inputs_file=folder / manifests.INPUTS if recorded and manifest.inputs else None,
            inputs_sha256=recorded,
            settled_otherwise=own if engine == "mnn" else {},
            api=manifest.api if engine == "mnn" else "session",
            output_names=tuple(names),
            tolerance_raised=_is_above_ours(manifest.given_tolerance, reference.values()),
            is_variant=manifest.variant is not None,
            output_limits=dict(zip(names, manifest.output_limits, strict=False)),
            madds=manifest.madds,
            floor_madds=manifest.floor_madds,
            params=manifest.params,
            network=None if spec is None else spec.family,
            scale=None if spec is None else spec.scale,
            multiplier=None if spec is None else spec.width,
            classes=manifest.given_classes,
        )
    except manifests.DamagedManifestError as error:
        raise UsageError(
            f"{folder} holds an incomplete export: {manifests.MANIFEST_NAME} is damaged: {error}",
            "export the model again, with --force",
        ) from error
    except (OSError, ValueError, KeyError) as error:
        in_the_way = isinstance(error, OSError) and is_in_the_way(error)
        raise UsageError(
            f"{folder} holds an incomplete export: {_why(error)}",
            f"{'move that away, and ' * in_the_way}export the model again, with --force",
        ) from error


def _why(error: Exception) -> str:
    """Return what is wrong with which file; the folder is known."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"can't read {Path(error.filename).name}: {error.strerror}"
    return str(error)


def _is_above_ours(given: float | None, outputs: Iterable[npt.NDArray[np.generic]]) -> bool:
    """Tell whether the export's ``--tolerance`` allows an output more than we would."""
    return given is not None and any(given > parity.usual_tolerance(output) for output in outputs)


_Outputs: TypeAlias = dict[str, npt.NDArray[np.generic]]


def _outputs(path: Path, names: Sequence[str]) -> tuple[_Outputs, _Outputs]:
    """Return the reference's outputs by name, and those in which MNN rightly differs.

    Raises ValueError if the file is damaged.
    """
    try:
        # Opened here, because numpy leaves a file open if it can't read it.
        with opened_regular(path) as file, np.load(file, allow_pickle=False) as arrays:
            outputs = {name: arrays[f"output_{i}"] for i, name in enumerate(names)}
            own = {n: arrays[f"mnn_{i}"] for i, n in enumerate(names) if f"mnn_{i}" in arrays}
            return outputs, own
    except _DAMAGED as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error


def bare(path: Path) -> Artifact:
    """Return an .mnn file as it is, without a reference; raise UsageError if it can't be read.

    It is run once, to see which of MNN's interfaces can.
    """
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror}", "give the path of a model file"
        ) from error
    require_text(path, "rename the file, or the folder that it is in")
    ends = module_ends_if_needed(path)
    if ends is None:
        return Artifact(model=path.stem, path=path, sha256=sha256)
    return Artifact(
        model=path.stem,
        path=path,
        sha256=sha256,
        inputs=ends.inputs,
        api="module",
        output_names=ends.outputs,
    )


def artifact_changed(artifact: Artifact) -> str | None:
    """Return why a file is not the one that the artifact describes, or None if all are."""
    for path, sha256 in (
        (artifact.path, artifact.sha256),
        (artifact.inputs_file, artifact.inputs_sha256),
    ):
        if path is None:
            continue
        try:
            found = sha256_of(path)
        except OSError as error:
            return f"can't read {path}: {error.strerror}"
        if found != sha256:
            return f"{path} is not the file that was exported: its SHA-256 differs"
    return None
