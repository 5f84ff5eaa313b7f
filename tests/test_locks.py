"""One process at a time holds a lock, and what a dead one has left is removed by the next."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.locks import HeldError, held_alone, scratch_folder

PREFIX = ".work."
USING = """
import sys
from pathlib import Path
from asymm_deploy.locks import scratch_folder
with scratch_folder(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "half").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def used_by_another(parent: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", USING, str(parent), PREFIX],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Path(process.stdout.readline().strip()), process
    finally:
        process.kill()
        process.communicate()


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with held_alone(lock, "wait"), pytest.raises(HeldError), held_alone(lock, "wait"):
        pytest.fail("it was held twice")
    with held_alone(lock, "wait"):
        pass


@pytest.mark.parametrize("kind", ["folder", "pipe", "circle", "parent"])
def test_a_lock_that_can_not_be_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / ".lock"
    if kind == "folder":
        lock.mkdir()
    elif kind == "pipe":
        os.mkfifo(lock)
    elif kind == "circle":
        lock.symlink_to(lock)
    else:
        (tmp_path / "file").touch()
        lock = tmp_path / "file" / ".lock"
    with pytest.raises(UsageError, match="can't lock") as refused, held_alone(lock, "try another"):
        pytest.fail("it was held")
    assert "try another" in refused.value.hint


def test_a_scratch_folder_ends_with_its_use(tmp_path: Path) -> None:
    def use(error: type[BaseException]) -> None:
        with scratch_folder(tmp_path, PREFIX) as folder:
            assert folder.parent == tmp_path
            (folder / "a").mkdir()
            raise error

    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error):
            use(error)
        assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_is_removed_and_nothing_that_a_living_one_uses(
    tmp_path: Path,
) -> None:
    others = {tmp_path / ".work.mine", tmp_path / ".works.abcdefgh"}
    for each in others:
        each.mkdir()
    with used_by_another(tmp_path) as (theirs, process):
        with scratch_folder(tmp_path, PREFIX) as ours:
            assert set(tmp_path.iterdir()) == {*others, theirs, ours}
            with scratch_folder(tmp_path, PREFIX):
                assert ours.is_dir()
        assert set(tmp_path.iterdir()) == {*others, theirs}
        process.kill()
        process.wait()
        assert (theirs / "half").is_dir()
        with scratch_folder(tmp_path, PREFIX) as ours:
            assert set(tmp_path.iterdir()) == {*others, ours}


def test_neither_links_nor_files_of_such_a_name_are_followed_or_removed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / ".work.abcdefgh").symlink_to("kept")
    (tmp_path / ".work.abcdefgi").touch()
    with scratch_folder(tmp_path, PREFIX):
        pass
    assert len(list(tmp_path.iterdir())) == 3


def test_a_prefix_may_be_as_long_as_a_name(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "n" * 255) as folder:
        assert folder.is_dir()
