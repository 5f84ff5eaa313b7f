"""Results of many commits -> which models became slower, and since which commit.

A file of launches is one point in each model's history. This finds what no pair of commits shows: a
growth that each commit keeps below the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asymm_deploy.check.findings import GateReport, utc_now
from asymm_deploy.check.folders import matches, require_matches
from asymm_deploy.check.history.commit_points import CommitPoint, commit_files, points_in
from asymm_deploy.check.history.history_notes import discarded_in_history, history_notes
from asymm_deploy.check.history.level_change import change_of_level
from asymm_deploy.check.history.model_histories import (
    histories_by_name,
    point_circumstances,
    refuse_mixed_history,
)
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError

MOST_POINTS = 500
"""The latest are used; permutations of more would take minutes."""
SIGNIFICANCE = 0.01
"""Over all models together: one look in a hundred is a false alarm."""


def check_history(
    files: Sequence[Path],
    policy: GatePolicy,
    *,
    models: Sequence[str] = (),
    allow: Sequence[str] = (),
    inconclusive_fails: bool = True,
) -> GateReport:
    """Return for each model whether its latest level is above an earlier one, and since when.

    ``models`` are globs or parts of names, with none all are judged; ``allow`` names flags that
    spoil no launch. Raises UsageError for files that can't be read, that name a commit twice, that
    no bench wrote, or whose launches were copied or made under different circumstances (it says
    which).
    """
    started_at = utc_now()
    given = commit_files(files)
    used = given[-MOST_POINTS:]
    every, repeated = points_in(used, allow, models)
    require_matches({point.record.model for point in every}, models)
    points = [point for point in every if matches(point.record.model, models)]
    counting = [point for point in points if point.launches]
    if not counting:
        raise UsageError(
            "there is no valid launch in these files",
            "give files that bench wrote, all finished",
        )
    commits = [commit for commit, _ in used]
    histories = histories_by_name(points)
    for of_one in histories.values():
        refuse_mixed_history([point for point in of_one if point.launches])
    # Shared by all models, including those not judged: which these are may depend on the launches.
    significance = SIGNIFICANCE / len(histories)
    cut = [f"Of {len(given)} files the last {len(used)} are used."] * (len(used) < len(given))
    return GateReport(
        mode="recorded",
        device=", ".join(sorted({point.record.device for point in points})),
        circumstances=_circumstances(counting[0], len(used), policy.thresholds["latency"]),
        baseline=commits[0],
        candidate=commits[-1],
        changes=tuple(
            change_of_level(name, of_one, commits, policy, significance)
            for name, of_one in histories.items()
        ),
        discarded=tuple(discarded_in_history(histories)),
        notes=(*cut, *history_notes(commits, histories), *repeated),
        started_at=started_at,
        inconclusive_fails=inconclusive_fails,
    )


def _circumstances(point: CommitPoint, files: int, threshold_percent: float) -> tuple[str, ...]:
    return (
        f"history of {files} commits; {point_circumstances(point)}",
        f"threshold {threshold_percent:g} %, significance {SIGNIFICANCE:g} over all models",
    )
