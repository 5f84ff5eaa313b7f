"""Points -> the history of each model, under a name that tells it apart from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.check.history.gate_point import POINT_SETTINGS, GatePoint
from asymm_deploy.errors import UsageError
from asymm_deploy.history.history_series import CIRCUMSTANCES

POINT_CIRCUMSTANCES = ("device", *CIRCUMSTANCES)
"""What may not change within a history."""


@dataclass(frozen=True, slots=True)
class HistoryWays:
    """What people can do about a history, in the words of where it is kept."""

    in_store: bool

    def from_on(self, commit: str, *, mixed: bool = False) -> str:
        """Return how to begin at a commit."""
        if self.in_store:
            return f"give --since {commit}"
        return f"give the files from {'' if mixed else 'commit '}{commit} on" + (
            ", or those before it" if mixed else ""
        )

    def after(self, commit: str) -> str:
        """Return how to leave out all commits up to one."""
        return (
            "give --since with a later one" if self.in_store else f"give the files after {commit}"
        )


def histories_by_name(points: Sequence[GatePoint]) -> dict[str, list[GatePoint]]:
    """Return the points of each history by its name.

    The name is the model's, followed by what tells it from others of that model, its input shape
    for example. The device is part of it only if several were timed for a commit: otherwise another
    device is another circumstance, and not a history of its own.
    """
    devices: dict[str, set[str]] = {}
    for point in points:
        devices.setdefault(point.commit, set()).add(point.device)
    several_devices = any(len(names) > 1 for names in devices.values())
    kinds: dict[str, dict[tuple[str, ...], list[GatePoint]]] = {}
    for point in points:
        kind = tuple(
            text
            for setting, text in zip(POINT_SETTINGS, point.setting, strict=True)
            if setting != "device" or several_devices
        )
        kinds.setdefault(point.model, {}).setdefault(kind, []).append(point)
    named = {}
    for model, of_model in kinds.items():
        differ = [len(set(texts)) > 1 for texts in zip(*of_model, strict=True)]
        for kind, of_one in of_model.items():
            told = ", ".join(text for text, differs in zip(kind, differ, strict=True) if differs)
            named[f"{model} ({told})" if told else model] = of_one
    return named


def refuse_mixed_history(points: Sequence[GatePoint], ways: HistoryWays) -> None:
    """Raise UsageError, naming it and the commit, if something changed that times depend on."""
    for point in points[1:]:
        first = points[0]
        moved = zip(POINT_CIRCUMSTANCES, _circumstances(first), _circumstances(point), strict=True)
        for name, then, now in moved:
            if then != now:
                model = first.model
                raise UsageError(
                    f"{model}: its {name} was {then} at {first.commit} and is {now} at "
                    f"{point.commit}: these can't be one history",
                    ways.from_on(point.commit, mixed=True),
                )


def point_circumstances(point: GatePoint) -> str:
    """Return how a point's launches were made, on one line."""
    told = zip(POINT_CIRCUMSTANCES, _circumstances(point), strict=True)
    return ", ".join(f"{name} {value}" for name, value in told)


def _circumstances(point: GatePoint) -> tuple[str, ...]:
    return (point.device, *point.circumstances)
