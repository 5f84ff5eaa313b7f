"""What a user's code asks beside reading files counts, and what packages ask does not."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from asymm_deploy.export.freshness import Dependencies, unchanged
from asymm_deploy.export.reading.recorded_files import recorded_files

Ask = Callable[[], object]


def asked(ask: Ask) -> Dependencies:
    with recorded_files() as found:
        ask()
    assert unchanged(found, Path())
    return found


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("A_USERS_WIDTH", raising=False)
    for name in ("ckpt/1.txt", "runs/a/best.txt"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("8")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: os.path.exists("big"),  # noqa: PTH110
        lambda: os.path.isfile(b"big"),  # noqa: PTH113
        lambda: Path("big").exists(),
        lambda: Path("big").is_file(),
        lambda: os.path.lexists("big"),
    ],
)
def test_a_file_that_was_looked_for_in_vain_counts_once_it_is_there(ask: Ask) -> None:
    found = asked(ask)
    assert found.absent == ["big"]
    Path("big").touch()
    assert not unchanged(found, Path())


@pytest.mark.parametrize(
    "ask",
    [
        lambda: max(glob.glob("ckpt/*.txt")),  # noqa: PTH207
        lambda: sorted(Path("ckpt").glob("*.txt")),
        lambda: os.listdir("ckpt"),  # noqa: PTH208
        lambda: [*Path("ckpt").iterdir()],
        lambda: [*os.walk("ckpt")],
    ],
)
def test_a_folder_that_was_looked_through_counts_once_it_has_another_file(
    ask: Ask, tmp_path: Path
) -> None:
    found = asked(ask)
    assert (set(found.folders), found.files) == ({str(tmp_path / "ckpt")}, {})
    assert found.relative == {"ckpt": str(tmp_path / "ckpt")}
    Path("ckpt/.hidden").touch()
    Path("ckpt/1.txt").write_text("9")
    assert unchanged(found, Path())
    Path("ckpt/2.txt").touch()
    assert not unchanged(found, Path())


def test_a_folder_of_folders_and_one_that_is_not_there_count() -> None:
    found = asked(lambda: glob.glob("runs/*/best.txt") + glob.glob("none/*"))  # noqa: PTH207
    Path("runs/b").mkdir()
    assert not unchanged(found, Path())
    Path("runs/b").rmdir()
    assert unchanged(found, Path())
    Path("none").mkdir()
    assert not unchanged(found, Path())


def test_a_second_checkout_has_folders_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asked(lambda: glob.glob("ckpt/*"))  # noqa: PTH207
    (tmp_path / "runs" / "ckpt").mkdir()
    monkeypatch.chdir("runs")
    assert not unchanged(found, Path())


@pytest.mark.parametrize(
    "ask",
    [
        lambda: os.environ.get("A_USERS_WIDTH", "8"),
        lambda: os.getenv("A_USERS_WIDTH"),
        lambda: "A_USERS_WIDTH" in os.environ,
    ],
)
def test_a_variable_that_was_asked_for_counts_once_it_has_another_value(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(ask).environment == {"A_USERS_WIDTH": ""}
    monkeypatch.setenv("A_USERS_WIDTH", "secret")
    found = asked(ask)
    assert "secret" not in str(found)
    monkeypatch.setenv("A_USERS_WIDTH", "16")
    assert not unchanged(found, Path())


def test_what_packages_ask_and_a_copy_of_the_environment_do_not_count() -> None:
    def ask() -> None:
        metadata.version("numpy")
        subprocess.run([sys.executable, "-S", "-c", ""], env={**os.environ}, check=True)
        os.environ.copy()

    found = asked(ask)
    assert (found.folders, found.environment) == ({}, {})


def test_all_is_as_it_was_afterwards() -> None:
    before = (os.stat, os.lstat, os.listdir, os.scandir, type(os.environ).__getitem__)
    asked(lambda: Path("big").exists())
    assert (os.stat, os.lstat, os.listdir, os.scandir, type(os.environ).__getitem__) == before
