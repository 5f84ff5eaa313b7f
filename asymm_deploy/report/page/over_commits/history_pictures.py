"""A history's pictures for a page: one for each metric, among whose series people choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.history.history_series import HISTORY_UNITS
from asymm_deploy.history.told.told_series import ToldSeries, told_together
from asymm_deploy.history.told.told_words import METRIC_NAMES, series_title
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page.over_commits.history_picture import history_picture
from asymm_deploy.report.page.over_commits.remembered import RememberedHistory, cut_words
from asymm_deploy.report.page.pictures.picture import Picture
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

_USUAL = "A step in the last"
"""Notes that begin like this are of every series of latencies."""


@dataclass(frozen=True, slots=True)
class HistoryPictures:
    """What a page shows of a history, and says of it."""

    lead: str
    """In one paragraph: how many commits, and what changed."""
    caption: tuple[str, ...]
    pictures: tuple[Picture, ...]
    remarks: tuple[str, ...]


def history_pictures(history: RememberedHistory, wanted: RowFilter) -> HistoryPictures | None:
    """Return the pictures of what passes ``wanted``; None if nothing does."""
    shown = history.meeting(wanted)
    told = {
        metric: told_together(
            [each for each in shown.series if each.metric == metric], shown.accepted
        )
        for metric in HISTORY_UNITS
    }
    every = [each for of_metric in told.values() for each in of_metric]
    if not every:
        return None
    pictures = [history_picture(metric, of_metric) for metric, of_metric in told.items()]
    remarks = [
        f"{series_title(each.series)}: {note}"
        for each in every
        for note in each.notes
        if not note.startswith(_USUAL)
    ]
    parts = [
        f"{METRIC_NAMES[metric]} of {counted(len({x.series.model for x in of_metric}), 'model')}, "
        f"{_changes(of_metric)}"
        for metric, of_metric in told.items()
        if of_metric
    ]
    return HistoryPictures(
        f"{_span(every)}: {'; '.join(parts)}.",
        (f"Kept in {one_line(history.folder)} by asymm-deploy history add.",),
        tuple(picture for picture in pictures if picture is not None),
        (*cut_words(history), *remarks),
    )


def _span(every: Sequence[ToldSeries]) -> str:
    commits = {each.point.commit: each.point.commit_time for s in every for each in s.commits}
    first, last = (f"{end(commits.values()):%Y-%m-%d}" for end in (min, max))
    when = f"of {first}" if first == last else f"from {first} to {last}"
    return f"Over {counted(len(commits), 'commit')} {when}"


def _changes(told: Sequence[ToldSeries]) -> str:
    steps = [step for each in told for step in each.steps]
    if not steps:
        return (
            "no change" if all(each.can_tell for each in told) else "no change that can be told yet"
        )
    accepted = sum(step.accepted is not None for step in steps)
    of_them = f", {accepted} of them accepted" if accepted else ""
    return f"{counted(len(steps), 'change')}{of_them}"
