"""The files of an export -> those of a variant, proven; runs in a worker process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Array, Arrays
from asymm_deploy.errors import NumericsError, UsageError
from asymm_deploy.export import manifest
from asymm_deploy.export.inputs import recorded_bytes
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.export.mnn import run_mnn, to_mnn
from asymm_deploy.export.quantize.file_proof import (
    WEIGHT_BITS,
    FileFacts,
    int8_operators,
    prove_weights,
    require_weights,
    with_weights_of,
)
from asymm_deploy.export.quantize.int8_file import (
    METHOD,
    prove_int8,
    taken_images,
    takes_image,
    write_int8,
)
from asymm_deploy.export.quantize.mixed_variant import keep_means_whole, make_mixed
from asymm_deploy.export.quantize.output_proof import (
    LEAST_SQNR_DB,
    limits_as_timed,
    prove_outputs,
    prove_same,
)
from asymm_deploy.export.quantize.proof_inputs import proof_inputs, reference_outputs
from asymm_deploy.export.quantize.variant import CalibrationImages, Mixed, Variant
from asymm_deploy.export.quantize.variant_request import VariantRequest
from asymm_deploy.files import sha256_of
from asymm_deploy.models.naming.variant_names import VariantName

OPTIONS: dict[VariantName, tuple[str, ...]] = {
    "half": ("--fp16",),
    "w8": ("--weightQuantBits", "8", "--hqq"),
    "w4": ("--weightQuantBits", "4", "--hqq"),
}
"""Of the converter. HQQ (half-quadratic quantisation) gives each row a zero of its own."""
REFUSED = "refused.mnn"
"""A variant's file that was not good enough, kept so that it can be looked into."""


def make_variant(request: VariantRequest, scratch: Path, notes: list[str]) -> Manifest:
    """Make, prove and write the files of a variant; return their manifest.

    The export that it is made of must be there. ``scratch`` is an empty folder on the file system
    of the artifacts; remarks are appended to ``notes``. Raises UsageError, ConversionError or
    NumericsError; then no file of the variant has been touched.
    """
    base = request.base_manifest()
    _take(request.base.folder / manifest.ONNX, scratch / manifest.ONNX)
    if request.variant in ("int8", "int8-mixed"):
        return _made_int8(request, base, scratch, notes)
    options = OPTIONS[request.variant]
    to_mnn(scratch / manifest.ONNX, scratch / manifest.MNN, options)
    facts = prove_weights(
        request.variant, scratch / manifest.MNN, request.base.folder / manifest.MNN
    )
    samples = proof_inputs(base, request.base.folder)
    method = f"converter {' '.join(options)}"
    return _proven(request, base, scratch, samples, facts, method, notes)


def _made_int8(
    request: VariantRequest, base: Manifest, scratch: Path, notes: list[str]
) -> Manifest:
    """Make ``int8``: its ranges come from images, and so do the inputs of its proof."""
    asked = request.calibration or request.recorded_calibration()
    if asked is None:
        raise UsageError(
            f"{request.text} has not been made, and needs images to be made from",
            f"{request.base.again('--quantize', request.variant, '--images', 'FOLDER')}",
        )
    before, made = request.base.folder / manifest.MNN, scratch / manifest.MNN
    taken = takes_image(base)
    require_weights(request.variant, before)
    images = taken_images(asked, taken, scratch / "images")
    mixed = None
    if request.variant == "int8":
        write_int8(before, made, scratch / "images", taken, asked)
        facts = prove_int8(made, before)
        keep_means_whole(made, request.base.folder, images.samples)
    else:
        whole, wanted = scratch / "int8.mnn", request.wanted_mixing()
        write_int8(before, whole, scratch / "images", taken, asked)
        prove_int8(whole, before)
        found = make_mixed(whole, base, request.base.folder, made, images.samples, scratch, wanted)
        facts = int8_operators(made, before)
        mixed = Mixed(
            wanted=wanted, in_fp32=found.in_fp32, int8_db=found.int8_db, sqnr_db=found.sqnr_db
        )
        notes.append(
            f"{len(found.in_fp32)} of {len(found.sensitivities)} operators stay in fp32: "
            f"{found.sqnr_db:.1f} dB, {found.int8_db:.1f} with all in int8"
        )
    notes += images.notes
    return _proven(
        request,
        base,
        scratch,
        images.samples,
        facts,
        METHOD if mixed is None else f"{METHOD}; converter --compressionParamsFile",
        notes,
        images=images.record,
        mixed=mixed,
    )


def _proven(
    request: VariantRequest,
    base: Manifest,
    scratch: Path,
    samples: list[Arrays],
    facts: FileFacts,
    method: str,
    notes: list[str],
    images: CalibrationImages | None = None,
    mixed: Mixed | None = None,
) -> Manifest:
    """Prove the file in ``scratch`` over ``samples``, and publish it."""
    samples, expected = reference_outputs(scratch / manifest.ONNX, samples)
    file = scratch / manifest.MNN
    found = _run(base, file, samples, scratch)
    name, limit = request.variant, LEAST_SQNR_DB[request.variant] if _is_trained(base) else None
    try:
        same_db = _same(request, base, found, samples, scratch)
        proof = prove_outputs(name, base.outputs, expected, found, limit)
    except NumericsError as error:
        raise _kept_refused(request, base, file, error) from error
    (timed,) = _run(base, file, samples[:1], scratch, as_timed=True)
    notes += proof.notes
    arrays: dict[str, Any] = {f"output_{i}": each for i, each in enumerate(expected[0])}
    arrays |= {
        f"mnn_{i}": theirs
        for i, (ours, theirs) in enumerate(zip(expected[0], timed, strict=True))
        if ours.size != theirs.size
    }
    np.savez(scratch / manifest.REFERENCE, allow_pickle=False, **arrays)
    first = [samples[0][spec.name] for spec in base.inputs]
    (scratch / manifest.INPUTS).write_bytes(recorded_bytes(first))
    variant = Variant(
        name=name,
        of=base.model,
        of_mnn_sha256=base.files[manifest.MNN],
        method=method,
        weight_bits=WEIGHT_BITS[name],
        arithmetic="int8" if images is not None else "fp32",
        operators=facts.operators,
        changed_operators=facts.changed,
        weights_db=facts.weights_db,
        outputs=proof.outputs,
        limit_db=limit,
        same_db=same_db,
        trained=_is_trained(base),
        mnn_bytes=file.stat().st_size,
        of_mnn_bytes=(request.base.folder / manifest.MNN).stat().st_size,
        images=images,
        mixed=mixed,
    )
    notes += _told(variant)
    made = msgspec.structs.replace(
        base,
        model=request.source.model,
        source=request.text,
        output_limits=limits_as_timed(base.output_limits, expected[0], timed),
        stages=msgspec.structs.replace(base.stages, mnn=proof.report),
        variant=variant,
        files={name: sha256_of(scratch / name) for name in manifest.EXPORT_FILES},
        fingerprint=request.fingerprint(),
    )
    _publish(made, scratch, request.folder)
    return made


def _run(
    base: Manifest, file: Path, samples: list[Arrays], scratch: Path, *, as_timed: bool = False
) -> list[list[Array]]:
    return run_mnn(
        file,
        samples,
        base.outputs,
        scratch,
        inputs=base.inputs,
        api=base.api,
        as_timed=as_timed,
    )


def _is_trained(base: Manifest) -> bool:
    """Whether weights were given; a definition's own count as such."""
    return base.weights != "seed"


def _same(
    request: VariantRequest,
    base: Manifest,
    found: list[list[Array]],
    samples: list[Arrays],
    scratch: Path,
) -> float | None:
    """Compare the variant's outputs with those of the fp32 file with its weights."""
    if request.variant not in OPTIONS:
        return None
    twin = scratch / "twin.mnn"
    with_weights_of(scratch / manifest.MNN, request.base.folder / manifest.MNN, twin)
    expected = _run(base, twin, samples, scratch)
    return prove_same(request.variant, base.outputs, expected, found)


def _told(variant: Variant) -> list[str]:
    """Return what a user should know of the variant."""
    notes = []
    if not variant.trained:
        notes.append(
            "random weights amplify what is rounded off: of a trained model's accuracy this says "
            "nothing"
        )
    if variant.mnn_bytes >= variant.of_mnn_bytes:
        notes.append(
            f"the file is no smaller, {variant.mnn_bytes} bytes of {variant.of_mnn_bytes}: each "
            "operator's table takes more than its few weights"
        )
    if variant.sqnr_db is None:
        notes.append("no output is a number that can be compared: only the weights are proven")
    return notes


def _kept_refused(
    request: VariantRequest, base: Manifest, file: Path, error: NumericsError
) -> NumericsError:
    """Keep the file for ``explain``, and return the error with the command that looks into it."""
    request.folder.mkdir(parents=True, exist_ok=True)
    kept = request.folder / REFUSED
    file.replace(kept)
    reference = request.base.folder / manifest.ONNX
    if base.api == "module":
        return NumericsError(
            error.what,
            f"take a variant with more bits; the file is kept as {kept}, but of a model with "
            "loops or branches MNN doesn't tell operator by operator",
        )
    return NumericsError(
        error.what,
        f"see which operator loses it: asymm-deploy explain {kept} --reference {reference}",
    )


def _take(source: Path, target: Path) -> None:
    """Link a file that never changes, or copy it where a file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _publish(made: Manifest, scratch: Path, folder: Path) -> None:
    """Move the files to their place one by one, the manifest last: it vouches for the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in manifest.EXPORT_FILES:
        (scratch / name).replace(folder / name)
    (folder / REFUSED).unlink(missing_ok=True)
    manifest.save_manifest(made, folder)
