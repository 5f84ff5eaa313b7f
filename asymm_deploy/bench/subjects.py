"""What is to be timed: exported models, and .mnn files as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench import artifact
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.plan import Plan
from asymm_deploy.errors import UsageError
from asymm_deploy.models import names
from asymm_deploy.models.input_shape import shape_text
from asymm_deploy.models.naming.variant_names import variant_model
from asymm_deploy.models.source import NamedNetwork, Source, own_classes, with_given_classes
from asymm_deploy.models.spec import at_resolution

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
        classes=own_classes(source),
    )


@dataclass(frozen=True, slots=True)
class Counterparts:
    """Which networks have an MBV3 of their size to be timed in turns with."""

    pairs: tuple[tuple[str, str], ...] = ()
    """Each network with its MBV3, by name."""
    added: tuple[Source, ...] = ()
    """The MBV3s that are not among what is timed, and have to be exported too."""
    without: tuple[str, ...] = ()
    """What has no MBV3, and is none."""


def counterparts_of(sources: Sequence[Source], bare: Sequence[Path]) -> Counterparts:
    """Return each network with the MBV3 that Table 5 compares it with, of the same input shape.

    Raises UsageError if nothing has one, or if an MBV3 is to be timed at another resolution.
    """
    named = {each.model: each for each in sources if isinstance(each, NamedNetwork)}
    pairs = {
        name: variant_model(base, each.variant)
        for name, each in named.items()
        if (base := names.mbv3_of(each.spec.name)) is not None
    }
    without = [each.model for each in sources if each.model not in pairs]
    without += [path.stem for path in bare]
    if not pairs:
        raise UsageError(
            f"--paired times a network in turns with its MBV3, and {_listed(without)}",
            "name a network of Table 5 that has one, asymmnet_small_100 for example, or leave out "
            "--paired",
        )
    added: dict[str, Source] = {}
    for name, base in pairs.items():
        source = named[name]
        own = named.get(base)
        if own is None and base not in added:
            plain = names.parse(base.partition("@")[0])
            spec = at_resolution(plain, source.spec.input_shape)
            beside = replace(source, spec=spec, given_classes=None)
            added[base] = with_given_classes(beside, source.given_classes)
        elif own is not None and own.spec.input_shape != source.spec.input_shape:
            shapes = [shape_text(x.spec.input_shape) for x in (source, own)]
            raise UsageError(
                f"--paired times {name} in turns with {base}, and their inputs are {shapes[0]} "
                f"and {shapes[1]}",
                "give both the same --input-shape, or leave out --paired",
            )
    others = [name for name in without if name not in named or named[name].spec.family != "mbv3"]
    return Counterparts(tuple(pairs.items()), tuple(added.values()), tuple(others))


def require_alike(pairs: Sequence[tuple[str, str]], sources: Sequence[Source]) -> None:
    """Raise UsageError if a network and its MBV3 differ in classes or in the resolution.

    ``sources`` are as they will be exported: with what the exports that are there say.
    """
    specs = {each.model: each.spec for each in sources if isinstance(each, NamedNetwork)}
    for name, base in pairs:
        one, other = (
            f"{specs[each].told_apart} classes at {shape_text(specs[each].input_shape)}"
            for each in (name, base)
        )
        if one != other:
            raise UsageError(
                f"--paired times {name} in turns with {base}, and they have {one} and {other}",
                "give both the same --classes and --input-shape, or leave out --paired",
            )


def _listed(models: Sequence[str]) -> str:
    shown = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if models[3:] else "")
    return f"{shown} {'has' if len(models) == 1 else 'have'} none"


def _first_shape(source: Source) -> tuple[int, ...] | None:
    if isinstance(source, NamedNetwork):
        return source.spec.input_shape
    return source.input_shapes[0].shape if source.input_shapes else None
