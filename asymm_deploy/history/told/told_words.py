"""What a series says, in words and as rows for tables."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from asymm_deploy.history.history_series import (
    HISTORY_UNITS,
    TIMED_METRICS,
    HistoryMetric,
    HistorySeries,
)
from asymm_deploy.history.told.told_series import ToldCommit, ToldSeries, spoiling
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

METRIC_NAMES: dict[HistoryMetric, str] = {
    "latency": "latency",
    "cold": "cold start",
    "first": "first run",
    "sustained": "sustained latency",
    "insn": "instructions",
    "top1": "top-1 accuracy",
    "size": "size",
}
_MOST_STEPS = 6
"""Steps that are told in a sentence."""


def setting_words(series: HistorySeries) -> str:
    """Return in what setting a series was measured: the device, then what else is known."""
    threads = series.threads if series.metric in TIMED_METRICS else None
    parts = [
        series.device,
        series.engine,
        series.precision,
        None if threads is None else counted(threads, "thread"),
        series.input_shape,
        None if series.classes is None else counted(series.classes, "class"),
        series.of if series.metric in {"top1", "sustained"} else None,
        _key_words(series.of) if series.metric == "insn" and series.of else None,
    ]
    return ", ".join(one_line(part) for part in parts if part)


def _key_words(key: str) -> str:
    """Return the processor of a cost's key, and a hash: counts compare only within one key."""
    digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()[:8]
    return f"{key.partition('/')[0]} (key {digest})"


def series_title(series: HistorySeries) -> str:
    """Return a title: the model, the metric with its unit, and the setting."""
    words = setting_words(series)
    unit = HISTORY_UNITS[series.metric]
    named = f"{one_line(series.model)}, {METRIC_NAMES[series.metric]}"
    return f"{named} ({'%' if unit == 'percent' else unit}){f', {words}' if words else ''}"


def value_words(metric: HistoryMetric, value: float | None) -> str:
    """Return a value as people read it, without its unit; nothing if there is none."""
    if value is None:
        return ""
    if metric in TIMED_METRICS:
        return f"{value:.3f}" if value < 1000 else f"{value:,.1f}"
    return f"{value:.2f}" if metric == "top1" else f"{value:,.0f}"


def change_words(change: float | None, unit: str) -> str:
    """Return a change with its sign; what is too small to show is no 0."""
    if change is None:
        return ""
    if change == 0:
        return f"0 {unit}"
    if math.isinf(change):
        return "up from 0"
    digits = 2 if unit == "points" or abs(change) < 1 else 1
    text = f"{change:+.{digits}f}"
    if float(text) == 0:
        text = f"{change:+.1g}"
    return f"{text} {unit}"


def step_words(commit: ToldCommit, unit: str) -> str:
    """Return what began at a commit; nothing where no new level begins."""
    step = commit.step
    if step is None:
        return ""
    told = change_words(step.percent, unit)
    if step.low_percent is not None and step.high_percent is not None:
        told += f" ({step.low_percent:+.1f} to {step.high_percent:+.1f})"
    told += f" from commit {commit.commit} on"
    if commit.accepted is not None:
        told += f", accepted: {commit.accepted.words}"
    return told


def series_sentence(told: ToldSeries) -> str:
    """Return what there is to see in a series, in a sentence or two."""
    counting = [each for each in told.commits if each.point.value is not None]
    if not counting:
        return "Nothing counts."
    last = counting[-1]
    metric = told.series.metric
    unit = {"percent": " %", "count": ""}.get(HISTORY_UNITS[metric], f" {HISTORY_UNITS[metric]}")
    now = f"{value_words(metric, last.point.value)}{unit} at the last commit, {last.commit}."
    over = f"{counted(len(counting), 'commit')}"
    steps = told.steps
    if not steps:
        is_timed = metric in TIMED_METRICS
        found = "nothing stands out from the noise" if is_timed else "nothing changed"
        if not told.can_tell:
            found = "no step can be told from noise yet"
        return f"{now} Over {over} {found}."
    words = [step_words(each, told.change_unit) for each in steps[-_MOST_STEPS:]]
    more = f"the last {_MOST_STEPS} of " * (len(steps) > _MOST_STEPS)
    return f"{now} Over {over} {more}{counted(len(steps), 'change')}: {'; '.join(words)}."


def marks_of(commit: ToldCommit) -> Sequence[str]:
    """Return what is remarkable about a commit's point, in a word each."""
    point = commit.point
    found = list(map(one_line, spoiling(point.flags))) if point.left_out else []
    if point.left_out:
        found.insert(0, f"{point.left_out} left out")
    if point.value is not None:
        found += [one_line(flag) for flag in spoiling(point.row_flags) if flag not in found]
    if point.dirty:
        found.append("dirty")
    return found
