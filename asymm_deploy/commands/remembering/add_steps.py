"""The steps of ``history add``: what is there, which commit it is of, and into the store."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.check.baseline.baseline_file import is_baseline
from asymm_deploy.commands import console
from asymm_deploy.commands.remembering.checked_rows import checked_rows
from asymm_deploy.errors import UsageError
from asymm_deploy.history.adding import Added, add_rows, merge_store
from asymm_deploy.history.found.commit_facts import CommitFacts, commit_facts
from asymm_deploy.history.found.found_rows import FoundRow, FoundRows
from asymm_deploy.history.found.result_rows import OTHER_RECORDS, result_rows
from asymm_deploy.history.history_schema import TableName
from asymm_deploy.history.history_store import is_store
from asymm_deploy.history.missing_extra import require_history_extra
from asymm_deploy.history.store_files import STORE_SUFFIX
from asymm_deploy.text import counted

_TO_TRY = (
    "give a folder that `bench`, `cost`, `evaluate`, `check` or `export` wrote, or another history"
)
_CLOCKS_DIFFER = datetime.timedelta(hours=1)
_NOUNS: dict[TableName, str] = {
    "launches": "launch",
    "cold": "cold launch",
    "sustained": "sustained launch",
    "costs": "count",
    "accuracies": "accuracy figure",
    "sizes": "model size",
    "verdicts": "verdict",
    "accepted": "accepted change",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequest:
    """What to add, and what the user says of it."""

    results: Path
    store: Path
    artifacts: Path
    commit: str | None
    branch: str | None
    time: str | None


def add_to_history(request: AddRequest) -> None:
    """Add results, or another store, and say what was new. Raises as their rooms do."""
    require_history_extra()
    results = request.results
    if _is_store(results):
        _merge(request)
        return
    with console.waiting("reading the results"):
        found = _found(results, request.artifacts)
    if not found.rows:
        what = "; ".join(found.remarks) or f"there are no results in {results}"
        raise UsageError(what, _TO_TRY)
    aside = (request.store, results)
    facts = commit_facts(request.commit, request.branch, request.time, here=Path.cwd(), aside=aside)
    with console.waiting("adding"):
        added = add_rows(request.store, found.rows, facts, results.absolute().name, console.say)
    for line in (*_told(added, facts, found.rows, request.store), *found.remarks):
        console.say(line)


def _is_store(path: Path) -> bool:
    """Whether it is a store, or one file of it: files named by their hashes are nobody else's."""
    if path.suffix == STORE_SUFFIX:
        return True
    return is_store(path)


def _merge(request: AddRequest) -> None:
    given = [
        f"--{name}"
        for name, value in (
            ("commit", request.commit),
            ("branch", request.branch),
            ("time", request.time),
        )
        if value is not None
    ]
    if given:
        raise UsageError(
            f"{request.results} is a history, which knows its commits, and {given[0]} names one",
            f"leave {' and '.join(given)} out",
        )
    with console.waiting("adding"):
        new, known = merge_store(request.store, request.results, console.say)
    if new:
        console.say(f"added {counted(new, 'file')} of {request.results} to {request.store}")
    if known:
        console.say(f"{counted(known, 'file')} of {request.results}: all of it is already there")


def _found(results: Path, artifacts: Path) -> FoundRows:
    if not results.exists():
        raise UsageError(f"there is no {results}", _TO_TRY)
    if results.suffix == ".json" and results.is_file():
        return FoundRows(list(checked_rows(results)))
    if results.is_file() and (results.suffix != ".jsonl" or results.name in OTHER_RECORDS):
        raise UsageError(f"{results} is no file that holds launches or verdicts", _TO_TRY)
    if is_baseline(results):
        return _decisions(results)
    found = result_rows(results, artifacts)
    if results.is_dir():
        found.rows += checked_rows(results)
    return found


def _decisions(baseline: Path) -> FoundRows:
    """Return what a baseline accepts; its files and launches are of the commit that saved it."""
    found = FoundRows(list(checked_rows(baseline)))
    what = f"{baseline} is a baseline, whose files and launches may be of an earlier commit"
    if not found.rows:
        raise UsageError(
            f"{what}, and it accepts no change",
            "add the results of the commit that was measured; a baseline gives accepted changes",
        )
    found.remarks.append(f"{what}: only the changes that it accepts are added")
    return found


def _told(added: Added, facts: CommitFacts, rows: list[FoundRow], store: Path) -> list[str]:
    of = f"commit {facts.commit[:12]}"
    if added.is_of_another_branch:
        there = f"all of {of} is already there ({counted(added.known, 'row')})"
        return [f"{there}; its branch {facts.branch} is kept now"]
    if not added.count:
        return [f"all of {of} is already there ({counted(added.known, 'row')}); nothing was added"]
    what = ", ".join(counted(count, _NOUNS[name]) for name, count in added.new.items())
    lines = [
        f"added to {store}, {of}"
        + (f" of {facts.branch}" if facts.branch else "")
        + f": {what}"
        + (f" ({counted(added.known, 'row')} already there)" if added.known else "")
    ]
    if facts.branch is None:
        lines.append("no branch is kept: give --branch NAME")
    if facts.dirty:
        lines.append(
            "files here differ from that commit (git status), so what was measured may as well; "
            "its rows say dirty"
        )
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    if facts.commit_time > now + _CLOCKS_DIFFER:
        lines.append(
            f"the commit is of {facts.commit_time.isoformat(timespec='seconds')} (UTC), which is "
            "yet to come: until then it stands behind all others"
        )
    started: list[datetime.datetime] = [
        row.values["started_at"] for row in rows if row.table == "launches"
    ]
    if started and min(started) < facts.commit_time:
        lines.append(
            f"some launches started at {min(started).isoformat(timespec='seconds')}, before the "
            f"commit was made at {facts.commit_time.isoformat(timespec='seconds')} (UTC): is it "
            "theirs?"
        )
    if added.shared_with:
        others = ", ".join(commit[:12] for commit in added.shared_with[:3])
        more = f" and {len(added.shared_with) - 3} more" * (len(added.shared_with) > 3)
        lines.append(
            f"the same launches are also there as of commit {others}{more}: bench each commit into "
            "a folder of its own (`history show` counts them at each, `check` at the first)"
        )
    return lines
