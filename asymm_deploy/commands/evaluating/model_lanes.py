"""From an export to the lanes that answer for it: which files, engines, devices and precisions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench import artifact as artifacts
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.records import Precision
from asymm_deploy.commands.evaluating.evaluated_device import EvaluatedDevice
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.lane import BASE_VARIANT, HERE, Lane
from asymm_deploy.evaluate.prediction import ENGINES, EvaluationEngine
from asymm_deploy.export.manifest import MNN, ONNX, damaged_files
from asymm_deploy.models.source import OnnxFile, Source

if TYPE_CHECKING:
    from asymm_deploy.export.manifest import Manifest

_MNN_ALONE: tuple[EvaluationEngine, ...] = ("mnn",)
_ARM = ("aarch64", "arm64")
"""Machines on which MNN computes in fp16; on x86 it computes in fp32 all the same."""


@dataclass(frozen=True, slots=True)
class AskedLanes:
    """What of a model is asked for."""

    engines: tuple[EvaluationEngine, ...]
    """None for all that there are."""
    precisions: tuple[Precision, ...]
    device: EvaluatedDevice


@dataclass(frozen=True, slots=True)
class Files:
    """An export or a variant of it: its folder, and what its manifest says."""

    variant: str
    folder: Path
    made: Manifest
    is_asked_for: bool = True
    """Whether it gets rows; an export is there even if only its variants are asked for."""


@dataclass(frozen=True, slots=True)
class ChosenLanes:
    """The lanes of one model."""

    run: tuple[Lane, ...]
    """All that are run; the first is what the others are compared with."""
    shown: tuple[Lane, ...]
    """Those that get a row, some of which may not be run: they can't be measured here."""


def is_measured(lane: Lane) -> bool:
    """Whether the lane's precision is what its device computes in."""
    return lane.precision == "fp32" or has_fp16(lane.device)


def has_fp16(device: str) -> bool:
    """Whether MNN computes in fp16 there; ``device`` is a lane's."""
    return device != HERE or platform.machine() in _ARM


def lanes_of(asked: AskedLanes, files: Sequence[Files], source: Source) -> ChosenLanes:
    """Return the lanes for an export and its variants, ``files``, of which the export comes first.

    Raises UsageError for an engine that can't run the model, or files that have changed.
    """
    base = files[0]
    engines = _engines(asked.engines, isinstance(source, OnnxFile))
    reference = _lane(base, engines[0], None, "fp32")
    shown: list[Lane] = []
    for each in files:
        _require_whole(each)
        if not each.is_asked_for:
            continue
        for engine in engines if each.variant == BASE_VARIANT else _MNN_ALONE:
            if engine == "mnn" and "mnn" in engines:
                shown += [
                    _lane(each, "mnn", asked.device, precision) for precision in asked.precisions
                ]
            elif asked.device.name == HERE and engine in engines:
                shown.append(_lane(each, engine, None, "fp32"))
    if not shown:
        raise UsageError(
            f"{engines[0]} runs no variants: MNN does", "leave out --engine, or give mnn too"
        )
    run = [reference, *(lane for lane in shown if lane != reference and is_measured(lane))]
    if not any(map(is_measured, shown)):
        run = []
    return ChosenLanes(tuple(run), tuple(shown))


def artifact_of(lane: Lane) -> Artifact:
    """Return a lane's file, as benches know it; raise UsageError if its export is incomplete."""
    return artifacts.exported(lane.path.parent, "mnn")


def _engines(given: Sequence[EvaluationEngine], is_onnx: bool) -> list[EvaluationEngine]:
    if is_onnx and "torch" in given:
        raise UsageError(
            "an .onnx file has no PyTorch module to evaluate", "leave out --engine torch"
        )
    there = [each for each in ENGINES if not (is_onnx and each == "torch")]
    return [each for each in there if not given or each in given]


def _lane(
    files: Files, engine: EvaluationEngine, device: EvaluatedDevice | None, precision: Precision
) -> Lane:
    made = files.made
    return Lane(
        model=made.model.removesuffix(f"@{files.variant}"),
        variant=files.variant,
        engine=engine,
        device=HERE if device is None else device.name,
        device_key="" if device is None else device.key,
        precision=precision,
        path=files.folder / (MNN if engine == "mnn" else ONNX),
        sha256s=(made.fingerprint, *made.files.values()),
        api=made.api,
        output_names=tuple(each.name for each in made.outputs),
    )


def _require_whole(files: Files) -> None:
    changed = damaged_files(files.made, files.folder)
    if changed:
        raise UsageError(
            f"{files.folder / changed[0]} is not the file that was exported",
            "export again, with --force",
        )
