"""Points -> the history of each model, under a name that tells it apart from others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.history.commit_points import CommitPoint
from asymm_deploy.errors import UsageError

_SETTINGS: dict[str, Callable[[LaunchRecord], str]] = {
    "input shape": lambda record: "x".join(map(str, record.input_shape or ("unknown shape",))),
    "device": lambda record: record.device,
    "engine": lambda record: record.engine,
    "precision": lambda record: record.precision,
    "back end": lambda record: record.backend,
    "threads": lambda record: f"{record.threads} thread{'s' * (record.threads != 1)}",
}
_CIRCUMSTANCES: dict[str, Callable[[CommitPoint], object]] = {
    "device": lambda point: point.record.device,
    "chip": lambda point: point.launches[0].device_facts.soc,
    "system": lambda point: point.launches[0].device_facts.os,
    "core": lambda point: "+".join(map(str, point.launches[0].cpus)) or "none",
    "engine": lambda point: point.launches[0].engine_version,
    "runner": lambda point: f"{point.launches[0].runner} {point.launches[0].runner_version}",
    "runs per launch": lambda point: max(record.runs for record in point.launches),
    "warm-up": lambda point: point.launches[0].warmup,
}


def histories_by_name(points: Sequence[CommitPoint]) -> dict[str, list[CommitPoint]]:
    """Return the points of each history by its name.

    The name is the model's, followed by what tells it from others of that model, its input shape
    for example. The device is part of it only if several were timed for a commit: otherwise another
    device is another circumstance, and not a history of its own.
    """
    devices: dict[str, set[str]] = {}
    for point in points:
        devices.setdefault(point.commit, set()).add(point.record.device)
    several_devices = any(len(names) > 1 for names in devices.values())
    kinds: dict[str, dict[tuple[str, ...], list[CommitPoint]]] = {}
    for point in points:
        kind = tuple(
            text_of(point.record)
            for setting, text_of in _SETTINGS.items()
            if setting != "device" or several_devices
        )
        kinds.setdefault(point.record.model, {}).setdefault(kind, []).append(point)
    named = {}
    for model, of_model in kinds.items():
        differ = [len(set(texts)) > 1 for texts in zip(*of_model, strict=True)]
        for kind, of_one in of_model.items():
            told = ", ".join(text for text, differs in zip(kind, differ, strict=True) if differs)
            named[f"{model} ({told})" if told else model] = of_one
    return named


def refuse_mixed_history(points: Sequence[CommitPoint]) -> None:
    """Raise UsageError, naming it and the commit, if something changed that times depend on."""
    for point in points[1:]:
        first = points[0]
        for name, value_at in _CIRCUMSTANCES.items():
            then, now = value_at(first), value_at(point)
            if then != now:
                model = first.record.model
                raise UsageError(
                    f"{model}: its {name} was {then} at {first.commit} and is {now} at "
                    f"{point.commit}: these can't be one history",
                    f"give the files from {point.commit} on, or those before it",
                )


def point_circumstances(point: CommitPoint) -> str:
    """Return how a point's launches were made, on one line."""
    return ", ".join(f"{name} {value_at(point)}" for name, value_at in _CIRCUMSTANCES.items())
