"""What was exported: from what, with which tools, how equal, and which files came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.proof.parity import ParityReport
from asymm_deploy.files import sha256_of, write_whole
from asymm_deploy.versioned import DamagedError, decode_json

SCHEMA_VERSION = 1
NAME = "manifest.json"
ONNX, MNN, REFERENCE = "model.onnx", "model.mnn", "reference.npz"
FILES = (ONNX, MNN, REFERENCE)
EXPORTED = "exported.onnx"
"""The graph before it was simplified; kept on request, and nothing depends on it."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Stages(msgspec.Struct, frozen=True):
    """How each step's file compares with the reference, on the same inputs."""

    onnx: ParityReport
    simplified: ParityReport
    mnn: ParityReport


class OutputLimit(msgspec.Struct, frozen=True):
    """How far from the reference an output may be in fp32; see ``parity``."""

    deviation: float
    """Of the reference over the inputs of common scale: what the errors are shares of."""
    tolerance: float
    rms_tolerance: float


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
    """Multiplications that remain with the fastest known algorithms: for the floor of a latency."""
    params: Count
    params_m: float
    uncounted: tuple[str, ...]
    """Operators whose multiply-adds could not be counted; ``madds`` is too low by theirs."""
    weights: str
    """Where they come from: ``seed``, ``file`` or ``source`` (the .onnx file, the callable)."""
    seed: int | None
    """Of the weights where ``weights`` is ``seed``; of a callable's initialisation; else None."""
    weights_path: str | None
    weights_sha256: Sha256 | None
    statistics_set: bool
    """Whether BatchNorm's statistics were set from random batches, for lack of trained ones."""
    reference: str
    """What the stages were compared with."""
    spread: float
    """How much the reference's outputs vary over the inputs, relative to all that they vary."""
    output_limits: tuple[OutputLimit, ...] = ()
    """How far from the reference each output may be when it is timed; none are the usual limits."""
    stages: Stages
    files: dict[str, Sha256]
    tools: dict[str, str]
    """Versions of every package that shapes the files."""
    fingerprint: Sha256
    """Of everything that the files depend on; see ``freshness``."""
    sources: dict[str, Sha256]
    """Files beyond that which a callable was made from: its own modules, and what it opened."""


class DamagedManifestError(Exception):
    """manifest.json is there and is not what a manifest looks like."""


def load(folder: Path) -> Manifest:
    """Return the manifest in ``folder``.

    Raises FileNotFoundError if there is none, DamagedManifestError if it is not one, and
    UsageError if a newer version of this program wrote it.
    """
    raw = (folder / NAME).read_bytes()
    try:
        manifest = decode_json(
            raw,
            Manifest,
            SCHEMA_VERSION,
            where=str(folder / NAME),
            hint="move the folder away to export anew",
        )
    except DamagedError as error:
        raise DamagedManifestError(str(error)) from error
    if set(manifest.files) != set(FILES):
        raise DamagedManifestError(f"files are {sorted(manifest.files)}, not {sorted(FILES)}")
    if manifest.model != folder.resolve().name:
        raise DamagedManifestError(f"it is of model {manifest.model!r}, not of {folder.name}")
    return manifest


def save(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest`` to ``folder``, whole or not at all."""
    raw = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_whole(folder / NAME, raw + b"\n")


def damaged_files(manifest: Manifest, folder: Path) -> list[str]:
    """Return the names of files that are missing or are not, byte for byte, what was exported."""
    return [name for name, sha in manifest.files.items() if _sha256(folder / name) != sha]


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None
