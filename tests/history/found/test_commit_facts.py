"""Which commit results are of: as given, as git says, or an error that says what is missing."""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.history.found.commit_facts import CommitFacts, commit_facts

UNKNOWN = "1" * 40


def git(folder: Path, *arguments: str) -> str:
    env = os.environ | {
        **{
            f"GIT_{who}_{what}": "x@y"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+02:00",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with two commits on the branch work."""
    folder = tmp_path_factory.mktemp("checkout")
    git(folder, "init", "-q", "-b", "work")
    for number in (1, 2):
        (folder / "file").write_text(str(number))
        git(folder, "add", "file")
        git(folder, "commit", "-q", "-m", "-")
    return folder


def facts(here: Path, environ: dict[str, str] | None = None, **given: Any) -> CommitFacts:
    asked = {"commit": None, "branch": None, "time": None} | given
    return commit_facts(**asked, here=here, environ=environ or {})


def test_git_says_commit_branch_and_time(checkout: Path) -> None:
    found = facts(checkout)
    assert found.commit == git(checkout, "rev-parse", "HEAD")
    assert (found.branch, found.dirty) == ("work", False)
    assert found.commit_time == datetime.datetime(2026, 1, 2, 1, 4, 5)


def test_another_commit_that_git_knows_has_its_own_time_and_no_branch(checkout: Path) -> None:
    before = git(checkout, "rev-parse", "HEAD~1")
    found = facts(checkout, commit=before[:8].upper())
    assert (found.commit, found.branch, found.dirty) == (before, None, None)
    assert facts(checkout, commit=before, branch="b", time="2026-05-01").branch == "b"


def test_the_hash_of_a_tag_is_that_of_its_commit(checkout: Path) -> None:
    git(checkout, "tag", "-a", "-m", "-", "v1")
    tag = git(checkout, "rev-parse", "v1")
    assert tag != git(checkout, "rev-parse", "HEAD")
    assert facts(checkout, commit=tag) == facts(checkout)


def test_a_commit_that_git_doesn_t_know_needs_a_time(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="when commit 1111"):
        facts(tmp_path, commit=UNKNOWN)
    found = facts(tmp_path, commit=UNKNOWN, time="2026-05-01T00:00:00+02:00")
    assert found.commit_time == datetime.datetime(2026, 4, 30, 22)
    assert facts(tmp_path, commit=UNKNOWN, time="2026-05-01").commit_time.hour == 0


@pytest.mark.parametrize(
    "commit",
    ["", "HEAD", "abc", "zzz", "12345678", "--upload-pack=x", "a" * 65, "\x1b[31m", "work"],
)
def test_what_is_no_commit_is_refused(checkout: Path, commit: str) -> None:
    with pytest.raises(UsageError, match="--commit"):
        facts(checkout, commit=commit)


@pytest.mark.parametrize(
    "time", ["", "soon", "2026-13-01", "12:00", "0001-01-01", "9999-12-31", "1e9"]
)
def test_what_is_no_time_is_refused(checkout: Path, time: str) -> None:
    with pytest.raises(UsageError, match="--time"):
        facts(checkout, time=time)


def test_without_git_it_is_told_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not known") as told:
        facts(tmp_path)
    assert "--commit SHA --time TIME" in told.value.hint


def test_a_branch_with_the_name_of_digits_is_no_commit(checkout: Path) -> None:
    git(checkout, "branch", "deadbeef")
    with pytest.raises(UsageError, match="--commit deadbeef"):
        facts(checkout, commit="deadbeef")
    git(checkout, "branch", "-D", "deadbeef")


def test_a_changed_file_makes_it_dirty_unless_it_is_of_the_results(checkout: Path) -> None:
    (checkout / "file").write_text("changed")
    try:
        assert facts(checkout).dirty is True
        found = commit_facts(None, None, None, here=checkout, aside=[checkout / "file"])
        assert found.dirty is False
    finally:
        git(checkout, "checkout", "-q", "file")


def test_on_a_detached_head_ci_names_the_branch(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    try:
        assert facts(checkout).branch is None
        assert facts(checkout, {"GITHUB_REF_NAME": "main"}).branch == "main"
    finally:
        git(checkout, "checkout", "-q", "work")


def test_git_runs_nothing_that_the_checkout_names(checkout: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction"):
        (hooks / name).write_text(script.read_text())
        (hooks / name).chmod(0o755)
    settings = {
        "core.fsmonitor": str(script),
        "core.hooksPath": str(hooks),
        "core.pager": str(script),
        "log.showSignature": "true",
        "gpg.program": str(script),
    }
    for name, value in settings.items():
        git(checkout, "config", name, value)
    os.utime(checkout / "file")
    try:
        (tmp_path / "ran").unlink(missing_ok=True)
        assert facts(checkout).dirty is False
        assert not (tmp_path / "ran").exists()
    finally:
        for name in settings:
            git(checkout, "config", "--unset", name)
