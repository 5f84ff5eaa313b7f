"""CI, git or the system says who accepts a change."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from asymm_deploy.check.baseline.approver import approver_name


def test_ci_says_who_accepts_before_git_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    subprocess.run(["git", "init", "-q"], check=True, cwd=tmp_path)
    subprocess.run(["git", "config", "user.name", "Ada\tL."], check=True, cwd=tmp_path)
    assert approver_name({}) == "Ada L."
    assert approver_name({"GITHUB_ACTOR": "octo"}) == "octo"
    assert approver_name({"GITLAB_USER_LOGIN": "fox"}) == "fox"


def test_without_ci_and_git_the_system_says_who(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "ada")
    assert approver_name(dict(os.environ)) == "ada"
