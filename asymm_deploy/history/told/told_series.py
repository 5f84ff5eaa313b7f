"""A series of points -> what it says: levels, steps with the commit that moved, accepted or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.history.history_series import (
    CIRCUMSTANCES,
    TIMED_METRICS,
    HistoryMetric,
    HistoryPoint,
    HistorySeries,
)
from asymm_deploy.history.told.accepted_steps import AcceptedChange, accepted_steps
from asymm_deploy.history.told.change_points import blind, least_points
from asymm_deploy.history.told.history_levels import (
    LevelStep,
    exact_levels,
    exact_steps,
    noisy_levels,
    noisy_steps,
    relative_percent,
)
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

HISTORY_SIGNIFICANCE = 0.01
"""Over all series that are looked at together: one look in a hundred sees a step in noise."""
MOST_COMMITS = 500
"""The latest of a noisy series are used; permutations of more would take minutes."""
_FEWEST_DIGITS = 7
_RISK = 0.025
"""On either side of a commit's interval."""
_ROUNDING = 1e-9
"""Percent. A level's mean, by logarithms, differs so much from values that are all the same."""
_IN_POINTS = frozenset({"top1"})
"""Percentages: their changes are told in percentage points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldCommit:
    """One commit of a series."""

    commit: str
    """As many of its digits as tell it from the others."""
    point: HistoryPoint
    low: float | None
    high: float | None
    """The interval of 95 % around its value; None if it has none."""
    level: float | None
    """The mean of the level that it is of, a geometric one of latencies."""
    change: float | None
    """Against the level before it, in ``ToldSeries.change_unit``."""
    step: LevelStep | None
    """If a new level begins here."""
    accepted: AcceptedChange | None
    """Who accepted that step, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldSeries:
    """A series, and what it says."""

    series: HistorySeries
    commits: tuple[ToldCommit, ...]
    """In the order of time; some may have no value."""
    notes: tuple[str, ...]
    """What else people should know, a sentence each."""
    can_tell: bool = True
    """Whether there are enough commits to tell a step from noise."""

    @property
    def steps(self) -> list[ToldCommit]:
        """The commits at which a new level begins."""
        return [each for each in self.commits if each.step is not None]

    @property
    def change_unit(self) -> str:
        """What changes are told in: ``%``, or ``points`` of a percentage."""
        return "points" if self.series.metric in _IN_POINTS else "%"


def told_series(
    series: HistorySeries, accepted: Sequence[AcceptedChange], significance: float
) -> ToldSeries:
    """Return what a series says; ``accepted`` are decisions on its model or on others.

    ``significance`` is how often noise may be called a step in this series; exact metrics have no
    noise.
    """
    noisy = series.metric in TIMED_METRICS
    every = series.points[-MOST_COMMITS:] if noisy else series.points
    places = [place for place, point in enumerate(every) if point.value is not None]
    counting = [every[place] for place in places]
    values = [point.value for point in counting if point.value is not None]
    starts = noisy_levels(values, significance) if noisy else exact_levels(values)
    steps = _steps(series.metric, values, starts)
    mine = [each for each in accepted if each.model == series.model]
    decided = accepted_steps(series.metric, counting, steps, mine)
    levels = _levels(values, starts, noisy=noisy)
    before = _before(values, starts, noisy=noisy)
    at = {step.at: step for step in steps}
    names = short_commits([point.commit for point in every])
    index = {place: number for number, place in enumerate(places)}
    commits = []
    for place, (name, point) in enumerate(zip(names, every, strict=True)):
        number = index.get(place)
        low, high = _interval(point, noisy=noisy and number is not None)
        former = None if number is None else before[number]
        commits.append(
            ToldCommit(
                commit=name,
                point=point,
                low=low,
                high=high,
                level=None if number is None else levels[number],
                change=_change(series.metric, former, point.value),
                step=None if number is None else at.get(number),
                accepted=None if number is None else decided.get(number),
            )
        )
    cut = len(series.points) - len(every)
    notes = _notes(series.metric, commits, starts, significance, cut)
    can_tell = not noisy or len(counting) >= least_points(significance)
    return ToldSeries(series=series, commits=tuple(commits), notes=tuple(notes), can_tell=can_tell)


def told_together(
    series: Sequence[HistorySeries], accepted: Sequence[AcceptedChange]
) -> list[ToldSeries]:
    """Return what several series say, which share the steps that noise may show."""
    noisy = sum(each.metric in TIMED_METRICS for each in series)
    return [told_series(each, accepted, HISTORY_SIGNIFICANCE / max(1, noisy)) for each in series]


def short_commits(commits: Sequence[str]) -> list[str]:
    """Return the first digits of each commit, as many as tell all of them apart, 7 or more."""
    different = len(set(commits))
    for digits in range(_FEWEST_DIGITS, max(map(len, commits), default=0)):
        cut = [commit[:digits] for commit in commits]
        if len(set(cut)) == different:
            return cut
    return list(commits)


def _steps(
    metric: HistoryMetric, values: Sequence[float], starts: Sequence[int]
) -> list[LevelStep]:
    if metric in TIMED_METRICS:
        return noisy_steps(values, starts)
    if metric in _IN_POINTS:
        return [LevelStep(at, values[at] - values[at - 1], None, None) for at in starts]
    return exact_steps(values, starts)


def _bounds(values: Sequence[float], starts: Sequence[int]) -> list[tuple[int, int]]:
    edges = [0, *starts, len(values)]
    return [(edges[place], edges[place + 1]) for place in range(len(edges) - 1)]


def _mean(values: Sequence[float], *, noisy: bool) -> float:
    if noisy:
        return math.exp(fmean(map(math.log, values)))
    return values[0]


def _levels(values: Sequence[float], starts: Sequence[int], *, noisy: bool) -> list[float]:
    """Return the mean of each value's level."""
    return [
        mean
        for start, stop in _bounds(values, starts)
        if start < stop
        for mean in [_mean(values[start:stop], noisy=noisy)]
        for _ in range(start, stop)
    ]


def _before(values: Sequence[float], starts: Sequence[int], *, noisy: bool) -> list[float | None]:
    """Return the level that each value came after: its own as far as before it, or the former."""
    found: list[float | None] = []
    former: float | None = None
    for start, stop in _bounds(values, starts):
        for place in range(start, stop):
            found.append(_mean(values[start:place], noisy=noisy) if place > start else former)
        if start < stop:
            former = _mean(values[start:stop], noisy=noisy)
    return found


def _change(metric: HistoryMetric, before: float | None, value: float | None) -> float | None:
    if before is None or value is None:
        return None
    change = value - before if metric in _IN_POINTS else relative_percent(before, value)
    return 0.0 if abs(change) < _ROUNDING else change


def _interval(point: HistoryPoint, *, noisy: bool) -> tuple[float | None, float | None]:
    """Return Student's interval of a commit's launches, or what the accuracy came with."""
    if not noisy or len(point.values) < 2:
        return point.low, point.high
    from asymm_deploy.bench.judge.log_interval import interval

    found = interval([math.log(value) for value in point.values], _RISK)
    return math.exp(found.low), math.exp(min(found.high, _LARGEST_LOG))


_LARGEST_LOG = 700.0
"""Two launches that differ wildly put the end of the interval beyond any number."""


def _notes(
    metric: HistoryMetric,
    commits: Sequence[ToldCommit],
    starts: Sequence[int],
    significance: float,
    cut: int,
) -> list[str]:
    notes = []
    counting = [each for each in commits if each.point.value is not None]
    if cut:
        notes.append(f"The last {len(commits)} of {len(commits) + cut} commits are used.")
    if metric in TIMED_METRICS:
        needed = least_points(significance)
        if len(counting) < needed:
            notes.append(
                f"It takes {needed} commits to tell a step from noise, and there are "
                f"{len(counting)}."
            )
        else:
            level = len(counting) - (starts[-1] if starts else 0)
            unseen = blind(level, significance)
            notes.append(f"A step in the last {unseen} commits can't be told from chance yet.")
        notes += _moved_circumstances(counting)
        notes += _same_launches(counting)
    nothing = [each for each in commits if each.point.value is None]
    without = [each.commit for each in nothing]
    if without:
        flags = spoiling(sorted({flag for each in nothing for flag in each.point.flags}))
        why = f" ({', '.join(flags)})" if flags else ""
        notes.append(f"Of {counted(len(without), 'commit')} nothing counts{why}: {_some(without)}.")
    dirty = [each.commit for each in counting if each.point.dirty]
    if dirty:
        notes.append(f"Files differed from the commit when this was measured: {_some(dirty)}.")
    notes += _times_and_branches(commits)
    return notes


def _moved_circumstances(counting: Sequence[ToldCommit]) -> list[str]:
    """Return a sentence for each commit at which something else than the model changed."""
    notes = []
    for old, new in pairwise(counting):
        moved = [
            f"the {name} from {_or_unknown(was)} to {_or_unknown(now)}"
            for name, was, now in zip(
                CIRCUMSTANCES, old.point.circumstances, new.point.circumstances, strict=False
            )
            if was != now
        ]
        if moved:
            notes.append(f"At commit {new.commit} something else changed: {', '.join(moved)}.")
    return notes[-_MOST_NAMED:]


def _same_launches(counting: Sequence[ToldCommit]) -> list[str]:
    """Return a sentence on each commit whose launches are, median for median, an earlier one's."""
    first: dict[tuple[float, ...], str] = {}
    notes = []
    for each in counting:
        values = each.point.values
        owner = first.setdefault(values, each.commit)
        if owner != each.commit and len(values) >= _FEWEST_ALIKE:
            notes.append(
                f"The {len(values)} launches of commit {each.commit} have the medians of commit "
                f"{owner}'s: were the same results added to both?"
            )
    return notes[-_MOST_NAMED:]


_FEWEST_ALIKE = 3
"""Launches. Of fewer the medians may agree by chance, to the nanosecond."""


def _times_and_branches(commits: Sequence[ToldCommit]) -> list[str]:
    notes = []
    times = [each.point.commit_time for each in commits]
    if len(set(times)) < len(times):
        notes.append(
            "Commits that were made in the same second stand in the order in which their results "
            "were added."
        )
    branches = sorted({one_line(each.point.branch or "") for each in commits})
    if len(branches) > 1:
        named = ", ".join(name or "of no known name" for name in branches[:_MOST_NAMED])
        notes.append(
            f"Commits of several branches stand here in the order of their times: {named}. "
            "--branch shows one."
        )
    return notes


_MOST_NAMED = 5


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _or_unknown(text: str | None) -> str:
    return one_line(text or "unknown")


def spoiling(names: Sequence[str]) -> list[str]:
    """Return those flags that make a row invalid; ones that a newer program set are among them."""
    return [name for name in names if name not in FLAGS or FLAGS[name].invalidates]
