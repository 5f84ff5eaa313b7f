"""A store's tables -> for one metric, a value for each commit, of each thing that was measured."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from asymm_deploy.history.asked.sealed_sql import sealed_connection
from asymm_deploy.history.history_schema import HISTORY_TABLES, TableName
from asymm_deploy.history.history_store import HistoryStore

HistoryMetric = Literal["latency", "cold", "first", "sustained", "insn", "top1", "size"]
TIMED_METRICS: frozenset[HistoryMetric] = frozenset({"latency", "cold", "first", "sustained"})
"""Those that a clock measured, with noise."""
HISTORY_UNITS: dict[HistoryMetric, str] = {
    "latency": "ms",
    "cold": "ms",
    "first": "ms",
    "sustained": "ms",
    "insn": "count",
    "top1": "percent",
    "size": "bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """One commit's value of one series."""

    commit: str
    branch: str | None
    """The first of ``branches``; None if none is known."""
    commit_time: datetime.datetime
    """UTC."""
    dirty: bool
    """Whether files were known to differ from the commit when results were added."""
    value: float | None
    """In the metric's unit; None where nothing counts. Latency: median of the launches' medians."""
    values: tuple[float, ...]
    """What ``value`` is the median of, in the order in which it was measured."""
    low: float | None
    """Of an accuracy's interval of 95 %."""
    high: float | None
    left_out: int
    """How many launches (or counts) of the commit's last ones don't count."""
    flags: tuple[str, ...]
    """Of those that are left out, in the order of the alphabet."""
    row_flags: tuple[str, ...] = ()
    """What is wrong with the launches in use, each or all together: launch-spread."""
    artifact_sha256: str | None
    """Of the model.mnn that was measured; None where that is unknown."""
    branches: tuple[str, ...] = ()
    """All that the commit's results were added as of: one that was merged as it is has two."""
    circumstances: tuple[str | None, ...] = ()
    """What else latencies depend on, in the order of CIRCUMSTANCES; empty of other metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySeries:
    """What was measured over commits in one setting; None where a metric doesn't depend on it."""

    metric: HistoryMetric
    model: str
    """With its variant: ``asymmnet_small_035@int8``."""
    device: str | None
    soc: str | None
    """At the last commit; a series is of one device, not of one chip."""
    engine: str | None
    precision: str | None
    threads: int | None
    input_shape: str | None
    classes: int | None
    of: str | None
    """What else values depend on: a cost's key; an accuracy's weights, samples and recipe."""
    points: tuple[HistoryPoint, ...]
    """By commit_time; those of one time in the order in which they were added."""


CIRCUMSTANCES = {
    "chip": "soc",
    "system": "os",
    "core": "cpus",
    "engine": "engine_version",
    "runner": "concat_ws(' ', runner, runner_version)",
    "runs per launch": "runs::varchar",
    "warm-up": "warmup::varchar",
}
"""What a change of latency may come from besides the model, and where it is in `launches`."""
_OF_LAUNCHES_ALONE = frozenset({"runs per launch"})
"""What is no circumstance of a launch that lasts: it runs as often as it can."""
_KEY = ("model", "device", "engine", "precision", "threads", "input_shape", "classes")
_FROM: dict[HistoryMetric, tuple[TableName, str, str, str, str, str]] = {
    # table, value, order, what else it depends on, low and high, which rows
    "latency": (
        *("launches", "median_ns / 1e6", "started_at, launch", "null::varchar"),
        *("null::double, null::double", "in_use and partner is null"),
    ),
    "cold": (
        *("cold", "cold_ns / 1e6", "started_at, launch", "null::varchar"),
        "null::double, null::double",
        "in_use and pass = 'times' and (cold_ns is not null or not counts)",
    ),
    "first": (
        *("cold", "first_ns / 1e6", "started_at, launch", "null::varchar"),
        *("null::double, null::double", "in_use and pass = 'times'"),
    ),
    "sustained": (
        *("sustained", "sustained_ns / 1e6", "started_at"),
        "concat_ws(', ', format('{:g} s', for_s), format('every {:g} ms', every_ms))",
        *("null::double, null::double", "in_use"),
    ),
    "insn": (*("costs", "insn", "line", "cost_key", "null::double, null::double", "in_use"),),
    "top1": (
        *("accuracies", "percent", "metric"),
        "concat_ws(', ', weights, samples || ' samples', preprocess)",
        *("low_percent, high_percent", "in_use and metric = 'top1'"),
    ),
    "size": (
        *("sizes", "mnn_bytes", "added_at", "null::varchar"),
        *("null::double, null::double", "in_use and mnn_bytes is not null"),
    ),
}


def history_series(
    store: HistoryStore,
    metric: HistoryMetric,
    *,
    model: str | None = None,
    device: str | None = None,
) -> list[HistorySeries]:
    """Return every series of a metric, by model and setting; those of one ``model`` or ``device``.

    Points of commits where nothing counts are there, without a value. Raises UsageError if the
    store can't be decoded.
    """
    name, sql = _FROM[metric][0], _question(metric)
    columns = [column for column in HISTORY_TABLES[name] if re.search(rf"\b{column}\b", sql)]
    with sealed_connection({name: store.table(name, columns)}) as connection:
        rows = connection.execute(sql, [model, model, device, device]).fetchall()
    branches = _branches(store)
    found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row[: len(_KEY) + 1], []).append(row[len(_KEY) + 1 :])
    return [
        HistorySeries(
            metric=metric,
            **dict(zip(_KEY, key, strict=False)),
            of=key[-1],
            soc=next((row[-2] for row in reversed(points) if row[-2] is not None), None),
            points=tuple(_point(row, branches.get(row[0], ())) for row in points),
        )
        for key, points in found.items()
    ]


def _question(metric: HistoryMetric) -> str:
    """Return SQL of our own words alone; it asks for the model and the device, each twice."""
    name, value, order, extra, limits, which = _FROM[metric]
    low, high = limits.split(", ")
    key = ", ".join(_KEY)
    told = [
        "null::varchar" if metric == "sustained" and name in _OF_LAUNCHES_ALONE else each
        for name, each in CIRCUMSTANCES.items()
    ]
    asked = ", ".join(f"max({each}) filter (counts)" for each in told)
    circumstances = f"[{asked}]" if metric in TIMED_METRICS else "[]::varchar[]"
    real = f"isfinite(value){' and value > 0' if metric in TIMED_METRICS else ''}"
    blamed = "flags"
    if "allowed" in HISTORY_TABLES[name]:  # what was allowed leaves no launch out
        blamed = "[f for f in flags if not list_contains(coalesce(allowed, []::varchar[]), f)]"
    flags = f"list_sort(list_distinct(flatten(list({blamed}) filter (not counts))))"
    row_flags = "list_sort(list_distinct(flatten(list(row_flags) filter (row_flags is not null))))"
    return f"""
        with mine as (
            select *, ({value})::double as value, {low} as low, {high} as high, {extra} as extra
            from {name} where {which}
              and (?::varchar is null or model = ?) and (?::varchar is null or device = ?)
        )
        select {key}, extra,
            "commit", min(commit_time), coalesce(bool_or(dirty), false),
            list(value order by {order}) filter (counts and {real}),
            min(low) filter (counts and isfinite(low)),
            max(high) filter (counts and isfinite(high)),
            count(*) filter (not coalesce(counts, false)),
            {flags if "flags" in HISTORY_TABLES[name] else "[]::varchar[]"},
            {row_flags if "row_flags" in HISTORY_TABLES[name] else "[]::varchar[]"},
            arg_max(artifact_sha256, added_at), arg_max(soc, commit_time),
            {circumstances}
        from mine group by {key}, extra, "commit"
        order by {key}, extra, min(commit_time), min(added_at), "commit"
    """  # noqa: S608


def _branches(store: HistoryStore) -> dict[str, tuple[str, ...]]:
    """Return by commit the branches that something was added as of, in order."""
    found: dict[str, set[str]] = {}
    for row in store.table("entries", ["commit", "branch"]).to_pylist():
        if row["branch"] is not None:
            found.setdefault(row["commit"], set()).add(row["branch"])
    return {commit: tuple(sorted(names)) for commit, names in found.items()}


def _point(row: tuple[Any, ...], branches: tuple[str, ...]) -> HistoryPoint:
    commit, time, dirty, values, low, high, left_out, flags, row_flags, *rest = row
    artifact, _, circumstances = rest
    return HistoryPoint(
        commit=commit,
        branch=branches[0] if branches else None,
        branches=branches,
        commit_time=time.replace(tzinfo=datetime.UTC),
        dirty=dirty,
        value=float(median(values)) if values else None,
        values=tuple(values or ()),
        low=low,
        high=high,
        left_out=left_out,
        flags=tuple(flags or ()),
        row_flags=tuple(row_flags or ()),
        artifact_sha256=artifact,
        circumstances=tuple(circumstances),
    )
