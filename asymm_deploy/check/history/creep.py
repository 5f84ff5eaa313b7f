"""Results of many commits -> which models became slower, and since which commit.

A file of launches is one point in each model's history. This finds what no pair of commits shows: a
growth that each commit keeps below the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from asymm_deploy.check.findings import GateReport, utc_now
from asymm_deploy.check.folders import matches, require_matches
from asymm_deploy.check.history.commit_points import commit_files, points_in
from asymm_deploy.check.history.gate_point import GatePoint, gate_point
from asymm_deploy.check.history.history_notes import discarded_in_history, history_notes
from asymm_deploy.check.history.level_change import change_of_level
from asymm_deploy.check.history.model_histories import (
    HistoryWays,
    histories_by_name,
    point_circumstances,
    refuse_mixed_history,
)
from asymm_deploy.check.history.stored_points import (
    StoredChoice,
    each_launch_once,
    stored_points,
)
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError
from asymm_deploy.history.history_store import HistoryStore
from asymm_deploy.history.told.accepted_steps import AcceptedChange
from asymm_deploy.text import counted

MOST_POINTS = 500
"""The latest are used; permutations of more would take minutes."""
SIGNIFICANCE = 0.01
"""Over all models together: one look in a hundred is a false alarm."""


def check_history(
    files: Sequence[Path],
    policy: GatePolicy,
    *,
    store: HistoryStore | None = None,
    choice: StoredChoice | None = None,
    models: Sequence[str] = (),
    allow: Sequence[str] = (),
    inconclusive_fails: bool = True,
) -> GateReport:
    """Return for each model whether its latest level is above an earlier one, and since when.

    The commits are those in ``store`` that ``choice`` means, by their times, and after them those
    of ``files``. ``models`` are globs or parts of names, with none all are judged; ``allow`` names
    flags that spoil no launch. Raises UsageError for files that can't be read, that name a commit
    twice, that no bench wrote, or whose launches were copied or made under different circumstances
    (it says which); and for a store as ``stored_points`` does.
    """
    started_at = utc_now()
    ways = HistoryWays(in_store=store is not None)
    if store is None:
        commits, every, notes, accepted = _of_files(files, allow, models)
        require_matches({point.model for point in every}, models)
    else:
        commits, every, notes, accepted = _of_store(store, choice, files, allow, models)
    points = [point for point in every if matches(point.model, models)]
    counting = [point for point in points if point.counts]
    if not counting:
        raise UsageError(
            f"there is no valid launch in {'this history' if ways.in_store else 'these files'}",
            "give files that bench wrote, all finished",
        )
    histories = histories_by_name(points)
    for of_one in histories.values():
        refuse_mixed_history([point for point in of_one if point.counts], ways)
    # Shared by all models, including those not judged: which these are may depend on the launches.
    significance = SIGNIFICANCE / len(histories)
    return GateReport(
        mode="recorded",
        device=", ".join(sorted({point.device for point in points})),
        circumstances=_circumstances(counting[0], len(commits), policy.thresholds["latency"]),
        baseline=commits[0],
        candidate=commits[-1],
        changes=tuple(
            change_of_level(
                name,
                of_one,
                commits,
                policy,
                significance,
                ways,
                [each for each in accepted if each.model == of_one[0].model],
            )
            for name, of_one in histories.items()
        ),
        discarded=tuple(discarded_in_history(histories)),
        notes=(*notes[0], *history_notes(commits, histories, ways), *notes[1]),
        started_at=started_at,
        inconclusive_fails=inconclusive_fails,
    )


_Found: TypeAlias = tuple[
    list[str], list[GatePoint], tuple[list[str], list[str]], Sequence[AcceptedChange]
]
"""Commits, points, notes to say first and last, and what was accepted."""


def _of_files(files: Sequence[Path], allow: Sequence[str], models: Sequence[str]) -> _Found:
    given = commit_files(files)
    used = given[-MOST_POINTS:]
    every, repeated = points_in(used, allow, models)
    cut = [f"Of {len(given)} files the last {len(used)} are used."] * (len(used) < len(given))
    return [commit for commit, _ in used], list(map(gate_point, every)), (cut, repeated), ()


def _of_store(
    store: HistoryStore,
    choice: StoredChoice | None,
    files: Sequence[Path],
    allow: Sequence[str],
    models: Sequence[str],
) -> _Found:
    """Return what a store has, and after it the files: what was benched and is not yet added."""
    new: _Found = ([], [], ([], []), ())
    if files:
        new = _of_files(files, allow, models)
    most = MOST_POINTS - len(new[0])
    found = stored_points(store, choice or StoredChoice(), allow, models, max(1, most))
    for commit in new[0]:
        if any(commit.startswith(each) or each.startswith(commit) for each in found.commits):
            raise UsageError(
                f"commit {commit} is in the history in {store.folder}, and given as a file",
                "leave the file out",
            )
    require_matches({*found.models, *(point.model for point in new[1])}, models)
    device = None if choice is None else choice.device
    mine = [point for point in new[1] if device in {None, point.device}]
    points, copied = each_launch_once([*found.points, *mine])
    first, last = new[2]
    notes = ([*first, *found.notes], [*last, *copied])
    return [*found.commits, *new[0]], points, notes, found.accepted


def _circumstances(point: GatePoint, files: int, threshold_percent: float) -> tuple[str, ...]:
    return (
        f"history of {counted(files, 'commit')}; {point_circumstances(point)}",
        f"threshold {threshold_percent:g} %, significance {SIGNIFICANCE:g} over all models",
    )
