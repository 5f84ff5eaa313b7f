"""What is to be timed: exported models, and .mnn files as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench import artifact
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.plan import Plan
from asymm_deploy.errors import UsageError
from asymm_deploy.models.source import NamedNetwork, Source

if TYPE_CHECKING:
    from asymm_deploy.export.jobs import ExportOutcome


def bare_files(paths: Sequence[Path], plan: Plan) -> list[Artifact]:
    """Return .mnn files as they are; raise UsageError for another engine than MNN."""
    if paths and plan.engine != "mnn":
        raise UsageError(
            f"{plan.engine} can't run {paths[0]}", "leave out --engine, or give the .onnx file"
        )
    return [artifact.bare(path) for path in paths]


def exported_subject(outcome: ExportOutcome, plan: Plan) -> Artifact | Missing:
    """Return the files that an export left; if it failed, why there are none."""
    source = outcome.request.source
    spec = source.spec if isinstance(source, NamedNetwork) else None
    if outcome.failure is None:
        return artifact.exported(outcome.request.folder, plan.engine, spec)
    return Missing(
        model=source.model,
        reason=outcome.failure.what,
        exit_code=outcome.failure.exit_code,
        network=spec.family if spec else None,
        scale=spec.scale if spec else None,
        multiplier=spec.width if spec else None,
        input_shape=_first_shape(source),
    )


def _first_shape(source: Source) -> tuple[int, ...] | None:
    if isinstance(source, NamedNetwork):
        return source.spec.input_shape
    return source.input_shapes[0].shape if source.input_shapes else None
