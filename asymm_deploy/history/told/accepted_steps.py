"""Which steps of a history somebody accepted with ``baseline accept``.

A decision is kept with the baseline, which knows no commit. It marks a step in one of two ways:

- It replaced the baseline's file: the step is where that file is first seen in the history.
- It allows a metric to grow by so much: the largest step that is allowed, at most ten commits
  before the decision was made, or first came into the store with a commit's results.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from asymm_deploy.history.history_series import HistoryMetric
from asymm_deploy.history.history_store import HistoryStore
from asymm_deploy.history.told.history_levels import LevelStep
from asymm_deploy.safe import one_line

_CALLED: Mapping[HistoryMetric, str] = {
    "latency": "latency",
    "insn": "instructions",
    "size": "mnn_size",
}
"""What a baseline calls a metric; it accepts no accuracies."""
_OFF_BY = 2
"""Commits. Where a noisy level begins may be told that much too early or too late."""
_SOON = 10
"""Commits. A decision is not about a step that is older than that."""
_ROUNDING_PERCENT = 1e-6


class AcceptedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, from the table ``accepted``."""

    model: str
    metric: str | None
    """As `check` calls it; None: all, since the file was replaced."""
    up_to_percent: float | None
    reason: str
    accepted_by: str
    accepted_at: datetime.datetime
    """UTC."""
    artifact_sha256: str | None
    """Of the file that became the baseline."""
    commit_time: datetime.datetime
    """UTC. Of the first commit in the store whose results came with it."""

    @property
    def words(self) -> str:
        """Why, by whom and when."""
        by, day = one_line(self.accepted_by), self.accepted_at.date()
        return f"{one_line(self.reason)} ({by}, {day})"


class DatedFile(Protocol):
    """A commit's file, and when it was made; None where that is not known."""

    @property
    def artifact_sha256(self) -> str | None:
        """Of its model.mnn."""
        ...

    @property
    def commit_time(self) -> datetime.datetime | None:
        """UTC. Commits without come last."""
        ...


def accepted_changes(store: HistoryStore, models: Sequence[str]) -> list[AcceptedChange]:
    """Return the decisions on ``models``, in the order in which they were made.

    Raises UsageError if the store can't be decoded.
    """
    columns = [
        *("model", "metric", "up_to_percent", "reason", "accepted_by", "accepted_at"),
        *("artifact_sha256", "commit_time"),
    ]
    rows = store.table("accepted", columns).to_pylist()
    found = [
        AcceptedChange(
            model=row["model"],
            metric=row["metric"],
            up_to_percent=row["up_to_percent"],
            reason=row["reason"] or "",
            accepted_by=row["accepted_by"] or "",
            accepted_at=_utc(row["accepted_at"] or row["commit_time"]),
            artifact_sha256=row["artifact_sha256"],
            commit_time=_utc(row["commit_time"]),
        )
        for row in rows
        if row["model"] in models
    ]
    return sorted(found, key=lambda each: each.accepted_at)


def accepted_steps(
    metric: HistoryMetric,
    points: Sequence[DatedFile],
    steps: Sequence[LevelStep],
    accepted: Sequence[AcceptedChange],
) -> dict[int, AcceptedChange]:
    """Return the decision on each step that was accepted, by where it is among ``points``.

    ``accepted`` are those on the model.
    """
    grown = [step for step in steps if step.percent > 0]
    found: dict[int, AcceptedChange] = {}
    for each in accepted:
        if each.metric is None and each.up_to_percent is None:
            step = _where_file_came(each, points, steps)
        elif each.metric == _CALLED.get(metric):
            step = _largest_allowed(each, points, grown)
        else:
            step = None
        if step is not None:
            found[step.at] = each
    return found


def _where_file_came(
    accepted: AcceptedChange, points: Sequence[DatedFile], steps: Sequence[LevelStep]
) -> LevelStep | None:
    if accepted.artifact_sha256 is None:
        return None
    files = [point.artifact_sha256 for point in points]
    if accepted.artifact_sha256 not in files:
        return None
    first = files.index(accepted.artifact_sha256)
    near = [
        step
        for step in steps
        if abs(step.at - first) <= (0 if step.low_percent is None else _OFF_BY)
    ]
    return min(near, key=lambda step: abs(step.at - first), default=None)


def _largest_allowed(
    accepted: AcceptedChange, points: Sequence[DatedFile], grown: Sequence[LevelStep]
) -> LevelStep | None:
    if accepted.up_to_percent is None:
        return None
    most = accepted.up_to_percent + _ROUNDING_PERCENT
    decided = [
        sum(point.commit_time is not None and point.commit_time <= when for point in points) - 1
        for when in (accepted.accepted_at, accepted.commit_time)
    ]
    allowed = [
        step
        for step in grown
        if step.least_percent <= most
        and any(step.at - _OFF_BY <= place <= step.at + _SOON for place in decided)
    ]
    return max(allowed, key=lambda step: step.percent, default=None)


def _utc(time: datetime.datetime) -> datetime.datetime:
    return time.replace(tzinfo=datetime.UTC)
