"""Series of a history as text: tables and small pictures for people, CSV and JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from asymm_deploy.history.history_series import HISTORY_UNITS, TIMED_METRICS
from asymm_deploy.history.told.text_plot import PlottedCommit, limits_of, text_plot
from asymm_deploy.history.told.told_series import ToldCommit, ToldSeries
from asymm_deploy.history.told.told_words import (
    change_words,
    marks_of,
    series_sentence,
    series_title,
    step_words,
    value_words,
)
from asymm_deploy.safe import one_line
from asymm_deploy.text import formatted

SHOWN_SCHEMA_VERSION = 1
"""Of the JSON document. Incremented when older readers would misread it."""
_PICTURE_KEY = "^ a level begins here, a one that was accepted"


def shown_tables(told: Sequence[ToldSeries]) -> str:
    """Return for each series a title, a table, a small picture and what there is to see."""
    return "\n\n".join(map(_table, told)) + "\n"


def shown_csv(told: Sequence[ToldSeries]) -> str:
    """Return a row for each commit of each series."""
    rows = [
        {
            key: "" if value is None else _plain(value)
            for key, value in {**_setting(series), **_commit(each, series)}.items()
        }
        for series in told
        for each in series.commits
    ]
    return formatted(rows, "csv")


def shown_json(told: Sequence[ToldSeries]) -> str:
    """Return a document with all series, numbers as they are; docs/history.md has its fields."""
    document = {
        "schema_version": SHOWN_SCHEMA_VERSION,
        "series": [
            {
                **_setting(series),
                "commits": [_commit(each, series) for each in series.commits],
                "notes": list(series.notes),
                "sentence": series_sentence(series),
            }
            for series in told
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _table(told: ToldSeries) -> str:
    metric = told.series.metric
    timed = metric in TIMED_METRICS
    unit = {"percent": "%", "count": "count"}.get(HISTORY_UNITS[metric], HISTORY_UNITS[metric])
    has_interval = any(each.low is not None for each in told.commits)
    rows: list[dict[str, str | int]] = []
    for each in told.commits:
        point = each.point
        row: dict[str, str | int] = {
            "time (UTC)": f"{point.commit_time:%Y-%m-%d %H:%M}",
            "commit": each.commit,
            unit: value_words(metric, point.value),
        }
        if has_interval:
            row["95 % from"] = value_words(metric, each.low)
            row["to"] = value_words(metric, each.high)
        if timed:
            row["launches"] = len(point.values)
        row["change"] = change_words(each.change, told.change_unit)
        row["noticed"] = ", ".join([*marks_of(each), *([_began(each, told)] if each.step else [])])
        rows.append(row)
    if not any(row["noticed"] for row in rows):
        rows = [{key: cell for key, cell in row.items() if key != "noticed"} for row in rows]
    lines = [series_title(told.series), "", formatted(rows, "table")]
    plot = _plot(told)
    if plot:
        lines += ["", *plot]
    lines += ["", series_sentence(told), *told.notes]
    return "\n".join(lines)


def _began(each: ToldCommit, told: ToldSeries) -> str:
    return step_words(each, told.change_unit).replace(f" from commit {each.commit} on", "")


def _plot(told: ToldSeries) -> list[str]:
    commits = [
        PlottedCommit(
            each.point.value, each.level, each.step is not None, each.accepted is not None
        )
        for each in told.commits
    ]
    lowest, highest = limits_of(commits)
    metric = told.series.metric
    lines = text_plot(commits, (value_words(metric, highest), value_words(metric, lowest)))
    return [*lines, _PICTURE_KEY] if lines and told.steps else lines


def _setting(told: ToldSeries) -> dict[str, Any]:
    series = told.series
    return {
        "model": one_line(series.model),
        "metric": series.metric,
        "unit": HISTORY_UNITS[series.metric],
        "device": series.device,
        "soc": series.soc,
        "engine": series.engine,
        "precision": series.precision,
        "threads": series.threads,
        "input_shape": series.input_shape,
        "classes": series.classes,
        "of": series.of,
    }


def _commit(each: ToldCommit, told: ToldSeries) -> dict[str, Any]:
    point, step = each.point, each.step
    return {
        "commit": point.commit,
        "branch": point.branch,
        "commit_time": point.commit_time.isoformat(),
        "dirty": point.dirty,
        "value": _exactly(point.value, told),
        "low": each.low,
        "high": each.high,
        "launches": len(point.values) if told.series.metric in TIMED_METRICS else None,
        "left_out": point.left_out,
        "flags": " ".join(point.flags),
        "row_flags": " ".join(point.row_flags),
        "artifact_sha256": point.artifact_sha256,
        "level": _exactly(each.level, told),
        "change": each.change,
        "change_unit": told.change_unit,
        "step": None if step is None else step.percent,
        "step_low": None if step is None else step.low_percent,
        "step_high": None if step is None else step.high_percent,
        "accepted": None if each.accepted is None else each.accepted.words,
    }


def _exactly(value: float | None, told: ToldSeries) -> float | int | None:
    """Return a count or a size as the whole number that it is."""
    whole = HISTORY_UNITS[told.series.metric] in {"count", "bytes"}
    return int(value) if whole and value is not None and value.is_integer() else value


def _plain(value: object) -> str | int:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return f"{value:.9g}"
    return value.isoformat() if isinstance(value, datetime) else one_line(str(value))
