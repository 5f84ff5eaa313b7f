"""Files of launches -> a point for each commit and model.

The commit is read from the file's name: ``2026-11-23-1a2b3c4.jsonl`` is of commit 1a2b3c4, any
other name stands for itself, and ``NAME/runs.jsonl`` is called NAME. The order is the one in which
the files are given. A shell sorts them by name, so names should begin with a date or a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path

import numpy as np

from asymm_deploy.bench import store
from asymm_deploy.bench.judge import rows, verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.check import launch_order, launched
from asymm_deploy.check.copied_launches import (
    FoundLaunch,
    LaunchFile,
    refuse_copied,
    refuse_nearly_copied,
    refuse_shared,
)
from asymm_deploy.check.folders import matches
from asymm_deploy.check.launched import LaunchIdentity, RowFailure
from asymm_deploy.errors import UsageError
from asymm_deploy.files import resolved
from asymm_deploy.safe import one_line

_MOST_NAMED = 5
_COMMIT = re.compile(r"(?:^|[-_.])([0-9a-f]{7,40})\Z")


@dataclass(frozen=True, slots=True)
class CommitPoint:
    """One commit's launches of one model; at least one, of either kind."""

    commit: str
    launches: tuple[LaunchRecord, ...]
    """Those that finished and are valid."""
    discarded: tuple[LaunchRecord, ...]
    """The others, including those that bench repeated."""
    left_out: int = 0
    """Launches of other files or plans, before those."""
    failure: RowFailure | None = None
    """What failed among its launches, if more than the timing was disturbed."""

    @property
    def record(self) -> LaunchRecord:
        """One of the launches, for what they have in common."""
        return (self.launches or self.discarded)[0]

    @property
    def latency_ms(self) -> float:
        """The median of the launches' medians."""
        return float(np.median(verdicts.launch_medians_ns(self.launches))) / NS_PER_MS

    @property
    def started_at(self) -> str:
        """When the first launch started."""
        return min(record.started_at for record in self.launches)


def commit_of(path: Path) -> str:
    """Return the commit that a file's name ends in; if there is none, the name itself."""
    name = resolved(path).parent.name if path.name == store.NAME else path.stem
    found = _COMMIT.search(name)
    return found[1] if found else one_line(name)


def commit_files(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """Return each file with its commit; raise UsageError if a commit has several, or none is given.

    A folder stands for the runs.jsonl in it.
    """
    if not paths:
        raise UsageError(
            "no file is given",
            "give the launches of each commit, as in `--history results/*.jsonl`",
        )
    files = [path / store.NAME if path.is_dir() else path for path in paths]
    given = [(commit_of(path), path) for path in files]
    commits = [commit for commit, _ in given]
    for commit in commits:
        if commits.count(commit) > 1:
            twice = [str(path) for name, path in given if name == commit]
            raise UsageError(
                f"several files are of commit {commit}: {', '.join(twice[:3])}",
                "give one file per commit, named DATE-COMMIT.jsonl",
            )
    return given


def points_in(
    files: Sequence[tuple[str, Path]], allow: Sequence[str], models: Sequence[str] = ()
) -> tuple[list[CommitPoint], list[str]]:
    """Return the points of all files, and a sentence on those that repeat others' launches.

    If a results folder was copied and then benched further, the copy also has the launches of the
    commit before it. They say nothing about the later commit, and count once. Raises UsageError
    for files that can't be read or that no bench wrote, for launches that were copied, and if one
    of the ``models`` (globs or parts of names; with none all) has a launch in use at two commits.
    """
    read = [(commit, LaunchFile(path, store.load_file(path))) for commit, path in files]
    for _, file in read:
        launch_order.refuse_edited(file)
    refuse_copied([file for _, file in read])
    _refuse_doubles(read, models)
    points: list[CommitPoint] = []
    repeating: list[str] = []
    seen: set[LaunchIdentity] = set()
    for commit, file in read:
        records = rows.alone(file.records)
        new = [record for record in records if launched.identity(record) not in seen]
        if len(new) < len(records):
            repeating.append(commit)
        seen.update(map(launched.identity, new))
        points += _points_of(commit, new, allow)
    if not repeating:
        return points, []
    which = ", ".join(repeating[:_MOST_NAMED])
    more = f" and {len(repeating) - _MOST_NAMED} more" * (len(repeating) > _MOST_NAMED)
    return points, [
        f"These commits repeat launches of earlier ones, which count only there: {which}{more}. "
        "Bench each commit into a folder of its own, with --out."
    ]


def _refuse_doubles(files: Sequence[tuple[str, LaunchFile]], models: Sequence[str]) -> None:
    """Raise UsageError if launches in use are of two commits, or copies that were changed."""
    histories: dict[tuple[object, ...], dict[str, list[FoundLaunch]]] = {}
    for commit, file in files:
        for row in rows.latest_launches(file.records):
            if matches(row[-1].model, models):
                of_one = histories.setdefault(rows.row_key(row[-1]), {})
                of_one[f"commit {commit}"] = file.finished(row)
    for of_one in histories.values():
        refuse_shared(of_one)
        refuse_nearly_copied([found for side in of_one.values() for found in side])


def _points_of(
    commit: str, records: Sequence[LaunchRecord], allow: Sequence[str]
) -> Iterator[CommitPoint]:
    def counts(record: LaunchRecord) -> bool:
        return len(record.samples_ns) > 0 and launched.is_valid(record, allow)

    of_rows: dict[tuple[object, ...], list[LaunchRecord]] = {}
    for record in records:
        of_rows.setdefault(rows.row_key(record), []).append(record)
    for of_row in of_rows.values():
        (latest,) = rows.latest_launches(of_row)
        launches = launched.judged_together(latest, allow)
        again = launched.retried(launches, of_row, allow)
        yield CommitPoint(
            commit,
            tuple(filter(counts, launches)),
            (*again, *filterfalse(counts, launches)),
            launched.left_out(launches, of_row),
            launched.row_failure(launches, allow),
        )
