"""The part of a history that a page shows, as the file history.json inside it.

A store has every model and launch; a page carries what its own models were over the last commits.
Commits, files and circumstances stand there once, since most points share them.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec

from asymm_deploy.errors import UsageError
from asymm_deploy.history.history_series import (
    HISTORY_UNITS,
    TIMED_METRICS,
    HistoryMetric,
    HistoryPoint,
    HistorySeries,
    history_series,
)
from asymm_deploy.history.history_store import HistoryStore
from asymm_deploy.history.told.accepted_steps import AcceptedChange, accepted_changes
from asymm_deploy.history.told.find_series import models_in
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted
from asymm_deploy.versioned import DamagedError, decode_json

HISTORY_NAME = "history.json"
_SCHEMA_VERSION = 1
_MOST_COMMITS = 200
"""The latest of each series."""
_MOST_POINTS = 12_000
"""Of all series together: with more, fewer commits are shown, and at least a few."""
_FEWEST_COMMITS = 30
_HINT = "make the page again from the results and the history"

_Part = TypeVar("_Part")


class _Commit(msgspec.Struct, frozen=True, array_like=True):
    commit: str
    branch: str | None
    commit_time: datetime.datetime
    dirty: bool
    branches: tuple[str, ...] = ()


class _Point(msgspec.Struct, frozen=True, array_like=True):
    commit: int
    """Where it stands among the commits; likewise the file and the circumstances."""
    file: int
    circumstances: int
    left_out: int
    values: tuple[float, ...]
    low: float | None
    high: float | None
    flags: tuple[str, ...]
    row_flags: tuple[str, ...] = ()


class _Series(msgspec.Struct, frozen=True, kw_only=True):
    metric: HistoryMetric
    model: str
    device: str | None
    soc: str | None
    engine: str | None
    precision: str | None
    threads: int | None
    input_shape: str | None
    classes: int | None
    of: str | None
    left_out: int
    """Earlier commits, which are not here."""
    points: tuple[_Point, ...]


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: int
    folder: str
    """Name of the store's folder."""
    commits: tuple[_Commit, ...]
    files: tuple[str | None, ...]
    circumstances: tuple[tuple[str | None, ...], ...]
    series: tuple[_Series, ...]
    accepted: tuple[AcceptedChange, ...]


@dataclass(frozen=True, slots=True)
class RememberedHistory:
    """What is in a history.json."""

    folder: str
    series: tuple[HistorySeries, ...]
    accepted: tuple[AcceptedChange, ...]
    left_out: int
    """The most commits that a series had before those that are here."""

    def meeting(self, wanted: RowFilter) -> RememberedHistory:
        """Return the series that a page of these rows shows: what does not depend on it, too."""
        kept = [each for each in self.series if _meets(each, wanted)]
        return replace(self, series=tuple(kept))


def _meets(series: HistorySeries, wanted: RowFilter) -> bool:
    engine, _, backend = (series.engine or "").partition(" (")[0].partition(" on ")
    timed = series.metric in TIMED_METRICS
    pairs = (
        (wanted.device, series.device),
        (wanted.engine, engine or None),
        (wanted.precision, series.precision),
        (wanted.threads, series.threads),
        (wanted.backend, (backend or "cpu") if timed else None),
    )
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def remembered(store: HistoryStore, models: Collection[str]) -> bytes:
    """Return the history.json of these models.

    Raises UsageError if the store can't be decoded, or has none of them.
    """
    every = [
        each
        for metric in HISTORY_UNITS
        for each in history_series(store, metric)
        if each.model in models
    ]
    if not every:
        there = ", ".join(map(excerpt, models_in(store)[:12])) or "nothing"
        raise UsageError(
            f"the history in {store.folder} has none of the models in the results",
            f"leave --history out, or add their results to it; there is: {there}",
        )
    most = max(_FEWEST_COMMITS, min(_MOST_COMMITS, _MOST_POINTS // len(every)))
    commits: dict[_Commit, int] = {}
    files: dict[str | None, int] = {}
    circumstances: dict[tuple[str | None, ...], int] = {}
    series = []
    for each in every:
        points = tuple(
            _Point(
                _place(commits, _commit(point)),
                _place(files, point.artifact_sha256),
                _place(circumstances, point.circumstances),
                point.left_out,
                tuple(map(_short, point.values)),
                point.low,
                point.high,
                point.flags,
                point.row_flags,
            )
            for point in each.points[-most:]
        )
        series.append(_told(each, points, max(0, len(each.points) - most)))
    document = _Document(
        schema_version=_SCHEMA_VERSION,
        folder=store.folder.absolute().name,
        commits=tuple(commits),
        files=tuple(files),
        circumstances=tuple(circumstances),
        series=tuple(series),
        accepted=tuple(accepted_changes(store, sorted({each.model for each in every}))),
    )
    return msgspec.json.encode(document) + b"\n"


def history_in(content: bytes, path: Path) -> RememberedHistory:
    """Return what a history.json holds; raise UsageError, with ``path``, if it is damaged."""
    try:
        found = decode_json(content, _Document, _SCHEMA_VERSION, where=str(path), hint=_HINT)
        series = tuple(_whole(each, found) for each in found.series)
    except (DamagedError, LookupError) as error:
        raise UsageError(f"{path} is damaged: {error}", _HINT) from error
    left_out = max((each.left_out for each in found.series), default=0)
    return RememberedHistory(found.folder, series, found.accepted, left_out)


def cut_words(history: RememberedHistory) -> list[str]:
    """Return a sentence on commits that are not here, if there are any."""
    if not history.left_out:
        return []
    return [f"Up to {counted(history.left_out, 'earlier commit')} of a series are not shown."]


def _place(known: dict[_Part, int], part: _Part) -> int:
    return known.setdefault(part, len(known))


def _short(value: float) -> float:
    """Return a value with the digits that a clock of nanoseconds gives."""
    return round(value, 7)


def _commit(point: HistoryPoint) -> _Commit:
    return _Commit(
        point.commit, point.branch, point.commit_time, point.dirty, branches=point.branches
    )


def _told(series: HistorySeries, points: tuple[_Point, ...], left_out: int) -> _Series:
    return _Series(
        metric=series.metric,
        model=series.model,
        device=series.device,
        soc=series.soc,
        engine=series.engine,
        precision=series.precision,
        threads=series.threads,
        input_shape=series.input_shape,
        classes=series.classes,
        of=series.of,
        left_out=left_out,
        points=points,
    )


def _whole(series: _Series, document: _Document) -> HistorySeries:
    return HistorySeries(
        metric=series.metric,
        model=series.model,
        device=series.device,
        soc=series.soc,
        engine=series.engine,
        precision=series.precision,
        threads=series.threads,
        input_shape=series.input_shape,
        classes=series.classes,
        of=series.of,
        points=tuple(_points(series.points, document)),
    )


def _points(points: Sequence[_Point], document: _Document) -> Iterable[HistoryPoint]:
    for point in points:
        if min(point.commit, point.file, point.circumstances) < 0:
            raise IndexError("a point is of no commit")
        commit = document.commits[point.commit]
        yield HistoryPoint(
            value=float(median(point.values)) if point.values else None,
            values=point.values,
            commit=commit.commit,
            branch=commit.branch,
            branches=commit.branches,
            commit_time=commit.commit_time,
            dirty=commit.dirty,
            low=point.low,
            high=point.high,
            left_out=point.left_out,
            flags=point.flags,
            row_flags=point.row_flags,
            artifact_sha256=document.files[point.file],
            circumstances=document.circumstances[point.circumstances],
        )
