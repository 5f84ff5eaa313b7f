"""Which commit results are of: what the user says, else what git says of the current folder.

git is started without a shell; its hooks, its watchers and its prompts are off.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.files import resolved
from asymm_deploy.safe import excerpt, one_line

_TIMEOUT_S = 30.0
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PART = re.compile(r"[0-9a-fA-F]{4,64}")
_BRANCH_OF_CI = (
    *("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
    *("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH"),
)
"""GitHub's and GitLab's, whose checkouts have a detached HEAD."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_LONGEST_BRANCH = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFacts:
    """What each row of an addition has in common."""

    commit: str
    """All digits of its hash."""
    branch: str | None
    commit_time: datetime.datetime
    """UTC, without a zone."""
    dirty: bool | None
    """Whether files that git knows differ from the commit; None if it is not the one here."""


def commit_facts(
    commit: str | None,
    branch: str | None,
    time: str | None,
    *,
    here: Path,
    aside: Sequence[Path] = (),
    environ: Mapping[str, str] = os.environ,
) -> CommitFacts:
    """Return what is known of ``commit``, by default the one that the folder ``here`` is at.

    Changes in the folders ``aside`` don't make it dirty: that is where results and stores are.

    Raises UsageError if the commit or its time is neither given nor known to git, or is none.
    """
    head = _git(here, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    whole = _whole_commit(commit, head, here)
    is_here = whole == head
    when = _given_time(time) if time is not None else _time_of(whole, here)
    if branch is None and is_here:
        branch = _git(here, "symbolic-ref", "--quiet", "--short", "HEAD") or next(
            (environ[name] for name in _BRANCH_OF_CI if environ.get(name)), None
        )
    elif branch is not None and not one_line(branch):
        raise UsageError("--branch is empty", "name a branch, or leave --branch out")
    return CommitFacts(
        commit=whole,
        branch=None if branch is None else excerpt(branch, _LONGEST_BRANCH),
        commit_time=when,
        dirty=_is_dirty(here, aside) if is_here else None,
    )


def _whole_commit(commit: str | None, head: str | None, here: Path) -> str:
    if commit is None:
        if head is None:
            raise UsageError(
                f"which commit these results are of is not known: git knows none in {here}",
                "run it in the checkout, or give --commit SHA --time TIME",
            )
        return head
    given = commit.strip()
    if _WHOLE.fullmatch(given.lower()):
        known = _git(here, "rev-parse", "--verify", "--quiet", f"{given.lower()}^{{commit}}")
        return known or given.lower()  # an annotated tag has a hash of its own
    if _PART.fullmatch(given):
        found = _git(here, "rev-parse", "--verify", "--quiet", f"{given}^{{commit}}")
        if found is not None and found.startswith(given.lower()):  # no branch of that name
            return found
        raise UsageError(
            f"--commit {given} is not all of a commit's hash, and git knows none in {here} that "
            "begins like it",
            "give all 40 digits, as `git rev-parse HEAD` prints them",
        )
    raise UsageError(
        f"--commit {excerpt(commit, 80)!r} is no commit's hash",
        "give its hexadecimal digits, as `git rev-parse HEAD` prints them",
    )


def _time_of(commit: str, here: Path) -> datetime.datetime:
    told = _git(here, "show", "-s", "--no-show-signature", "--format=%ct", f"{commit}^{{commit}}")
    if told is None or not told.isascii() or not told.isdigit() or len(told) > 12:
        raise UsageError(
            f"when commit {commit} was made is not known: git has no such commit in {here}",
            "give --time, as in --time 2026-11-29T14:03:00+00:00 (`git show -s --format=%cI SHA`)",
        )
    return _within(datetime.datetime.fromtimestamp(int(told), datetime.UTC), "the commit's time")


def _given_time(text: str) -> datetime.datetime:
    try:
        time = datetime.datetime.fromisoformat(text.strip())
        if time.tzinfo is None:
            time = time.replace(tzinfo=datetime.UTC)
        return _within(time.astimezone(datetime.UTC), f"--time {excerpt(text, 40)}")
    except (ValueError, OverflowError):
        raise UsageError(
            f"--time {excerpt(text, 60)!r} is no time",
            "give it as in --time 2026-11-29T14:03:00+00:00; without a zone it is UTC",
        ) from None


def _within(time: datetime.datetime, what: str) -> datetime.datetime:
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise UsageError(
            f"{what} is of the year {time.year}", "give the time at which the commit was made"
        )
    return time.replace(tzinfo=None)


def _is_dirty(here: Path, aside: Sequence[Path]) -> bool | None:
    top = _git(here, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    inside = [
        str(relative)
        for path in map(resolved, aside)
        if path.is_relative_to(resolved(Path(top)))
        and (relative := path.relative_to(resolved(Path(top)))).parts
    ]
    told = _git(
        Path(top),
        *("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all", "--", "."),
        *(f":(exclude,literal){path}" for path in inside),
    )
    return None if told is None else told != ""


def _git(here: Path, *arguments: str) -> str | None:
    """Return what git prints, without spaces around it; None if it fails, or is not there."""
    quiet = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false")
    settings = [part for setting in quiet for part in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", "--no-pager", *settings, *arguments],  # noqa: S607  whichever git the user has
            cwd=here,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
