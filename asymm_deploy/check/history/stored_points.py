"""A store's launches -> a point for each commit and model, in the order of the commits' times."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge.plausibility import FEWEST_TO_COMPARE
from asymm_deploy.check.folders import matches
from asymm_deploy.check.history.gate_point import (
    GatePoint,
    TimedRuns,
    told_shape,
    told_threads,
)
from asymm_deploy.check.launched import RowFailure
from asymm_deploy.errors import ExitCode, UsageError
from asymm_deploy.history.history_series import CIRCUMSTANCES
from asymm_deploy.history.history_store import HistoryStore
from asymm_deploy.history.told.accepted_steps import AcceptedChange, accepted_changes
from asymm_deploy.history.told.told_series import short_commits
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

if TYPE_CHECKING:
    import pyarrow as pa

_ROW = ("model", "device", "engine", "precision", "threads", "input_shape", "classes")
_COLUMNS = (
    *("commit", "commit_time", "branch", "added_at", *_ROW, "artifact_sha256"),
    *("soc", "os", "cpus", "engine_version", "runner", "runner_version", "runs", "warmup"),
    *("launch", "started_at", "median_ns", "min_ns", "max_ns", "samples_sha256"),
    *("in_use", "partner", "flags", "allowed", "error", "exit_code"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChoice:
    """Which launches of a store are meant; None means all."""

    device: str | None = None
    branch: str | None = None
    since: str | None = None
    """The first digits of a commit: that one and later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPoints:
    """What a store has."""

    commits: tuple[str, ...]
    """Those that have launches, by time, as many digits of each as tell it from the others."""
    points: tuple[GatePoint, ...]
    models: frozenset[str]
    """All that have launches, whether they are judged or not."""
    notes: tuple[str, ...]
    accepted: tuple[AcceptedChange, ...]


_COPIED = "launches of another commit"


def stored_points(
    store: HistoryStore,
    choice: StoredChoice,
    allow: Sequence[str],
    models: Sequence[str],
    most: int,
) -> StoredPoints:
    """Return the points of a store; a launch that two commits have counts at the earlier one.

    ``allow`` names flags that spoil no launch, ``models`` (globs or parts of names) are those that
    are judged; of the commits the last ``most`` are used. Raises UsageError if the store can't be
    decoded, or has nothing that is meant.
    """
    table = _chosen(store, choice)
    every = _commits(table)
    if choice.since is not None:
        every = every[every.index(_since(choice.since, every)) :]
    whole = every[-most:]
    names = dict(zip(whole, short_commits(whole), strict=True))
    place = {commit: number for number, commit in enumerate(whole)}
    rows, all_models = _rows(table, whole, models)
    of_points: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        of_points.setdefault((place[row["commit"]], *(row[key] for key in _ROW)), []).append(row)
    ordered = sorted(of_points.items(), key=lambda item: item[0][0])
    made = (_point(names[found[0]["commit"]], found, allow) for _, found in ordered)
    points, copied = each_launch_once([point for point in made if point is not None])
    used = {row["commit"] for row in rows if choice.branch is None}
    branches = _known_branches(_branches_of(store, table), used)
    cut = [f"Of {len(every)} commits the last {len(whole)} are used."] * (len(whole) < len(every))
    return StoredPoints(
        commits=tuple(names[commit] for commit in whole),
        points=tuple(points),
        models=frozenset(all_models),
        notes=(*cut, *copied, *_branch_notes(branches)),
        accepted=tuple(accepted_changes(store, sorted({point.model for point in points}))),
    )


def each_launch_once(points: Sequence[GatePoint]) -> tuple[list[GatePoint], list[str]]:
    """Return points in which a launch counts at the first commit that has it, and what was copied.

    Two launches of a model with the same runs, one for one, are one launch.
    """
    seen: dict[tuple[str, str], str] = {}
    found: list[GatePoint] = []
    copied: dict[str, str] = {}
    for point in points:
        others = [
            owner
            for each in sorted(point.samples)
            if (owner := seen.get((point.model, each), point.commit)) != point.commit
        ]
        if others:
            copied.setdefault(point.commit, others[0])
            found.append(
                replace(
                    point,
                    medians_ns=(),
                    runs=None,
                    circumstances=(),
                    samples=frozenset(),
                    discarded=(
                        *point.discarded,
                        *((launch, _COPIED) for launch in range(len(point.medians_ns))),
                    ),
                )
            )
            continue
        for each in point.samples:
            seen[point.model, each] = point.commit
        found.append(point)
    return found, [
        f"Commit {commit} has launches of commit {other}, run for run: they count only there. "
        "Bench each commit by itself."
        for commit, other in copied.items()
    ]


def _chosen(store: HistoryStore, choice: StoredChoice) -> pa.Table:
    """Return the launches that are meant, but for --since; paired ones are no latency."""
    import pyarrow.compute as pc

    table = store.table("launches", _COLUMNS)
    table = table.filter(pc.is_null(table.column("partner")))
    if not len(table):
        raise UsageError(
            f"the history in {store.folder} has no launches",
            "add what `asymm-deploy bench` wrote with `asymm-deploy history add RESULTS`",
        )
    for key, wanted in (("device", choice.device), ("branch", choice.branch)):
        if wanted is None:
            continue
        # All launches of a commit that was merged as it is are of both branches.
        named = table if key == "device" else _branches_of(store, table)
        there = set(named.column(key).unique().to_pylist()) - {None}
        if wanted not in there:
            near = get_close_matches(wanted, there, 1, 0.6)
            hint = f"did you mean {excerpt(near[0])}? " if near else ""
            listed = ", ".join(sorted(map(excerpt, there))[:12]) or "none"
            raise UsageError(
                f"the history in {store.folder} has no launches with --{key} {excerpt(wanted)}",
                f"{hint}there is: {listed}",
            )
        mine = pc.equal(named.column(key), wanted)
        if key == "branch":
            commits = named.filter(mine).column("commit").unique()
            mine = pc.is_in(table.column("commit"), value_set=commits)
        table = table.filter(mine)
    return table


def _branches_of(store: HistoryStore, table: pa.Table) -> pa.Table:
    """Return which branches the commits of a table are of: by rows, or by additions of nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ["commit", "branch"]
    entries = store.table("entries", columns)
    theirs = pc.is_in(entries.column("commit"), value_set=table.column("commit").unique())
    both = pa.concat_tables([table.select(columns), entries.filter(theirs)])
    return both.group_by(columns).aggregate([])


def _known_branches(branches: pa.Table, commits: Iterable[str]) -> set[str | None]:
    """Return the branches of commits; None among them if no branch is known of a commit."""
    found: dict[str, set[str | None]] = {commit: set() for commit in commits}
    for row in branches.to_pylist():
        found.get(row["commit"], set()).add(row["branch"])
    return {name for names in found.values() for name in names - {None} or {None}}


def _commits(table: pa.Table) -> list[str]:
    """Return the commits by time; those of one time in the order in which they were added."""
    found = table.group_by("commit").aggregate([("commit_time", "min"), ("added_at", "min")])
    rows = found.to_pylist()
    rows.sort(key=lambda row: (row["commit_time_min"], row["added_at_min"], row["commit"]))
    return [row["commit"] for row in rows]


def _rows(
    table: pa.Table, commits: Sequence[str], models: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the launches of some commits and models, and the names of all models there are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.filter(pc.is_in(table.column("commit"), value_set=pa.array(commits, pa.string())))
    every = table.column("model").unique().to_pylist()
    wanted = pa.array([name for name in every if matches(name, models)], pa.string())
    return table.filter(pc.is_in(table.column("model"), value_set=wanted)).to_pylist(), every


def _since(text: str, commits: Sequence[str]) -> str:
    found = [commit for commit in commits if commit.startswith(text.lower())] if text else []
    if len(found) == 1:
        return found[0]
    what = "no commit" if not found else f"{len(found)} commits"
    raise UsageError(
        f"--since {excerpt(text, 80)!r}: {what} with launches in the history begins like this",
        f"give more of its digits; the last is {commits[-1]}",
    )


def _point(commit: str, rows: Sequence[dict[str, Any]], allow: Sequence[str]) -> GatePoint | None:
    """Return the point of one commit's rows of one setting; None if none is in use."""
    used = sorted((row for row in rows if row["in_use"]), key=lambda row: row["launch"])
    if not used:
        return None
    good = [row for row in used if _is_valid(row, allow)]
    spoilt = [row for row in rows if not _is_valid(row, allow)]
    row = (good or used)[0]
    samples = frozenset(
        each["samples_sha256"]
        for each in good
        if each["samples_sha256"] and each["runs"] >= FEWEST_TO_COMPARE
    )
    return GatePoint(
        commit=commit,
        model=row["model"],
        device=str(row["device"]),
        setting=(
            told_shape(row["input_shape"])
            + (f", {row['classes']} classes" if row["classes"] is not None else ""),
            str(row["device"]),
            str(row["engine"]),
            str(row["precision"]),
            told_threads(row["threads"] or 1),
        ),
        medians_ns=tuple(each["median_ns"] for each in good),
        runs=TimedRuns(
            count=sum(each["runs"] for each in good),
            shortest_ns=min(each["min_ns"] for each in good),
            longest_ns=max(each["max_ns"] for each in good),
        )
        if good
        else None,
        circumstances=_circumstances(good),
        discarded=tuple(
            (each["launch"], " ".join(each["flags"] or ()) or "no result") for each in spoilt
        ),
        left_out=sum(not each["in_use"] and _is_valid(each, allow) for each in rows),
        failure=_failure(used, allow),
        started_at=str(min(each["started_at"] for each in good or used)),
        samples=samples,
        artifact_sha256=row["artifact_sha256"],
        commit_time=row["commit_time"].replace(tzinfo=datetime.UTC),
    )


def _known(names: Iterable[str] | None) -> list[str]:
    """Return the flags that this program knows; a newer one may have more."""
    return [name for name in names or () if name in flags.FLAGS]


def _is_valid(row: dict[str, Any], allow: Sequence[str]) -> bool:
    told, allowed = row["flags"] or (), (*(row["allowed"] or ()), *allow)
    unknown = set(told) - set(flags.FLAGS) - set(allowed)
    return (
        row["error"] is None
        and (row["runs"] or 0) > 0
        and all(0 < (row[name] or 0) < math.inf for name in ("median_ns", "min_ns", "max_ns"))
        and not unknown
        and flags.leave_valid(_known(told), allowed)
    )


def _failure(rows: Sequence[dict[str, Any]], allow: Sequence[str]) -> RowFailure | None:
    """Return what failed among a row's launches, as for those of files."""
    failed = next((row for row in rows if row["error"] is not None), None)
    names = {
        name
        for row in rows
        for name in {*_known(row["flags"])}.difference(row["allowed"] or (), allow)
    }
    code = flags.exit_code_for(names, (), ExitCode.HARNESS)
    if failed is not None and failed["exit_code"] in {int(each) for each in ExitCode}:
        code = flags.exit_code_for(names, (), ExitCode(failed["exit_code"]))
    if code in (ExitCode.OK, ExitCode.UNSTABLE):
        return None
    if failed is not None:
        return RowFailure(str(failed["error"]), code)
    return RowFailure(flags.FLAGS[flags.gravest_first(names)[0]].meaning, code)


def _circumstances(good: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    if not good:
        return ()
    row = good[0]
    told = {
        "chip": str(row["soc"]),
        "system": str(row["os"]),
        "core": row["cpus"] or "none",
        "engine": str(row["engine_version"]),
        "runner": f"{row['runner']} {row['runner_version']}",
        "runs per launch": str(max(each["runs"] for each in good)),
        "warm-up": str(row["warmup"]),
    }
    return tuple(told[name] for name in CIRCUMSTANCES)


def _branch_notes(branches: Iterable[str | None]) -> list[str]:
    named = sorted(excerpt(branch) if branch else "of no known name" for branch in set(branches))
    if len(named) < 2:
        return []
    return [
        f"Commits of {counted(len(named), 'branch')} are one history here, in the order of their "
        f"times: {', '.join(named[:5])}. --branch takes one."
    ]
