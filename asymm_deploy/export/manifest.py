"""The record of an export: its source, tools, files, and how equal each stage is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export.freshness import Dependencies
from asymm_deploy.export.proof.parity import ParityReport
from asymm_deploy.export.quantize.variant import Variant
from asymm_deploy.files import read_regular, resolved, sha256_of, written_aside
from asymm_deploy.versioned import DamagedError, decode_json

MANIFEST_SCHEMA_VERSION = 2
"""Version 1 had no inputs.bin, and said nothing of what the inputs were."""
MANIFEST_NAME = "manifest.json"
ONNX, MNN, REFERENCE = "model.onnx", "model.mnn", "reference.npz"
INPUTS = "inputs.bin"
"""The input that ``reference.npz`` has the outputs of, and that is timed.

The values of each input in the manifest's order, of the type that it says, row by row, little
endian, with nothing between them.
"""
EXPORT_FILES = (ONNX, MNN, REFERENCE, INPUTS)
_FILES_OF_VERSION_1 = (ONNX, MNN, REFERENCE)
EXPORTED = "exported.onnx"
"""The graph before simplification; kept on request, and nothing depends on it."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Stages(msgspec.Struct, frozen=True):
    """How the file of each step compares with the reference, on the same inputs."""

    onnx: ParityReport
    simplified: ParityReport
    mnn: ParityReport


class OutputLimit(msgspec.Struct, frozen=True):
    """How far from the reference an output may be in fp32; see ``parity``."""

    deviation: float
    """Of the reference over the inputs of common scale: what the errors are shares of."""
    tolerance: float
    rms_tolerance: float


class ProvenInput(msgspec.Struct, frozen=True):
    """The values of one input that the files were proven over."""

    name: str
    dtype: str
    low: float | None
    """The least value that was tried; None if the input has no elements."""
    high: float | None
    origin: Literal["samples", "range", "type", "tried"]
    """``--inputs``; the range in ``--input-shape``; the type; what the reference accepts."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``artifacts/MODEL/manifest.json``."""

    schema_version: int
    model: str
    """The folder's name: a network's, an .onnx file's stem, or ``module.callable``."""
    source: str
    """What was asked for: a network's name, an .onnx file's path or ``module:callable``."""
    input_shape: tuple[int, ...]
    """Of the first input."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: int
    madds: Count
    """Multiply-adds for one input, counted from the module, or from the graph of an .onnx file."""
    madds_m: float
    """The same in millions."""
    floor_madds: Count
    """Multiplications left with the fastest known algorithms; they bound the latency from below."""
    params: Count
    params_m: float
    uncounted: tuple[str, ...]
    """Operators whose multiply-adds could not be counted; ``madds`` leaves them out."""
    weights: str
    """Where they come from: ``seed``, ``file`` or ``source`` (the .onnx file, the callable)."""
    seed: int | None
    """Of the weights where ``weights`` is ``seed``; of a callable's initialisation; else None."""
    weights_path: str | None
    """As it was given: a path, or ``hf://ORG/REPO/FILE``."""
    weights_sha256: Sha256 | None
    statistics_set: bool
    """Whether BatchNorm's statistics were set from random batches, for lack of trained ones."""
    reference: str
    """What the stages were compared with, such as ``PyTorch 2.13.0``."""
    spread: float
    """Variation of the reference's outputs over the inputs, as a share of their total variation."""
    output_limits: tuple[OutputLimit, ...] = ()
    """How far from the reference each output may be when timed; empty means the usual limits."""
    stages: Stages
    proven_inputs: tuple[ProvenInput, ...] = ()
    """What each input's values were when the stages were compared, in the order of ``inputs``."""
    given_shapes: tuple[str, ...] = ()
    """The ``--input-shape`` options for this model, without its name before them."""
    samples_path: str | None = None
    """The ``--inputs`` file."""
    samples_sha256: Sha256 | None = None
    given_tolerance: float | None = None
    """The ``--tolerance`` option: a limit that is not ours."""
    unused_inputs: tuple[str, ...] = ()
    """Inputs of the definition that no output depends on; the files don't have them."""
    api: Literal["session", "module"] = "session"
    """Which of MNN's interfaces runs model.mnn: its Session can't run loops and branches."""
    given_classes: int | None = None
    """Of a network of ours: how many classes it tells apart, if its name doesn't say so."""
    given_opset: int | None = None
    """The ``--opset`` option; ``opset`` is what the file has."""
    weights_key: str | None = None
    """The ``--weights-key`` option: which of several sets of weights in the file was taken."""
    strip_prefix: str | None = None
    """The ``--strip-prefix`` option: what the names of the weights in the file begin with."""
    weights_revision: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}\\Z")] | None = None
    """Of the weights on the Hugging Face hub, a commit; None if they aren't from there."""
    variant: Variant | None = None
    """How the file was made of another export's, with fewer bits; None for an export.

    All else but the files and their proof is as in that one's manifest.
    """
    files: dict[str, Sha256]
    tools: dict[str, str]
    """Versions of every package that shapes the files."""
    fingerprint: Sha256
    """Of everything that the files depend on; see ``freshness``."""
    sources: dict[str, Sha256]
    """Further files that the definition is made of: code, and data that it opened or refers to."""
    relative_sources: dict[str, str] = {}
    """Those of them that it named by a relative path: that path, and the absolute one it meant.

    It begins at the .onnx file's folder, or at the current one for a callable.
    """
    absent_sources: list[str] = []
    """Files that a callable asked for and that were not there, as it named them."""
    modules: dict[str, str] = {}
    """The modules that a callable imported: name and path, with all links resolved."""
    folders: dict[str, Sha256] = {}
    """Folders that a callable looked through: path, and the SHA-256 of the names in it."""
    environment: dict[str, str] = {}
    """Environment variables that a callable asked for, each as its SHA-256; empty if not set."""

    @property
    def dependencies(self) -> Dependencies:
        """What the definition is made of beyond what a request names."""
        return Dependencies(
            self.sources,
            self.relative_sources,
            self.modules,
            self.absent_sources,
            self.folders,
            self.environment,
        )


class DamagedManifestError(Exception):
    """manifest.json exists but is not a valid manifest."""


def load_manifest(folder: Path) -> Manifest:
    """Return the manifest in ``folder``.

    Raises FileNotFoundError if there is none, DamagedManifestError if it isn't valid, and
    UsageError if a newer version of this program wrote it.
    """
    raw = read_regular(folder / MANIFEST_NAME)
    try:
        manifest = decode_json(
            raw,
            Manifest,
            MANIFEST_SCHEMA_VERSION,
            where=str(folder / MANIFEST_NAME),
            hint="move the folder away to export anew",
        )
    except DamagedError as error:
        raise DamagedManifestError(str(error)) from error
    files = _FILES_OF_VERSION_1 if manifest.schema_version == 1 else EXPORT_FILES
    if set(manifest.files) != set(files):
        raise DamagedManifestError(f"it lists {sorted(manifest.files)}, not {sorted(files)}")
    if manifest.model != resolved(folder).name:
        raise DamagedManifestError(f"it describes {manifest.model!r}, not {folder.name}")
    return manifest


def save_manifest(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest`` to ``folder``, whole or not at all."""
    raw = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    with written_aside(folder / MANIFEST_NAME) as aside:  # whatever was in its place
        aside.write_bytes(raw + b"\n")


def manifest_there(folder: Path) -> Manifest | None:
    """Return the manifest in ``folder``; None if there is none, or a damaged one.

    Raises UsageError if it can't be read, or a newer version of this program wrote it.
    """
    try:
        return load_manifest(folder)
    except (FileNotFoundError, DamagedManifestError):
        return None
    except OSError as error:
        raise UsageError(
            f"can't read {folder / MANIFEST_NAME}: {error.strerror or error}",
            "check the permissions, or give another folder with --out",
        ) from error


def damaged_files(manifest: Manifest, folder: Path) -> list[str]:
    """Return the names of files that are missing or differ from what was exported."""
    return [name for name, sha in manifest.files.items() if _sha256(folder / name) != sha]


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None
