"""Which series of a store are meant; errors name what there is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches

from asymm_deploy.errors import UsageError
from asymm_deploy.history.history_schema import TableName
from asymm_deploy.history.history_series import (
    HISTORY_UNITS,
    HistoryMetric,
    HistorySeries,
    history_series,
)
from asymm_deploy.history.history_store import HistoryStore
from asymm_deploy.safe import excerpt

_TABLES: tuple[TableName, ...] = ("launches", "cold", "sustained", "costs", "accuracies", "sizes")
_MOST_NAMED = 12


def models_in(store: HistoryStore) -> list[str]:
    """Return the models of which something was measured, in the order of the alphabet."""
    found: set[str] = set()
    for name in _TABLES:
        found.update(store.table(name, ["model"]).column("model").unique().to_pylist())
    return sorted(found - {None})


def found_series(
    store: HistoryStore,
    model: str,
    metric: HistoryMetric,
    device: str | None = None,
    branch: str | None = None,
) -> list[HistorySeries]:
    """Return the series of one model: one for each device and setting in which it was measured.

    Raises UsageError, naming what there is, if there is none.
    """
    every = history_series(store, metric, model=model)
    if not every:
        _refuse_without_any(store, model, metric)
    devices = {each.device or "" for each in every} - {""}
    if device is not None and devices and device not in devices:
        raise UsageError(
            f"{excerpt(model)} has no {metric} on {excerpt(device)!r}",
            f"{_near(device, devices)}there is: {_listed(devices)}",
        )
    mine = [each for each in every if device is None or each.device in {device, None}]
    if branch is None:
        return mine
    found = [each for each in (of_branch(each, branch) for each in mine) if each.points]
    if not found:
        branches = {name for each in mine for point in each.points for name in point.branches}
        named = f"there is: {_listed(branches)}" if branches else "no branch is known of any"
        raise UsageError(
            f"{excerpt(model)} has no {metric} on a branch {excerpt(branch)!r}",
            f"{_near(branch, branches)}{named}",
        )
    return found


def of_branch(series: HistorySeries, branch: str | None) -> HistorySeries:
    """Return a series with the commits of one branch alone; with all of them if it is None."""
    if branch is None:
        return series
    points = tuple(
        replace(point, branch=branch) for point in series.points if branch in point.branches
    )
    return replace(series, points=points)


def _refuse_without_any(store: HistoryStore, model: str, metric: HistoryMetric) -> None:
    models = models_in(store)
    if model not in models:
        if not models:
            raise UsageError(
                f"the history in {store.folder} is empty",
                "add results with `asymm-deploy history add RESULTS`",
            )
        raise UsageError(
            f"the history in {store.folder} has no model {excerpt(model)!r}",
            f"{_near(model, models)}there is: {_listed(models)}",
        )
    others = [each for each in HISTORY_UNITS if history_series(store, each, model=model)]
    raise UsageError(
        f"the history in {store.folder} has no {metric} of {excerpt(model)}",
        f"there is: {', '.join(f'--metric {each}' for each in others) or 'nothing that counts'}",
    )


def _near(name: str, names: Collection[str]) -> str:
    near = get_close_matches(name, list(names), 3, 0.6)
    return f"did you mean {' or '.join(map(excerpt, near))}? " if near else ""


def _listed(names: Collection[str] | Sequence[str]) -> str:
    ordered = sorted(map(excerpt, names))
    more = len(ordered) - _MOST_NAMED
    return ", ".join(ordered[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
