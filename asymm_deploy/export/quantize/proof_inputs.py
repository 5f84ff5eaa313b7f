"""The inputs that a variant is compared with the fp32 file over: those that the export was."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.export.inputs import parity_probes
from asymm_deploy.export.manifest import INPUTS, Manifest, ProvenInput
from asymm_deploy.export.onnx_graph import run_onnx
from asymm_deploy.export.probing.domain import Domain
from asymm_deploy.export.proof.samples import load_samples
from asymm_deploy.files import read_regular, sha256_of


def proof_inputs(base: Manifest, folder: Path) -> list[Arrays]:
    """Return the export's recorded input, and the others that it was proven over.

    Those are the user's samples, or are made up within the same ranges. Where the samples are gone,
    the recorded input is alone.
    """
    recorded = recorded_input(read_regular(folder / INPUTS), base.inputs)
    if any(each.origin == "samples" for each in base.proven_inputs):
        return [recorded, *_samples(base)]
    domains = {each.name: domain for each in base.proven_inputs if (domain := _domain(each))}
    probes = parity_probes(base.inputs, domains=domains)
    return [recorded, *(probe.arrays for probe in probes[1:])]


def recorded_input(raw: bytes, specs: Sequence[TensorSpec]) -> Arrays:
    """Return what ``inputs.bin`` holds; see ``manifest.INPUTS``. Raises UsageError if it is cut."""
    arrays: Arrays = {}
    at = 0
    for spec in specs:
        dtype = np.dtype(spec.dtype).newbyteorder("<")
        count = prod(spec.shape)
        if at + count * dtype.itemsize > len(raw):
            raise UsageError(f"{INPUTS} is damaged: it is too short", "export again, with --force")
        values = np.frombuffer(raw, dtype, count, at)
        arrays[spec.name] = values.reshape(spec.shape).astype(spec.dtype)
        at += values.nbytes
    return arrays


def reference_outputs(
    onnx: Path, samples: Sequence[Arrays]
) -> tuple[list[Arrays], list[list[Array]]]:
    """Return ONNX Runtime's outputs, and the samples without those that it refuses.

    The first must run: it was proven. Raises ConversionError if it doesn't.
    """
    kept, results = [samples[0]], run_onnx(onnx, samples[:1])
    for sample in samples[1:]:
        try:
            (outputs,) = run_onnx(onnx, [sample])
        except ConversionError:
            continue
        if all(np.isfinite(each).all() for each in outputs if each.dtype.kind == "f"):
            kept.append(sample)
            results.append(outputs)
    return kept, results


def _samples(base: Manifest) -> list[Arrays]:
    if base.samples_path is None:
        return []
    try:
        if sha256_of(Path(base.samples_path)) != base.samples_sha256:
            return []
        return load_samples(Path(base.samples_path), base.inputs)
    except (OSError, UsageError):
        return []


def _domain(proven: ProvenInput) -> Domain | None:
    """Return the range that values were drawn from; floats that nobody bounded have none."""
    if proven.low is None or proven.high is None:
        return None
    if proven.origin == "type" and np.dtype(proven.dtype).kind == "f":
        return None
    return Domain(proven.low, proven.high, proven.origin)
